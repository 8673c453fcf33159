"""A plane through good subjects, and what lies off it."""

from __future__ import annotations

import numpy as np
import pytest

from cafepick.errors import ArtefactError
from cafepick.scoring.appearance import Appearance, apart_from_self, fit_appearance
from cafepick.scoring.projection import MOST_COMPONENTS, Projection, fit_projection
from cafepick.types import Layout

PLACES, EACH = 16, 5
LAYOUT = Layout(cells=PLACES)


def good(count: int, seed: int = 0) -> np.ndarray:
    """(count, PLACES * EACH) near a plane of three dimensions."""
    rng = np.random.default_rng(seed)
    plane = np.random.default_rng(99).normal(size=(3, PLACES * EACH))
    return rng.normal(size=(count, 3)) @ plane + 0.1 * rng.normal(size=(count, PLACES * EACH))


def test_components_are_orthonormal_and_span_the_plane() -> None:
    found = fit_projection(good(300), places=PLACES)
    assert np.allclose(found.components @ found.components.T, np.eye(len(found.components)))
    plane = np.random.default_rng(99).normal(size=(3, PLACES * EACH))
    rest = plane - plane @ found.components[:3].T @ found.components[:3]
    assert np.abs(rest).max() < 0.1


@pytest.mark.parametrize(("subjects", "components"), [(2, 1), (50, 5), (300, 30), (2000, MOST_COMPONENTS)])
def test_few_subjects_get_few_components(subjects: int, components: int) -> None:
    assert len(fit_projection(good(subjects), places=PLACES).components) == components


def test_what_fills_one_place_shows_in_the_worst_places_more_than_in_all() -> None:
    found, one = fit_projection(good(500), places=PLACES), good(1, seed=7)
    spoiled = one.copy()
    spoiled[0, :EACH] += 0.5
    rise = found.of(spoiled)[0] - found.of(one)[0]
    assert rise[-1] > rise[-2] > 0


def test_rows_are_the_same_alone_and_together() -> None:
    found, rows = fit_projection(good(100), places=PLACES), good(9, seed=3)
    assert np.array_equal(found.of(rows)[4:5], found.of(rows[4:5]))


def test_appearance_with_a_projection_tells_others_and_survives_being_saved() -> None:
    appearance = fit_appearance(good(400), seed=0, layout=LAYOUT)
    new, strange = good(100, seed=5), good(100, seed=6)
    strange[:, 3 * EACH : 4 * EACH] += 1
    assert appearance.score(strange).min() > np.quantile(appearance.score(new), 0.95)
    again = Appearance.from_tensors(appearance.to_tensors())
    assert np.array_equal(again.score(new), appearance.score(new))
    without = apart_from_self(good(400), seed=0, layout=LAYOUT).aspects[:, 0]
    assert abs(np.median(without) - np.median(appearance.score(new))) < 0.3 * np.std(without)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda tensors: tensors.pop("usual"), "lacks the tensor 'usual'"),
        (lambda tensors: tensors.update(components=tensors["components"][:, 1:]), "do not fit together"),
        (lambda tensors: tensors.update(usual=np.zeros(PLACES)), "do not fit together"),
    ],
)
def test_a_broken_projection_is_refused(spoil, message: str) -> None:
    tensors = fit_projection(good(50), places=PLACES).to_tensors()
    spoil(tensors)
    with pytest.raises(ArtefactError, match=message):
        Projection.from_tensors(tensors)


def test_a_usual_subject_lies_on_the_plane() -> None:
    appearance = fit_appearance(good(400), seed=0, layout=LAYOUT)
    usual = appearance.usual()
    assert usual.shape == good(1)[0].shape
    assert appearance.projection is not None
    np.testing.assert_allclose(appearance.projection.of(usual[None])[0, :-2], appearance.mean[:-2], atol=1e-9)
    assert np.isfinite(appearance.score(usual[None])).all()
