"""The networks of a trained model, and the ways to score with them: ``exact`` is the reference, a latent search."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from cafepick.errors import ArtefactError, ConfigError
from cafepick.images import to_float, to_uint8
from cafepick.models.build import build_comparison, build_discriminator, build_encoder, build_generator
from cafepick.models.device import has_bfloat16, place_named
from cafepick.scoring.descent import pays
from cafepick.scoring.fast import Restoring, look_closer, look_once, measure_usual
from cafepick.scoring.fusion import COMPARISON, RECONSTRUCTION
from cafepick.scoring.residual import anomaly_maps
from cafepick.scoring.search import search_latent
from cafepick.scoring.usual import UsualDifference, differences_of
from cafepick.types import Scored

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from cafepick.config import ComparisonConfig, Differences, Method, ModelConfig, SearchConfig
    from cafepick.models.comparison import ComparisonHead
    from cafepick.models.discriminator import Discriminator
    from cafepick.models.encoder import Encoder
    from cafepick.models.generator import Generator
    from cafepick.scoring.fast import OnePass
    from cafepick.scoring.frozen import Precision
    from cafepick.scoring.search import SearchResult

Network = TypeVar("Network", bound=nn.Module)

USUAL: Final = "usual."
"""Of the usual differences among an artefact's tensors."""


