"""Found and annotated outlines pair one to one, by their overlap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cafepick.jobs.match import LEAST_OVERLAP, match_outlines, overlap_of


def box(x: float, y: float, width: float, height: float) -> np.ndarray:
    """The outline of width x height whole pixels."""
    right, bottom = x + width - 1, y + height - 1
    return np.array([[x, y], [right, y], [right, bottom], [x, bottom]], np.float32)


def test_overlap_is_intersection_over_union_in_pixels():
    assert overlap_of(box(5, 5, 10, 4), box(5, 5, 10, 4)) == 1
    assert overlap_of(box(0, 0, 10, 10), box(5, 0, 10, 10)) == 50 / 150
    assert overlap_of(box(0, 0, 4, 4), box(50, 50, 4, 4)) == 0
    assert overlap_of(box(-3, -3, 6, 6), box(-3, -3, 6, 3)) == 0.5


def test_each_outline_has_at_most_one_partner_and_the_best_one():
    annotated = [box(0, 0, 20, 20), box(100, 100, 20, 20)]
    found = [box(4, 0, 20, 20), box(1, 0, 20, 20), box(40, 40, 5, 5)]
    pairs = match_outlines(found, annotated)
    assert [(pair.found, pair.annotated) for pair in pairs] == [(1, 0)]
    assert pairs[0].overlap == pytest.approx(19 / 21)


def test_too_little_overlap_is_no_pair():
    assert match_outlines([box(0, 0, 10, 10)], [box(0, 0, 10, 21)]) == []
    assert len(match_outlines([box(0, 0, 10, 10)], [box(0, 0, 10, 20)])) == 1


def test_nothing_pairs_with_nothing():
    assert match_outlines([], [box(0, 0, 3, 3)]) == match_outlines([box(0, 0, 3, 3)], []) == []


@given(st.permutations(range(12)), st.integers(0, 2**32))
def test_moved_outlines_find_their_origin_in_any_order(order, seed):
    rng = np.random.default_rng(seed)
    annotated = [box(40 * (i % 4), 40 * (i // 4), 30, 24) for i in range(12)]
    found = [annotated[i] + rng.integers(-2, 3, 2).astype(np.float32) for i in order]
    pairs = match_outlines(found, annotated)
    assert [pair.annotated for pair in pairs] == list(order)
    assert min(pair.overlap for pair in pairs) >= LEAST_OVERLAP
