"""The quick ways to score: one pass of the encoder, or a few search steps from where it points.

``fast`` draws G(E(x)), where the decoder G learnt with the encoder E (``training/encoder.py``). ``refine`` takes E(x)
for the start of a short latent search with that decoder. Either way the comparison then tells what matters of the
difference.

Why a score depends on nothing but the image: as in ``search``, every network always runs on exactly ``PASS`` images, by
one thread; zeros fill up the last pass. More cores take more passes side by side, which changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cafepick.cores import shared
from cafepick.scoring.frozen import Precision, distance, frozen_copy, laid_out
from cafepick.scoring.packed import (
    HALF,
    PackedComparison,
    PackedDiscriminator,
    PackedEncoder,
    PackedGenerator,
    can_pack,
)
from cafepick.scoring.recorded import recorded
from cafepick.scoring.search import one_thread_each, search_latent
from cafepick.scoring.usual import UsualDifference, differences_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from cafepick.config import SearchConfig
    from cafepick.models.comparison import Compared, ComparisonHead
    from cafepick.models.discriminator import Discriminator
    from cafepick.models.encoder import Encoder
    from cafepick.models.generator import Generator

PASS: Final = 16
"""Images that a network sees in one pass, always: 32 would be 5 % quicker a core, and keep a single bean waiting."""


AT_A_TIME: Final = 8 * PASS
"""Images whose differences of features are held in memory while what is usual of them is learnt."""


class OnePass(NamedTuple):
    """What one pass finds of n images."""

    reconstruction: Float[Tensor, "n c h w"]
    """The good image behind each, in [-1, 1]."""
    residual: Float[Tensor, " n"]
    """Sum of the absolute differences of pixels."""
    discrimination: Float[Tensor, " n"]
    """The same of features; by a ``Restoring`` that knows usual differences, of standardised ones (``usual``)."""
    map: Float[Tensor, "n h w"]
    """How likely each pixel is spoiled, 0..1."""
    logit: Float[Tensor, " n"]
    """How surely the whole subject is; above 0 spoiled."""


@dataclass(frozen=True, eq=False)
class Restoring:
    """Copies of the networks of one pass that nothing trains."""

    encoder: Encoder
    decoder: Generator
    comparison: ComparisonHead
    discriminator: Discriminator
    usual: UsualDifference | None = None
    """What the differences of features are measured by; None: they count as they are, all alike."""
    _programs: dict[Precision, Callable[[Tensor], OnePass]] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(
        cls, encoder: Encoder, decoder: Generator, comparison: ComparisonHead, discriminator: Discriminator
    ) -> Restoring:
        """Copy the networks, which stay as they are."""
        return cls(frozen_copy(encoder), frozen_copy(decoder), frozen_copy(comparison), frozen_copy(discriminator))

    def look(self, images: Float[Tensor, "b c h w"]) -> OnePass:
        """Score one pass of images, pixels in [-1, 1]."""
        return self.compare(images, self.decoder(self.encoder(images)))

    def program(self, precision: Precision) -> Callable[[Tensor], OnePass]:
        """Return ``look`` as fast as the processor allows, for threads that share an interpreter (``recorded``).

        Args:
            precision: bfloat16 takes packed networks (``packed``), where torch has them.
        """
        known = self._programs.get(precision)
        if known is None:
            with one_thread_each():  # nobody else records meanwhile
                known = self._programs.get(precision) or self._recorded(precision)
                self._programs[precision] = known
        return known

    def _recorded(self, precision: Precision) -> Callable[[Tensor], OnePass]:
        weight, half = self.encoder.to_z.weight, precision == "bfloat16"
        if weight.device.type != "cpu" or (half and not can_pack()):
            return self._look_under_autocast if half else self.look
        size, channels = self.comparison.sides[0], self.decoder.to_image.out_channels
        example = _filled(weight.new_zeros(1, channels, size, size))
        program = recorded(_HalfPass(self) if half else self.look, example)
        return lambda images: OnePass(*program(images))

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the programs, which no pickle takes and which are made anew."""
        return {**vars(self), "_programs": {}}

    def _look_under_autocast(self, images: Tensor) -> OnePass:
        with torch.autocast(images.device.type, HALF):
            return OnePass(*(column.float() for column in self.look(images)))

    def compare(self, images: Float[Tensor, "b c h w"], drawn: Float[Tensor, "b c h w"]) -> OnePass:
        """Compare one pass of images with their reconstructions."""
        seen = self.discriminator.maps(images), self.discriminator.maps(drawn)
        return _one_pass(images, drawn, seen, self.comparison(images, drawn, *seen), self.usual)


