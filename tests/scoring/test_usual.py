"""Differences of features are told in units of what is usual for good subjects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from cafepick.config import ModelConfig, SearchConfig
from cafepick.errors import TrainingError
from cafepick.models.build import build_comparison, build_discriminator, build_encoder, build_generator
from cafepick.scoring.fast import Restoring, look_closer, look_once, measure_usual
from cafepick.scoring.metrics import auroc
from cafepick.scoring.usual import AS_IF, UsualDifference, differences_of

MODEL = ModelConfig(size=32, width=8, latent=12, kernel=4, batch_norm=False)


@pytest.fixture(scope="module")
def untrained() -> Restoring:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        head = build_comparison(MODEL, width=8)
        return Restoring.of(build_encoder(MODEL), build_generator(MODEL), head, build_discriminator(MODEL))


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_only_the_last_two_maps_count() -> None:
    seen = [random(2, 4, 8, 8), random(2, 8, 4, 4, seed=1), random(2, 16, 2, 2, seed=2)]
    likeness = [random(*one.shape, seed=5) for one in seen]
    expected = [(a - b).flatten(1) for a, b in zip(seen, likeness, strict=True)]
    torch.testing.assert_close(differences_of(seen, likeness), torch.cat(expected[1:], dim=1))


def test_a_difference_counts_by_how_far_it_is_from_what_is_usual() -> None:
    usual = UsualDifference(3)
    usual.mean, usual.deviation = torch.tensor([0.0, 1.0, -2.0]), torch.tensor([1.0, 2.0, 0.5])
    seen, likeness = torch.tensor([[3.0, 1.0, 0.0]]), torch.tensor([[0.0, 0.0, 1.0]])
    assert usual([seen], [likeness]).tolist() == [3 + 0 + 2]


def test_what_is_usual_is_the_mean_and_the_deviation_of_good_subjects() -> None:
    differences = random(400, 6) * torch.tensor([0.1, 1, 2, 3, 4, 5]) + torch.arange(6)
    usual = UsualDifference.of([differences])
    for name, values in UsualDifference.of(differences.split(7)).named_buffers():  # at a time or all at once
        torch.testing.assert_close(values, usual.get_buffer(name))
    torch.testing.assert_close(usual.mean, differences.mean(dim=0))
    torch.testing.assert_close(usual.deviation[1:], differences.std(dim=0)[1:], rtol=0.15, atol=0)


@pytest.mark.parametrize("count", [2, 5, 50])
def test_a_feature_that_never_differed_is_not_taken_at_its_word(count: int) -> None:
    differences = random(count, 4)
    differences[:, 0] = 0
    usual = UsualDifference.of([differences])
    share = AS_IF / (count + AS_IF)  # of the mean variance
    assert float(usual.deviation[0]) == pytest.approx(float((share * differences.var(dim=0).mean()).sqrt()))


@pytest.mark.parametrize(
    ("differences", "said"),
    [
        (random(1, 4), "2 good subjects or more besides those kept aside, got 1"),
        (torch.ones(5, 4), "differ alike"),
        (torch.full((5, 4), torch.nan), "differ alike"),
    ],
)
def test_what_tells_nothing_is_refused(differences: Tensor, said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        UsualDifference.of([differences])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_good_subjects_differ_by_about_one_deviation_a_feature(untrained: Restoring, precision) -> None:
    good = torch.rand(60, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    usual = measure_usual(untrained, good)
    assert len(usual.mean) == 4 * 8 * 4 * 4 + 8 * 8 * 2 * 2
    by_usual = look_once(replace(untrained, usual=usual), good, precision=precision)
    plain = look_once(untrained, good, precision=precision)
    expected = np.sqrt(2 / np.pi) * len(usual.mean)  # mean of the absolute value of a standard normal number
    assert float(by_usual.discrimination.mean()) == pytest.approx(expected, rel=0.1)
    for name in ("reconstruction", "residual", "map", "logit"):  # nothing else changes
        assert torch.equal(getattr(by_usual, name), getattr(plain, name)), name


@pytest.mark.parametrize("scale", [0.25, 1])
def test_refining_is_measured_by_the_same(untrained: Restoring, scale: float) -> None:
    images = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(3)) * 2 - 1
    usual = UsualDifference(4 * 8 * 4 * 4 + 8 * 8 * 2 * 2)
    usual.deviation = usual.deviation * scale
    found = look_closer(replace(untrained, usual=usual), images, SearchConfig(refine_steps=3))
    maps, maps_drawn = (untrained.discriminator.maps(some) for some in (images, found.reconstruction))
    expected = differences_of(maps, maps_drawn).abs().sum(dim=1) / scale
    torch.testing.assert_close(found.discrimination, expected.detach())


def test_the_quick_precision_moves_standardised_differences_little(untrained: Restoring) -> None:
    good = torch.rand(60, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    networks = replace(untrained, usual=measure_usual(untrained, good[:40]))
    full, half = (look_once(networks, good, precision=name).discrimination for name in ("float32", "bfloat16"))
    off = (half / full - 1).abs()
    assert 0 < float(off.max()) < 0.05


def test_an_unusual_difference_stands_out_where_a_plain_sum_hides_it(untrained: Restoring) -> None:
    """A small mark where good subjects are all alike, beside noise in which they all differ."""
    torch.manual_seed(2)
    good = torch.zeros(80, 3, 32, 32)
    good[:, :, 16:] = torch.rand(80, 3, 16, 32) * 2 - 1
    marked = good[60:].clone()
    marked[:, :, 4:8, 4:8] = 0.4
    usual = measure_usual(untrained, good[:60])
    told = []
    for networks in (untrained, replace(untrained, usual=usual)):
        seen = look_once(networks, torch.cat([good[60:], marked])).discrimination
        told.append(auroc(np.repeat([False, True], 20), seen.double().numpy()))
    assert told[0] < 0.7
    assert told[1] > 0.9
