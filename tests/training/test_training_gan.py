"""The loop: deterministic, learns, averages, says when it diverged, and prints nothing."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from cafepick.config import GanConfig, ModelConfig
from cafepick.errors import TrainingError
from cafepick.training.batches import Batches
from cafepick.training.device import open_fabric
from cafepick.training.gan import Gan, StepRecord, accuracies, draw_samples, new_gan, train_gan, uniform_z

PLAIN = ModelConfig(size=16, channels=1, latent=4, width=4, kernel=4, batch_norm=False)
DCGAN = replace(PLAIN, batch_norm=True)
BCE = GanConfig(steps=3, batch=8, loss="bce", generator_steps=2)
FULL = GanConfig(
    steps=4, batch=8, loss="relativistic", gradient_penalty=1.0, penalty_every=2, ema=0.9, augment=True, flips=True
)


def discs(count: int, seed: int = 0) -> np.ndarray:
    """Draw bright discs of varied place on dark ground, (count, 16, 16, 1)."""
    centres = np.random.default_rng(seed).uniform(6, 10, (count, 2, 1, 1))
    rows, columns = np.mgrid[:16, :16]
    inside = (rows - centres[:, 0]) ** 2 + (columns - centres[:, 1]) ** 2 < 16
    return np.where(inside, 230, 30).astype(np.uint8)[..., None]


def run(model: ModelConfig, config: GanConfig, *, images: int = 20, seed: int = 0) -> tuple[Gan, list[StepRecord]]:
    fabric = Fabric(accelerator="cpu", devices=1)
    gan = new_gan(model, config, seed=seed, fabric=fabric)
    return gan, list(train_gan(gan, Batches(discs(images), config.batch, seed), config, fabric=fabric))


def weights(gan: Gan) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in (*gan.generator.parameters(), *gan.discriminator.parameters())])


@pytest.mark.parametrize(
    ("model", "config"),
    [(DCGAN, BCE), (PLAIN, FULL), (PLAIN, replace(FULL, corrupted=0.5)), (DCGAN, replace(BCE, ema=0.5))],
)
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(model: ModelConfig, config: GanConfig) -> None:
    first, _ = run(model, config)
    torch.rand(7)  # the global random state does not matter
    again, _ = run(model, config)
    other, _ = run(model, config, seed=1)
    assert torch.equal(weights(first), weights(again))
    assert not torch.equal(weights(first), weights(other))


def test_a_record_follows_every_step() -> None:
    gan, records = run(PLAIN, FULL)
    assert [record.step for record in records] == [1, 2, 3, 4]
    assert gan.step == 4
    assert all(0 <= share <= 1 for record in records for share in (record.real_accuracy, record.drawn_accuracy))


def test_the_global_random_state_is_left_alone() -> None:
    before = torch.random.get_rng_state()
    run(PLAIN, FULL)
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_generator_learns_what_good_images_look_like() -> None:
    config = replace(FULL, steps=120, learning_rate=2e-3, penalty_every=8)
    untrained, _ = run(PLAIN, replace(config, steps=1))
    gan, _ = run(PLAIN, config, images=60)
    z = uniform_z(64, 4, torch.Generator().manual_seed(5))
    mean = discs(500).mean(0)
    errors = [float(np.abs(draw_samples(g.averaged, z).mean(0) - mean).mean()) for g in (gan, untrained)]
    assert errors[0] < 0.4 * errors[1]


def test_more_generator_steps_move_the_generator_further_and_leave_the_discriminator_alone() -> None:
    once, _ = run(DCGAN, replace(BCE, steps=1, generator_steps=1))
    twice, _ = run(DCGAN, replace(BCE, steps=1, generator_steps=2))
    assert not torch.equal(once.generator.project.weight, twice.generator.project.weight)
    assert torch.equal(once.discriminator.logit.weight, twice.discriminator.logit.weight)


def test_corrupted_images_teach_the_discriminator_from_the_first_step_on() -> None:
    without, _ = run(PLAIN, replace(FULL, steps=1, augment=False))
    weighed, _ = run(PLAIN, replace(FULL, steps=1, augment=False, corrupted=0.5))
    assert not torch.equal(without.discriminator.logit.weight, weighed.discriminator.logit.weight)


def test_the_penalty_is_taken_only_every_so_many_steps() -> None:
    def after(steps: int, gradient_penalty: float) -> torch.Tensor:
        return weights(run(PLAIN, replace(FULL, steps=steps, gradient_penalty=gradient_penalty))[0])

    assert torch.equal(after(1, 0.0), after(1, 100.0))
    assert not torch.equal(after(2, 0.0), after(2, 100.0))


def test_the_average_lies_between_start_and_now_and_without_one_the_generator_itself_counts() -> None:
    gan, _ = run(PLAIN, replace(FULL, steps=2))
    start, _ = run(PLAIN, replace(FULL, steps=1, learning_rate=1e-12))
    average, now, before = (g.project.weight.detach() for g in (gan.averaged, gan.generator, start.generator))
    assert (average - now).norm() < (before - now).norm()
    assert not torch.equal(average, now)
    assert run(DCGAN, BCE)[0].averaged is not None
    bare, _ = run(DCGAN, BCE)
    assert bare.averaged is bare.generator


def test_batch_norm_statistics_are_averaged_too() -> None:
    gan, _ = run(PLAIN, FULL)
    assert not torch.equal(gan.averaged.norm.running_mean, torch.zeros(32))
    assert int(gan.averaged.norm.num_batches_tracked) == int(gan.generator.norm.num_batches_tracked)


@pytest.mark.parametrize("images", [1, 3, 8])
def test_fewer_images_than_a_batch_will_do(images: int) -> None:
    assert len(run(PLAIN, FULL, images=images)[1]) == 4


def test_divergence_is_told_with_its_step() -> None:
    fabric = Fabric(accelerator="cpu", devices=1)
    gan = new_gan(PLAIN, FULL, seed=0, fabric=fabric)
    steps = train_gan(gan, Batches(discs(20), 8), FULL, fabric=fabric)
    next(steps)
    with torch.no_grad():
        gan.generator.to_image.bias.fill_(math.nan)
    with pytest.raises(TrainingError, match=r"diverged at step 2: .* lower gan.learning_rate \(now 0.0002\)"):
        next(steps)
    assert gan.step == 1


def test_accuracy_counts_from_zero_or_between_the_means() -> None:
    real, drawn = torch.tensor([3.0, 5.0]), torch.tensor([1.0, 4.5])
    assert accuracies(real, drawn, BCE) == (1.0, 0.0)
    assert accuracies(real, drawn, FULL) == (0.5, 0.5)


def test_samples_are_drawn_as_detection_would_draw_them() -> None:
    gan, _ = run(DCGAN, BCE)
    gan.generator.train()
    z = uniform_z(5, 4, torch.Generator().manual_seed(0))
    images = draw_samples(gan.generator, z)
    assert (images.shape, images.dtype) == ((5, 16, 16, 1), np.uint8)
    assert gan.generator.training
    np.testing.assert_array_equal(images[2:3], draw_samples(gan.generator, z[2:3]))


def test_training_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    fabric = open_fabric("cpu")
    gan = new_gan(PLAIN, FULL, seed=0, fabric=fabric)
    next(train_gan(gan, Batches(discs(20), 8), FULL, fabric=fabric))
    assert capfd.readouterr() == ("", "")