class _HalfPass(nn.Module):
    """``Restoring.look`` of packed networks, in bfloat16."""

    def __init__(self, networks: Restoring) -> None:
        super().__init__()
        self.encoder, self.decoder = PackedEncoder(networks.encoder), PackedGenerator(networks.decoder)
        self.discriminator = PackedDiscriminator(networks.discriminator)
        self.comparison, self.usual = PackedComparison(networks.comparison), networks.usual

    def forward(self, images: Tensor) -> OnePass:
        """Score one pass of images, pixels in [-1, 1]."""
        shown = images.to(HALF)
        drawn = self.decoder(self.encoder(shown))
        likeness = drawn.to(HALF)
        seen = self.discriminator(shown), self.discriminator(likeness)
        return _one_pass(images, drawn, seen, self.comparison(shown, likeness, *seen), self.usual)


def _one_pass(
    images: Tensor,
    drawn: Tensor,
    seen: tuple[list[Tensor], list[Tensor]],
    compared: Compared,
    usual: UsualDifference | None,
) -> OnePass:
    discrimination = distance(*(maps[-1].float() for maps in seen)) if usual is None else usual(*seen)
    return OnePass(
        reconstruction=drawn,
        residual=distance(images, drawn),
        discrimination=discrimination,
        map=compared.map.squeeze(1),
        logit=compared.logit,
    )


def look_once(
    networks: Restoring,
    images: Float[Tensor, "n c h w"],
    *,
    precision: Precision = "float32",
    on_progress: Callable[[int, int], None] | None = None,
) -> OnePass:
    """Score images by one pass of the networks.

    Args:
        networks: on the device of ``images``.
        images: pixels in [-1, 1], n > 0.
        precision: of the networks; ``bfloat16`` is more than twice as fast on processors that have it, and moves
            scores by about 1 %, standardised differences by up to 3 %.
        on_progress: called with the number of images done and of all.

    Returns:
        The n results, in the order of ``images``; on a CPU equal to the bit however the images are put together, but
        for the last bits of maps whose side is odd.
    """
    return _in_passes(networks.program(precision), (images,), on_progress=on_progress)


def look_closer(
    networks: Restoring,
    images: Float[Tensor, "n c h w"],
    config: SearchConfig,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> OnePass:
    """Score images by a search of ``config.refine_steps`` from where the encoder points.

    Arguments and result are as in ``look_once``; the search is ``search_latent`` with the decoder for a generator, in
    float32: it ends before it has settled, so that rounding would move its end by a fifth of what good subjects differ.
    """
    starts = _in_passes(lambda x: _Starts(networks.encoder(x)), (images,)).z
    found = search_latent(
        networks.decoder,
        networks.discriminator,
        images,
        replace(config, steps=config.refine_steps, restarts=1, tolerance=0.0),
        starts=starts,
        on_progress=on_progress,
    )
    return _in_passes(networks.compare, (images, found.reconstruction))


def measure_usual(networks: Restoring, images: Float[Tensor, "n c h w"]) -> UsualDifference:
    """Learn how much the features of good subjects differ from those of their reconstructions by one pass.

    Raises:
        TrainingError: there are fewer than 2 subjects, or no feature differs.
    """

    def look(x: Tensor) -> _Differences:
        drawn = networks.decoder(networks.encoder(x))
        return _Differences(differences_of(networks.discriminator.maps(x), networks.discriminator.maps(drawn)))

    return UsualDifference.of(_in_passes(look, (some,)).differences for some in images.split(AT_A_TIME))


class _Starts(NamedTuple):
    z: Float[Tensor, "n latent"]


class _Differences(NamedTuple):
    differences: Float[Tensor, "n f"]


Rows = TypeVar("Rows", OnePass, _Starts, _Differences)


def _in_passes(
    work: Callable[..., Rows],
    inputs: tuple[Float[Tensor, "n c h w"], ...],
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> Rows:
    """Do ``work`` on ``PASS`` rows of the inputs at a time, on several threads, and put the rows together again."""
    count, asking = len(inputs[0]), get_ident()
    starts, done = range(0, count, PASS), list[int]()

    @torch.inference_mode()
    def one(start: int) -> Rows:
        before = torch.get_num_threads()  # each thread has its own number
        torch.set_num_threads(1)
        try:
            with torch.autocast(inputs[0].device.type, enabled=False):  # a caller's is known to its own thread only
                rows = work(*(_filled(part[start : start + PASS]) for part in inputs))
        finally:
            torch.set_num_threads(before)
        done.append(start)
        passes = len(done)
        if on_progress is not None and get_ident() == asking and passes < len(starts):
            on_progress(passes * PASS, count)
        return rows

    with one_thread_each() as threads, torch.backends.cudnn.flags(deterministic=True, benchmark=False):
        parts = shared(one, starts, most=threads if inputs[0].device.type == "cpu" else 1)
        together = type(parts[0])(*(torch.cat(column)[:count].clone() for column in zip(*parts, strict=True)))
    if on_progress is not None:
        on_progress(count, count)
    return together


def _filled(rows: Tensor) -> Tensor:
    """Return exactly ``PASS`` rows, in channels-last order, which is the quickest; zeros where there are none."""
    missing = PASS - len(rows)
    return laid_out(torch.cat([rows, rows.new_zeros(missing, *rows.shape[1:])]) if missing else rows)