@dataclass(frozen=True, eq=False)
class Networks:
    """Generator and discriminator of one trained model, on one device, and what its quick methods need besides."""

    config: ModelConfig
    generator: Generator
    discriminator: Discriminator
    device: torch.device
    restoring: Restoring | None = None
    """Encoder, decoder and comparison; None for a model that knows the method ``exact`` alone."""
    comparison: ComparisonConfig | None = None
    """Shape of the comparison."""

    @classmethod
    def from_tensors(
        cls,
        config: ModelConfig,
        tensors: Mapping[str, NDArray[np.generic]],
        *,
        comparison: ComparisonConfig | None = None,
        device: str = "auto",
    ) -> Networks:
        """Build the networks from named arrays, as ``to_tensors`` gives them.

        Args:
            config: shape of generator, discriminator and encoder.
            tensors: the arrays.
            comparison: shape of the comparison; None where there are only generator and discriminator.
            device: ``auto``, ``cpu`` or ``cuda``.

        Raises:
            ArtefactError: an array is missing, left over or has another shape than ``config`` says.
            ConfigError: there is no such device here.
        """
        place = pick_device(device)
        generator = _filled(lambda: build_generator(config), tensors, "generator.")
        discriminator = _filled(lambda: build_discriminator(config), tensors, "discriminator.")
        networks = cls(config, generator.to(place).eval(), discriminator.to(place).eval(), place)
        if comparison is None:
            return networks
        width = comparison.width
        encoder = _filled(lambda: build_encoder(config), tensors, "encoder.")
        decoder = _filled(lambda: build_generator(config), tensors, "decoder.")
        head = _filled(lambda: build_comparison(config, width=width), tensors, "comparison.")
        networks = networks.with_quick_methods(encoder.to(place), decoder.to(place), head.to(place), comparison)
        return networks._with_stored_usual(tensors)

    @classmethod
    def of(cls, config: ModelConfig, generator: Generator, discriminator: Discriminator) -> Networks:
        """Return trained networks, where they are."""
        return cls(config, generator.eval(), discriminator.eval(), next(generator.parameters()).device)

    def with_quick_methods(
        self, encoder: Encoder, decoder: Generator, head: ComparisonHead, comparison: ComparisonConfig
    ) -> Networks:
        """Return the networks together with copies of those that ``fast`` and ``refine`` need, of the same device."""
        restoring = Restoring.of(encoder, decoder, head, self.discriminator)
        return replace(self, restoring=restoring, comparison=comparison)

    def with_usual(self, images: NDArray[np.uint8]) -> Networks:
        """Return the networks with quick methods that measure differences of features by those of good subjects.

        Args:
            images: (n, size, size, c) crops of good subjects, n at least 2.

        Raises:
            ConfigError: there is no encoder.
            TrainingError: there are too few subjects, or no feature differs.
        """
        quick = self._quick("usual differences")
        return replace(self, restoring=replace(quick, usual=measure_usual(quick, self._pixels(images))))

    def _with_stored_usual(self, tensors: Mapping[str, NDArray[np.generic]]) -> Networks:
        """Return the networks with the usual differences that ``tensors`` hold, if they hold some."""
        quick = self.restoring
        if quick is None or not any(name.startswith(USUAL) for name in tensors):
            return self
        shape = (1, self.config.size, self.config.size, self.config.channels)
        with torch.no_grad():
            maps = self.discriminator.maps(self._pixels(np.zeros(shape, np.uint8)))
        features = differences_of(maps, maps).shape[1]
        usual = _filled(lambda: UsualDifference(features), tensors, USUAL)
        return replace(self, restoring=replace(quick, usual=usual.to(self.device)))

    @property
    def methods(self) -> tuple[Method, ...]:
        """The methods that the model knows, quickest first."""
        return ("exact",) if self.restoring is None else ("fast", "refine", "exact")

    @property
    def differences(self) -> Differences | None:
        """What the quick methods make of the differences, see ``SearchConfig``; None: there are no such methods."""
        if self.restoring is None:
            return None
        return "plain" if self.restoring.usual is None else "standardised"

    @property
    def half_is_native(self) -> bool:
        """Whether the device multiplies bfloat16 natively."""
        return has_bfloat16(self.device.type)

    @property
    def walks_in_half(self) -> bool:
        """Whether ``exact`` searches quicker in bfloat16 here."""
        return self.half_is_native and pays(self.generator)

    def to_header(self) -> dict[str, Any]:
        """Return the shapes of the networks as plain values."""
        shapes = {"model": asdict(self.config)}
        return shapes if self.comparison is None else {**shapes, "comparison": asdict(self.comparison)}

    def to_tensors(self) -> dict[str, NDArray[np.generic]]:
        """Return all weights as named arrays."""
        parts: dict[str, nn.Module] = {"generator": self.generator, "discriminator": self.discriminator}
        if self.restoring is not None:
            quick = self.restoring
            parts |= {"encoder": quick.encoder, "decoder": quick.decoder, "comparison": quick.comparison}
            parts |= {} if quick.usual is None else {"usual": quick.usual}
        return {
            f"{part}.{name}": tensor.detach().cpu().numpy()
            for part, network in parts.items()
            for name, tensor in network.state_dict().items()
        }

    @torch.no_grad()
    def draw(self, count: int, *, seed: int = 0) -> NDArray[np.uint8]:
        """Draw what the model takes for good: (count, size, size, c) from z uniform in [-1, 1]."""
        z = torch.rand(count, self.config.latent, generator=torch.Generator().manual_seed(seed)) * 2 - 1
        return to_uint8(self.generator(z.to(self.device)).permute(0, 2, 3, 1).cpu().numpy())

    def score(
        self,
        images: NDArray[np.uint8],
        search: SearchConfig,
        *,
        method: Method = "exact",
        precision: Precision = "float32",
        progress: Callable[[int, int], None] | None = None,
    ) -> Scored:
        """Find the good image behind each of ``images`` (n, size, size, c), n > 0, and score what differs.

        Args:
            images: crops.
            search: of ``exact`` and ``refine``, and lambda of all.
            method: one of ``methods``.
            precision: of the pass of ``fast``; of the walk of ``exact``, whose scores are float32.
            progress: called with how many are done and how many there are.

        Returns:
            Scores that add up over each image; what they are per pixel of a subject, ``Detector.score`` tells.

        Raises:
            ConfigError: the model does not know the method.
        """
        pixels = self._pixels(images)
        if method == "exact":
            networks = self.generator, self.discriminator
            found = search_latent(*networks, pixels, search, precision=precision, on_progress=progress)
            maps = anomaly_maps(to_float(images), _pictures(found.reconstruction))
            return _scored(found, maps, {RECONSTRUCTION: _numbers(found.score)})
        quick = self._quick(f"the method {method}")
        if method == "fast":
            seen = look_once(quick, pixels, precision=precision, on_progress=progress)
        else:
            seen = look_closer(quick, pixels, search, on_progress=progress)
        anomaly = (1 - search.weight) * seen.residual + search.weight * seen.discrimination
        parts = {RECONSTRUCTION: _numbers(anomaly), COMPARISON: _numbers(seen.logit)}
        return _scored(seen, seen.map.cpu().numpy(), parts)

    def _quick(self, what: str) -> Restoring:
        """Return the networks of the quick methods, which ``what`` needs."""
        if self.restoring is None:
            raise ConfigError(
                f"this model has no encoder, which {what} needs: use --method exact, or train with the recipe "
                f"standard or quick"
            )
        return self.restoring

    def _pixels(self, images: NDArray[np.uint8]) -> Tensor:
        """(n, size, size, c) bytes -> (n, c, size, size) in [-1, 1], on the networks' device."""
        return torch.from_numpy(to_float(images)).permute(0, 3, 1, 2).to(self.device)


