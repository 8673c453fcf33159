"""How the GAN learns: read ``train_gan`` first."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from cafepick.errors import TrainingError
from cafepick.models.build import build_discriminator, build_generator
from cafepick.training.augment import augment, mirror
from cafepick.training.batches import Batches, random_of_step
from cafepick.training.corrupt import spoil
from cafepick.training.losses import LOSSES, Images, Logits, Scalar, gradient_penalty

if TYPE_CHECKING:
    import numpy as np
    from lightning_fabric import Fabric
    from numpy.typing import NDArray

    from cafepick.config import GanConfig, ModelConfig
    from cafepick.models.discriminator import Discriminator
    from cafepick.models.generator import Generator


@dataclass(eq=False)
class Gan:
    """Everything that changes while training."""

    generator: Generator
    discriminator: Discriminator
    averaged: Generator
    """Moving average of the generator's weights, which detection uses; the generator itself where ``ema`` is 0."""
    generator_optimiser: torch.optim.Optimizer
    discriminator_optimiser: torch.optim.Optimizer
    step: int = 0
    """Steps done."""

    def networks(self) -> dict[str, torch.nn.Module]:
        """Return the networks by name; the averaged generator only where it is another."""
        networks: dict[str, torch.nn.Module] = {"generator": self.generator, "discriminator": self.discriminator}
        return networks if self.averaged is self.generator else networks | {"averaged": self.averaged}

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        """Return the optimisers by name."""
        return {
            "generator_optimiser": self.generator_optimiser,
            "discriminator_optimiser": self.discriminator_optimiser,
        }


@dataclass(frozen=True)
class StepRecord:
    """What one step showed."""

    step: int
    """Counts from 1."""
    d_loss: float
    """Loss of the discriminator on real and drawn images, without penalties."""
    g_loss: float
    """Loss of the generator in the step's last update."""
    real_accuracy: float
    """Share of the real images that the discriminator took for real."""
    drawn_accuracy: float
    """Share of the generator's images that it took for drawn."""


