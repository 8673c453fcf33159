"""One pass, or a few steps from it, scores each image as if it were alone, and leaves the networks as they were."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from cafepick.config import ModelConfig, SearchConfig
from cafepick.models.build import build_comparison, build_discriminator, build_encoder, build_generator
from cafepick.scoring.fast import PASS, OnePass, Restoring, look_closer, look_once
from cafepick.scoring.frozen import distance

MODEL = ModelConfig(size=32, width=8, latent=12, kernel=4, batch_norm=False)
SEARCH = SearchConfig(refine_steps=6, learning_rate=0.05, weight=0.5, restarts=3, tolerance=0.5, patience=1)


@pytest.fixture(scope="module")
def networks() -> Restoring:
    """Networks of real form, untrained; the decoder's weights larger, so that different z draw different images."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        decoder = build_generator(MODEL)
        with torch.no_grad():
            for weight in decoder.parameters():
                weight.mul_(4)
        return Restoring.of(build_encoder(MODEL), decoder, build_comparison(MODEL, width=8), build_discriminator(MODEL))


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.rand(2 * PASS + 5, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1


def assert_equal(first: OnePass, second: OnePass) -> None:
    for name, one, other in zip(OnePass._fields, first, second, strict=True):
        assert torch.equal(one, other), name


def some(result: OnePass, rows: slice | list[int]) -> OnePass:
    return OnePass(*(column[rows] for column in result))


def test_a_pass_gives_what_the_networks_give(networks: Restoring, images: torch.Tensor) -> None:
    result = look_once(networks, images)
    with torch.no_grad():
        drawn = networks.decoder(networks.encoder(images))
        compared = networks.compare(images, drawn)
    torch.testing.assert_close(result.reconstruction, drawn, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(result.residual, distance(images, drawn))
    for name in ("discrimination", "logit", "map"):
        torch.testing.assert_close(getattr(result, name), getattr(compared, name), rtol=1e-4, atol=1e-5)
    assert 0 <= float(result.map.min()) < float(result.map.max()) <= 1


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_score_does_not_depend_on_neighbours_order_or_threads(
    networks: Restoring, images: torch.Tensor, precision
) -> None:
    threads = torch.get_num_threads()
    together = look_once(networks, images, precision=precision)
    assert_equal(look_once(networks, images[7:8], precision=precision), some(together, slice(7, 8)))
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(2)).tolist()
    assert_equal(look_once(networks, images[order], precision=precision), some(together, order))
    try:
        torch.set_num_threads(3)
        assert_equal(look_once(networks, images, precision=precision), together)
    finally:
        torch.set_num_threads(threads)


def test_the_quick_precision_moves_scores_little(networks: Restoring, images: torch.Tensor) -> None:
    exact, quick = (look_once(networks, images, precision=precision) for precision in ("float32", "bfloat16"))
    torch.testing.assert_close(quick.residual, exact.residual, rtol=0.05, atol=0)
    assert float((quick.map - exact.map).abs().max()) < 0.1


def test_refining_lowers_the_anomaly_score(networks: Restoring, images: torch.Tensor) -> None:
    few = images[:10]
    before, after = look_once(networks, few), look_closer(networks, few, SEARCH)
    scores = [0.5 * result.residual + 0.5 * result.discrimination for result in (before, after)]
    assert bool((scores[1] <= scores[0] * (1 + 1e-5)).all())  # the best z seen counts, the first one too
    assert int((scores[1] < scores[0]).sum()) >= 6


def test_refining_scores_each_image_as_if_it_were_alone(networks: Restoring, images: torch.Tensor) -> None:
    together = look_closer(networks, images[:10], SEARCH)
    assert_equal(look_closer(networks, images[3:4], SEARCH), some(together, slice(3, 4)))
    assert_equal(look_closer(networks, images[:10].flip(0), SEARCH), OnePass(*(c.flip(0) for c in together)))


def test_only_the_steps_of_refining_count(networks: Restoring, images: torch.Tensor) -> None:
    other = replace(SEARCH, steps=1, restarts=1, tolerance=0.0, candidates=3)
    assert_equal(look_closer(networks, images[:3], SEARCH), look_closer(networks, images[:3], other))
    longer = look_closer(networks, images[:3], replace(SEARCH, refine_steps=12))
    assert float(longer.residual.sum()) != float(look_closer(networks, images[:3], SEARCH).residual.sum())


def test_progress_counts_images(networks: Restoring, images: torch.Tensor) -> None:
    told: list[tuple[int, int]] = []
    look_once(networks, images, on_progress=lambda *counts: told.append(counts))
    assert told == sorted(set(told)), "no number is told twice, nor goes down"
    assert {done for done, _ in told} <= {PASS, 2 * PASS, len(images)}  # another core may do a pass unheard
    assert told[-1] == (len(images), len(images))


def test_the_networks_given_are_copied() -> None:
    parts = (build_encoder(MODEL), build_generator(MODEL), build_comparison(MODEL, width=8), build_discriminator(MODEL))
    for part in parts:
        part.train()
    copies = Restoring.of(*parts)
    assert all(part.training and all(p.requires_grad for p in part.parameters()) for part in parts)
    theirs = (copies.encoder, copies.decoder, copies.comparison, copies.discriminator)
    assert not any(part.training or any(p.requires_grad for p in part.parameters()) for part in theirs)
