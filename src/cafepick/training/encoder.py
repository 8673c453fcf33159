r"""How encoder, decoder and comparison learn, once the GAN has: read ``train_encoder`` first.

The encoder E sees good images, many of them spoiled (``corrupt.spoil``), and must find the z of the good image behind:

$$\lVert x-\hat x\rVert_1+\mu\,(1-\mathrm{SSIM}(x,\hat x))
+\kappa\,\frac{\lVert f(x)-f(\hat x)\rVert^2}{\lVert f(x)\rVert^2}+\nu\,\lVert E(G(z))-z\rVert_1
\qquad\hat x=G(E(\tilde x))$$

with x the good image, x tilde what E sees of it, and f the discriminator's last hidden layer: the arrangement izi_f of
f-AnoGAN (Schlegl et al., Medical Image Analysis 54, 2019), with the terms that GRD-Net (Ferrari et al., 2023) adds to
it. A copy of the generator, the decoder, may learn along; the generator itself and the discriminator stay as they are.
The comparison (see ``comparison``) learns in the same steps from what the two make of the image.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from cafepick.errors import TrainingError
from cafepick.models.build import build_comparison, build_encoder
from cafepick.training.augment import mirror
from cafepick.training.batches import Batches, random_of_step
from cafepick.training.comparison import comparison_loss
from cafepick.training.corrupt import spoil
from cafepick.training.gan import descend, uniform_z

if TYPE_CHECKING:
    import numpy as np
    from lightning_fabric import Fabric
    from numpy.typing import NDArray

    from cafepick.config import ComparisonConfig, EncoderConfig, GanConfig, ModelConfig
    from cafepick.models.comparison import ComparisonHead
    from cafepick.models.discriminator import Discriminator
    from cafepick.models.encoder import Encoder
    from cafepick.models.generator import Generator
    from cafepick.training.gan import Gan
    from cafepick.training.losses import Images, Scalar

AFTER_GAN: Final = 2**32
"""Random numbers of this stage are those of steps that no GAN reaches, so that the two are unrelated."""
BETAS: Final = (0.9, 0.99)
_WINDOW: Final = 8  # pixels, of SSIM; windows overlap by half, which costs a tenth of windows at every pixel
_LUMINANCE, _CONTRAST = 0.01**2, 0.03**2  # SSIM's constants for light in 0..1


@dataclass(eq=False)
class Restorer:
    """Everything that changes in this stage, and what it learns with."""

    encoder: Encoder
    decoder: Generator
    """A copy of the averaged generator that draws what the encoder means."""
    comparison: ComparisonHead
    discriminator: Discriminator
    """Of the trained GAN; it stays as it is."""
    optimiser: torch.optim.Optimizer
    step: int = 0
    """Steps done."""

    def networks(self) -> dict[str, nn.Module]:
        """Return what learns, by name."""
        return {"encoder": self.encoder, "decoder": self.decoder, "comparison": self.comparison}

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        """Return the optimiser, by name."""
        return {"restorer_optimiser": self.optimiser}


@dataclass(frozen=True)
class RestoreRecord:
    """What one step showed."""

    step: int
    """Counts from 1."""
    image_loss: float
    """L1 and SSIM between good images and what is drawn of them, spoiled or not."""
    feature_loss: float
    consistency: float
    map_loss: float
    """Of the comparison's map, and, next, of its logit."""
    logit_loss: float


