"""Encoder and comparison learn, whatever interrupts them, and leave the GAN that they build on as it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning_fabric import Fabric

from cafepick.config import ComparisonConfig, EncoderConfig, GanConfig, ModelConfig
from cafepick.errors import CheckpointError, TrainingError
from cafepick.models.comparison import Compared
from cafepick.training.batches import Batches
from cafepick.training.checkpoint import (
    ENCODER_FILE,
    RunFacts,
    fingerprint_of,
    has_checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from cafepick.training.comparison import comparison_loss, dice, focal
from cafepick.training.encoder import Restorer, falling, feature_distance, new_restorer, similarity, train_encoder
from cafepick.training.gan import Gan, new_gan

MODEL = ModelConfig(size=16, channels=3, latent=4, width=4, kernel=4, batch_norm=False)
GAN = GanConfig(steps=4, batch=8, loss="relativistic", ema=0.9, flips=True)
CONFIG = EncoderConfig(steps=24, batch=8, learning_rate=4e-3)
HEAD = ComparisonConfig(width=4)


def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def squares(count: int = 21) -> np.ndarray:
    """Draw brown squares on pale ground, each a little different."""
    random = np.random.default_rng(0)
    crops = np.full((count, 16, 16, 3), 230, np.uint8)
    for crop in crops:
        low, high = random.integers(3, 5), random.integers(11, 13)
        crop[low:high, low:high] = random.integers(80, 120, (high - low, high - low, 3))
    return crops


def fresh(config: EncoderConfig = CONFIG) -> tuple[Gan, Restorer, Batches, RunFacts]:
    gan, batches = new_gan(MODEL, GAN, seed=3, fabric=fabric()), Batches(squares(), config.batch, seed=3)
    facts = RunFacts(
        model=MODEL,
        gan=GAN,
        seed=3,
        images=len(batches.crops),
        data=batches.fingerprint(),
        encoder=config,
        comparison=HEAD,
        trained_gan=fingerprint_of(gan.averaged, gan.discriminator),
    )
    return gan, new_restorer(gan, MODEL, config, HEAD, seed=3, fabric=fabric()), batches, facts


def train(folder: Path, *, until: int, resume: bool = False) -> Restorer:
    _, restorer, batches, facts = fresh()
    if resume:
        load_checkpoint(folder, restorer, facts, name=ENCODER_FILE)
    for record in train_encoder(restorer, batches, CONFIG, GAN, fabric=fabric()):
        if record.step == until:
            break
    save_checkpoint(folder, restorer, facts, name=ENCODER_FILE)
    return restorer


def state(restorer: Restorer) -> list[torch.Tensor]:
    return [value.clone() for network in restorer.networks().values() for value in network.state_dict().values()]


def test_a_resumed_stage_gives_the_weights_of_an_uninterrupted_one(tmp_path: Path) -> None:
    train(tmp_path / "stopped", until=7)
    assert not has_checkpoint(tmp_path / "stopped")  # of the GAN, which another file holds
    resumed, whole = train(tmp_path / "stopped", until=24, resume=True), train(tmp_path / "whole", until=24)
    assert resumed.step == whole.step == 24
    for one, other in zip(state(resumed), state(whole), strict=True):
        assert torch.equal(one, other)


def test_a_stage_on_another_gan_or_with_other_settings_is_refused(tmp_path: Path) -> None:
    train(tmp_path, until=3)
    gan, restorer, _, facts = fresh()
    with torch.no_grad():
        next(gan.generator.parameters()).add_(1)
    other = replace(facts, trained_gan=fingerprint_of(gan.generator, gan.discriminator))
    with pytest.raises(CheckpointError, match=r"other settings or images: trained_gan was"):
        load_checkpoint(tmp_path, restorer, other, name=ENCODER_FILE)
    longer = replace(facts, encoder=replace(CONFIG, steps=48))  # the learning rate would fall otherwise
    with pytest.raises(CheckpointError, match=r"encoder\.steps was 24, is 48"):
        load_checkpoint(tmp_path, restorer, longer, name=ENCODER_FILE)


def test_the_gan_stays_as_it_is() -> None:
    gan, restorer, batches, _ = fresh()
    before = fingerprint_of(gan.generator, gan.averaged, gan.discriminator)
    decoder = fingerprint_of(restorer.decoder)
    list(train_encoder(restorer, batches, CONFIG, GAN, fabric=fabric()))
    assert fingerprint_of(gan.generator, gan.averaged, gan.discriminator) == before
    assert fingerprint_of(restorer.decoder) != decoder


def test_without_a_decoder_of_its_own_the_generator_draws() -> None:
    gan, restorer, batches, _ = fresh(replace(CONFIG, decoder=False))
    list(train_encoder(restorer, batches, replace(CONFIG, decoder=False), GAN, fabric=fabric()))
    assert fingerprint_of(restorer.decoder) == fingerprint_of(gan.averaged)


def test_everything_is_learnt_on_squares() -> None:
    config = replace(CONFIG, steps=110)
    _, restorer, batches, _ = fresh(config)
    records = list(train_encoder(restorer, batches, config, GAN, fabric=fabric()))
    first, last = records[:15], records[-15:]
    for name in ("image_loss", "feature_loss", "map_loss", "logit_loss"):
        before, after = (np.mean([getattr(record, name) for record in part]) for part in (first, last))
        assert after < 0.95 * before, (name, before, after)


def test_a_diverging_stage_says_so() -> None:
    _, restorer, batches, _ = fresh()
    with torch.no_grad():
        restorer.encoder.to_z.weight.fill_(torch.nan)
    with pytest.raises(TrainingError, match=r"encoder diverged at step 1: .* lower encoder\.learning_rate"):
        next(train_encoder(restorer, batches, CONFIG, GAN, fabric=fabric()))


@given(st.integers(1, 500))
def test_the_learning_rate_falls_from_one_to_nearly_nothing(steps: int) -> None:
    rates = [falling(step, steps) for step in range(1, steps + 1)]
    assert rates[0] == 1
    assert rates == sorted(rates, reverse=True)
    assert 0 < rates[-1] <= 1
    assert steps < 20 or rates[-1] < 0.01


def test_images_are_most_similar_to_themselves() -> None:
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert float(similarity(images, images)) == pytest.approx(1)
    assert float(similarity(images, images * 0.9)) > float(similarity(images, images.flip(3)))
    assert float(similarity(images, -images)) < 0


def test_the_distance_of_features_has_no_unit() -> None:
    good, drawn = torch.rand(3, 9), torch.rand(3, 9)
    assert float(feature_distance(good, good)) == 0
    assert float(feature_distance(100 * good, 100 * drawn)) == pytest.approx(float(feature_distance(good, drawn)))


def test_a_comparison_that_is_right_costs_least() -> None:
    where = torch.zeros(2, 1, 8, 8)
    where[0, :, 2:5, 2:5] = 1.0
    right = Compared(where * 20 - 10, torch.tensor([10.0, -10.0]))
    wrong = Compared(10 - where * 20, torch.tensor([-10.0, 10.0]))
    assert max(map(float, comparison_loss(right, where))) < 0.01
    assert min(map(float, comparison_loss(wrong, where))) > 1


def test_an_image_that_is_hardly_spoiled_teaches_no_verdict() -> None:
    where = torch.zeros(2, 1, 8, 8)
    where[0, 0, 0, :2] = 1.0  # two pixels: too few to be seen
    losses = [comparison_loss(Compared(where, torch.tensor([logit, -10.0])), where)[1] for logit in (-5.0, 5.0)]
    assert float(losses[0]) == pytest.approx(float(losses[1]))


def test_pixels_told_apart_count_for_little_and_a_miss_for_much() -> None:
    where = torch.zeros(1, 1, 8, 8)
    where[..., :2, :2] = 1.0
    logits = torch.tensor([-4.0, 0.0, 4.0])
    focals, dices = ([float(loss(where * 2 * logit - logit, where)) for logit in logits] for loss in (focal, dice))
    assert focals == sorted(focals, reverse=True)
    assert dices == sorted(dices, reverse=True)