def new_gan(model: ModelConfig, config: GanConfig, *, seed: int, fabric: Fabric) -> Gan:
    """Return untrained networks and their optimisers, in channels-last memory, on the device of ``fabric``.

    The weights depend on ``seed`` alone; torch's global random state stays as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator, discriminator = build_generator(model), build_discriminator(model)
    for network in (generator, discriminator):
        fabric.to_device(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Gan(
        generator=generator,
        discriminator=discriminator,
        averaged=copy.deepcopy(generator).eval().requires_grad_(False) if config.ema else generator,
        generator_optimiser=_adam(generator, config),
        discriminator_optimiser=_adam(discriminator, config),
    )


def train_gan(gan: Gan, batches: Batches, config: GanConfig, *, fabric: Fabric) -> Iterator[StepRecord]:
    """Train from ``gan.step`` up to ``config.steps`` and yield a record after each step.

    The caller may draw, save (``save_checkpoint``) or stop between any two steps. Whatever is random depends on
    ``batches.seed`` and the step alone, so a gan that was saved and loaded goes on as if it had never stopped.

    Raises:
        TrainingError: a loss is not a finite number.
    """
    gan.generator.train()
    gan.discriminator.train()
    for step in range(gan.step + 1, config.steps + 1):
        random = random_of_step(batches.seed, step, rank=fabric.global_rank)
        real = fabric.to_device(batches.at(step, rank=fabric.global_rank, world=fabric.world_size))
        if config.flips:
            real = mirror(real, random)
        penalise = config.gradient_penalty > 0 and step % config.penalty_every == 0
        d_loss, real_logits, drawn_logits = update_discriminator(gan, real, config, fabric, random, penalise=penalise)
        g_losses = [update_generator(gan, real_logits, config, fabric, random) for _ in range(config.generator_steps)]
        update_average(gan, config, step)
        record = StepRecord(step, float(d_loss), float(g_losses[-1]), *accuracies(real_logits, drawn_logits, config))
        _check_finite(record, config)
        gan.step = step
        yield record


def update_discriminator(
    gan: Gan, real: Images, config: GanConfig, fabric: Fabric, random: torch.Generator, *, penalise: bool
) -> tuple[Scalar, Logits, Logits]:
    """Take one step of the discriminator; return its loss and its logits of the real and the drawn images.

    R1 and R2 are taken once in a while, with their weight multiplied accordingly (lazy regularisation: Karras et al.,
    arXiv 1912.04958, appendix B).
    """
    shown = [real, draw(gan.generator, len(real), fabric, random).detach()]
    if config.corrupted > 0:
        shown.append(spoil(real, random).images)
    if config.augment:
        shown = [augment(images, random) for images in shown]
    with fabric.autocast():
        real_logits, drawn_logits, *corrupted_logits = [gan.discriminator(images).float() for images in shown]
        loss = total = LOSSES[config.loss].discriminator(real_logits, drawn_logits)
        for logits in corrupted_logits:
            total = total + config.corrupted * LOSSES[config.loss].discriminator(real_logits, logits)
        if penalise:
            weight = config.gradient_penalty * config.penalty_every
            total = total + weight * sum(gradient_penalty(gan.discriminator, images) for images in shown[:2])
    descend(total, gan.discriminator, gan.discriminator_optimiser, fabric)
    return loss.detach(), real_logits.detach(), drawn_logits.detach()


def update_generator(
    gan: Gan, real_logits: Logits, config: GanConfig, fabric: Fabric, random: torch.Generator
) -> Scalar:
    """Take one step of the generator on fresh z; return its loss.

    ``real_logits`` are those of this step's discriminator update: what relativistic losses compare with.
    """
    gan.discriminator.requires_grad_(False)  # its weights' gradients are not needed here
    drawn = draw(gan.generator, len(real_logits), fabric, random)
    if config.augment:
        drawn = augment(drawn, random)
    with fabric.autocast():
        logits = gan.discriminator(drawn).float()
    loss = LOSSES[config.loss].generator(real_logits, logits)
    descend(loss, gan.generator, gan.generator_optimiser, fabric)
    gan.discriminator.requires_grad_(True)
    return loss.detach()


def draw(generator: Generator, count: int, fabric: Fabric, random: torch.Generator) -> Images:
    """Draw images from fresh z, uniform in [-1, 1]."""
    z = fabric.to_device(uniform_z(count, generator.latent, random))
    with fabric.autocast():
        return generator(z).float()


def uniform_z(count: int, latent: int, random: torch.Generator) -> Float[Tensor, "b latent"]:
    """Draw latent vectors from the prior, on the CPU."""
    return torch.rand(count, latent, generator=random) * 2 - 1


@torch.no_grad()
def update_average(gan: Gan, config: GanConfig, step: int) -> None:
    """Move the averaged generator towards the generator, running statistics of batch norm included.

    The decay grows to ``config.ema``, so that the first steps, whose images are noise, are soon forgotten.
    """
    if gan.averaged is gan.generator:
        return
    decay = min(config.ema, (1 + step) / (10 + step))
    current = gan.generator.state_dict()
    for name, average in gan.averaged.state_dict().items():
        if average.is_floating_point():
            average.lerp_(current[name], 1 - decay)
        else:
            average.copy_(current[name])


@torch.no_grad()
def draw_samples(generator: Generator, z: Float[Tensor, "b latent"]) -> NDArray[np.uint8]:
    """Draw images (b, size, size, c) in 0..255 from given z, as detection would; the mode of ``generator`` stays."""
    training = generator.training
    device = next(generator.parameters()).device
    images = generator.eval()(z.to(device))
    generator.train(training)
    return ((images + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()


def accuracies(real_logits: Logits, drawn_logits: Logits, config: GanConfig) -> tuple[float, float]:
    """Return which shares of the real and of the drawn images lie on their side of the discriminator's boundary.

    The boundary is 0, or for a relativistic loss, which fixes only differences, the middle between both means.
    """
    middle = (real_logits.mean() + drawn_logits.mean()) / 2 if config.loss == "relativistic" else 0.0
    return float((real_logits > middle).float().mean()), float((drawn_logits <= middle).float().mean())


def _adam(network: torch.nn.Module, config: GanConfig) -> torch.optim.Adam:
    betas = (config.beta1, config.beta2)
    return torch.optim.Adam(network.parameters(), lr=config.learning_rate, betas=betas, fused=True)


def descend(loss: Scalar, network: torch.nn.Module, optimiser: torch.optim.Optimizer, fabric: Fabric) -> None:
    """Take one step of the optimiser down the gradient of ``loss`` by the weights of ``network``."""
    optimiser.zero_grad()
    fabric.backward(loss)
    if fabric.world_size > 1:  # the batch is spread over several devices
        fabric.all_reduce([p.grad for p in network.parameters() if p.requires_grad], reduce_op="mean")
    optimiser.step()


def _check_finite(record: StepRecord, config: GanConfig) -> None:
    if not (math.isfinite(record.d_loss) and math.isfinite(record.g_loss)):
        raise TrainingError(
            f"training diverged at step {record.step}: the losses are {record.d_loss} and {record.g_loss}. The last "
            f"checkpoint is sound; train anew with a lower gan.learning_rate (now {config.learning_rate:g})"
        )