def new_restorer(
    gan: Gan, model: ModelConfig, config: EncoderConfig, comparison: ComparisonConfig, *, seed: int, fabric: Fabric
) -> Restorer:
    """Return an untrained encoder and comparison beside a trained GAN, which stays as it is.

    The weights depend on ``seed`` and the GAN alone; torch's global random state stays as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder, head = build_encoder(model), build_comparison(model, width=comparison.width)
    for network in (encoder, head):
        fabric.to_device(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    decoder = copy.deepcopy(gan.averaged).eval().requires_grad_(config.decoder)
    learning = [p for network in (encoder, decoder, head) for p in network.parameters() if p.requires_grad]
    return Restorer(
        encoder=encoder,
        decoder=decoder,
        comparison=head,
        discriminator=copy.deepcopy(gan.discriminator).eval().requires_grad_(False),
        optimiser=torch.optim.Adam(learning, lr=config.learning_rate, betas=BETAS, fused=True),
    )


def train_encoder(
    restorer: Restorer, batches: Batches, config: EncoderConfig, gan: GanConfig, *, fabric: Fabric
) -> Iterator[RestoreRecord]:
    """Train from ``restorer.step`` up to ``config.steps`` and yield a record after each step.

    As in ``train_gan``, whatever is random depends on ``batches.seed`` and the step alone, and the caller may save or
    stop between any two steps. Batch norm in the decoder keeps the GAN's statistics, so that no image sees another.

    Raises:
        TrainingError: a loss is not a finite number.
    """
    restorer.encoder.train()
    restorer.comparison.train()
    learning = nn.ModuleList([restorer.encoder, restorer.decoder, restorer.comparison])
    for step in range(restorer.step + 1, config.steps + 1):
        random = random_of_step(batches.seed, AFTER_GAN + step, rank=fabric.global_rank)
        good = fabric.to_device(batches.at(step, rank=fabric.global_rank, world=fabric.world_size))
        if gan.flips:
            good = mirror(good, random)
        for group in restorer.optimiser.param_groups:
            group["lr"] = config.learning_rate * falling(step, config.steps)
        losses = restore_losses(restorer, good, config, fabric, random)
        descend(sum(losses, start=torch.zeros_like(losses[0])), learning, restorer.optimiser, fabric)
        record = RestoreRecord(step, *(float(loss.detach()) for loss in losses))
        _check_finite(record, config)
        restorer.step = step
        yield record


def restore_losses(
    restorer: Restorer, good: Images, config: EncoderConfig, fabric: Fabric, random: torch.Generator
) -> list[Scalar]:
    """Return the losses of one batch: image, features, consistency, map and logit, each with its weight."""
    spoiled = spoil(good, random)
    chosen = (torch.rand(len(good), generator=random) < config.spoiled).to(good.device)[:, None, None, None]
    shown = torch.where(chosen, spoiled.images, good)
    z = fabric.to_device(uniform_z(max(len(good) // 2, 1), restorer.decoder.latent, random))
    with fabric.autocast():
        drawn = restorer.decoder(restorer.encoder(shown)).float()
        with torch.no_grad():
            good_features = restorer.discriminator.features(good).float()
            seen = restorer.discriminator.maps(shown)
            dreamt = restorer.decoder(z)
        seen_drawn = restorer.discriminator.maps(drawn)
        consistency = (restorer.encoder(dreamt).float() - z).abs().mean()
        compared = restorer.comparison(shown, drawn.detach(), seen, [seen_map.detach() for seen_map in seen_drawn])
    map_loss, logit_loss = comparison_loss(compared, torch.where(chosen, spoiled.where, 0.0))
    features = feature_distance(good_features, seen_drawn[-1].flatten(1).float())
    image = image_distance(good, drawn, ssim_weight=config.ssim)
    return [image, config.kappa * features, config.consistency * consistency, map_loss, logit_loss]


@torch.no_grad()
def show(restorer: Restorer, good: Images, random: torch.Generator) -> list[NDArray[np.uint8]]:
    """Return good images, the same spoiled, what is drawn of these, and their maps; each (b, size, size, c)."""
    spoiled = spoil(good, random).images
    drawn = restorer.decoder(restorer.encoder(spoiled))
    maps = [restorer.discriminator.maps(images) for images in (spoiled, drawn)]
    found = restorer.comparison(spoiled, drawn, *maps).map.expand_as(good) * 2 - 1
    return [
        ((images + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()
        for images in (good, spoiled, drawn, found)
    ]


def image_distance(good: Images, drawn: Images, *, ssim_weight: float) -> Scalar:
    """Return the mean absolute error, and the structural dissimilarity with its weight; pixels in [-1, 1]."""
    return (good - drawn).abs().mean() + ssim_weight * (1 - similarity(good, drawn))


def similarity(a: Images, b: Images) -> Scalar:
    """Return the mean SSIM over uniform windows (Wang et al. 2004, eq. 13), at most 1; pixels in [-1, 1]."""
    a, b = ((x.contiguous() + 1) / 2 for x in (a, b))  # pooling three channels is slow in channels-last memory
    means = [_local(x) for x in (a, b)]
    spreads = [_local(x * x) - mean * mean for x, mean in zip((a, b), means, strict=True)]
    shared = _local(a * b) - means[0] * means[1]
    light = (2 * means[0] * means[1] + _LUMINANCE) / (means[0] ** 2 + means[1] ** 2 + _LUMINANCE)
    return (light * (2 * shared + _CONTRAST) / (spreads[0] + spreads[1] + _CONTRAST)).mean()


def feature_distance(good: Float[Tensor, "b n"], drawn: Float[Tensor, "b n"]) -> Scalar:
    """Return the squared distance of the features, as a share of how large those of good images are."""
    return (good - drawn).square().mean() / (good.square().mean() + 1e-8)


def falling(step: int, steps: int) -> float:
    """Return the share of the learning rate at a step: 1 falling to 0 along half a cosine (arXiv 1608.03983)."""
    return 0.5 * (1 + math.cos(math.pi * (step - 1) / steps))


def _local(x: Images) -> Images:
    return avg_pool2d(x, _WINDOW, stride=_WINDOW // 2)


def _check_finite(record: RestoreRecord, config: EncoderConfig) -> None:
    losses = (record.image_loss, record.feature_loss, record.consistency, record.map_loss, record.logit_loss)
    if not all(map(math.isfinite, losses)):
        raise TrainingError(
            f"training of the encoder diverged at step {record.step}: the losses are {losses}. The last checkpoint is "
            f"sound; train anew with a lower encoder.learning_rate (now {config.learning_rate:g})"
        )