def pick_device(name: str) -> torch.device:
    """Return the torch device called so, see ``models.device``.

    Raises:
        ConfigError: the name is unknown, or means several devices, or there is no such GPU.
    """
    place = place_named(name)
    if place.count > 1:
        raise ConfigError(f"--device {name} names {place.count} GPUs, but beans are judged on one: use cuda or cuda:N")
    return torch.device(place.kind) if place.index is None else torch.device(place.kind, place.index)


class _Undrawn(TorchFunctionMode):
    """Leaves first weights undrawn where stored ones follow; without memory, drawing is slow too."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        drawing = func in (torch.Tensor.normal_, torch.Tensor.uniform_)  # some of torch.nn.init come through as these
        if drawing or getattr(func, "__module__", None) == nn.init.__name__:
            return args[0] if args else given["tensor"]
        return func(*args, **given)


def _filled(build: Callable[[], Network], tensors: Mapping[str, NDArray[np.generic]], prefix: str) -> Network:
    """Build a network around stored weights.

    It is first built without memory, so that a header that claims a huge network is refused and not believed.
    """
    stored = {name.removeprefix(prefix): array for name, array in tensors.items() if name.startswith(prefix)}
    try:
        with torch.device("meta"), _Undrawn():
            network = build()
        wanted = network.state_dict()
        state = {
            name: torch.from_numpy(np.array(array)).to(wanted[name].dtype if name in wanted else None)
            for name, array in stored.items()
        }
        network.load_state_dict(state, assign=True)
    except (RuntimeError, OverflowError, TypeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ArtefactError(f"the weights do not fit the model that the header describes: {reason}") from error
    odd = next((name for name, values in state.items() if not torch.isfinite(values).all()), None)
    if odd is not None:  # in bfloat16 NaN may pass for a number on its way, and give a verdict
        raise ArtefactError(f"the weights {prefix}{odd} are not all finite: train anew")
    return network


def _scored(
    found: SearchResult | OnePass, maps: NDArray[np.float32], parts: Mapping[str, NDArray[np.float64]]
) -> Scored:
    """Gather what was found; until parts are fused, the reconstruction alone is the score."""
    return Scored(
        residual=_numbers(found.residual),
        discrimination=_numbers(found.discrimination),
        score=parts[RECONSTRUCTION],
        reconstructions=to_uint8(_pictures(found.reconstruction)),
        maps=maps,
        parts=parts,
    )


def _pictures(images: Tensor) -> NDArray[np.float32]:
    return images.permute(0, 2, 3, 1).cpu().numpy()


def _numbers(values: Tensor) -> NDArray[np.float64]:
    return values.double().cpu().numpy()
