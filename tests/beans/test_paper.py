"""A camera's view of a paper is told from that of another shape, whatever the tilt, the focal length and the turn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cafepick.beans.paper import PAPERS, WORST, certainty_of, homography, judge_papers, transformed
from cafepick.data.drawing.camera import PAPERS as DRAWN_PAPERS
from cafepick.data.drawing.camera import aimed_camera

SHAPE = (900, 1200, 3)

views = st.fixed_dictionaries(
    {
        "tilt": st.floats(0, 40),
        "azimuth": st.floats(0, 360),
        "roll": st.floats(-180, 180),
        "fill": st.floats(0.5, 0.95),
        "focal": st.floats(0.55, 0.8),
    }
)


def seen(size, *, focal, **view):
    """(4, 2) corners of a rectangle, width x height in mm, as a camera sees them."""
    width, height = size
    corners = np.array([[-width, -height], [width, -height], [width, height], [-width, height]]) / 2
    focal *= math.hypot(*SHAPE[:2])
    camera = aimed_camera(corners, width=SHAPE[1], height=SHAPE[0], focal=focal, **view)
    return camera.project(corners)


@given(st.sampled_from(sorted(PAPERS)), views)
def test_a_paper_is_explained_by_its_kind_from_every_side(paper, view):
    """From more than 25 degrees aside, some camera or other would see the other paper much the same."""
    judged = judge_papers(seen(PAPERS[paper], **view), SHAPE)
    assert certainty_of(judged, paper) > (0.5 if view["tilt"] <= 25 else 0.3)
    assert judged[0].first_is_long
    assert judged[0].misfit < 2


@given(st.sampled_from(sorted(PAPERS)), views)
def test_corners_in_another_order_say_the_same(paper, view):
    corners = seen(PAPERS[paper], **view)
    judged, rolled = judge_papers(corners, SHAPE), judge_papers(np.roll(corners, 1, axis=0), SHAPE)
    assert certainty_of(rolled, paper) == pytest.approx(certainty_of(judged, paper), abs=0.02)
    assert rolled[0].first_is_long != judged[0].first_is_long


@given(st.sampled_from([(200, 200), (320, 150), (450, 210)]), views)
def test_a_card_of_another_shape_is_no_paper(size, view):
    """From far aside, some camera or other would see a paper so."""
    judged = judge_papers(seen(size, **view | {"tilt": min(view["tilt"], 8)}), SHAPE)
    assert min(one.misfit for one in judged) > WORST


@given(views)
def test_certainties_of_both_kinds_sum_to_one(view):
    judged = judge_papers(seen(PAPERS["a4"], **view), SHAPE)
    total = sum(certainty_of(judged, paper) for paper in PAPERS)
    assert total == pytest.approx(1)


def test_without_any_likelihood_neither_kind_is_likelier():
    nothing = [one._replace(likelihood=0.0) for one in judge_papers(seen((297, 210), **VIEW), SHAPE)]
    assert certainty_of(nothing, "a4") == 0.5


VIEW = {"tilt": 10.0, "azimuth": 0.0, "roll": 0.0, "fill": 0.8, "focal": 0.65}


@given(st.lists(st.floats(-40, 40), min_size=8, max_size=8))
def test_a_homography_takes_four_points_where_they_should_go(moves):
    square = np.array([[0, 0], [100, 0], [100, 100], [0, 100]], float)
    target = 3 * square + np.array(moves).reshape(4, 2) + 7
    np.testing.assert_allclose(transformed(square, homography(square, target)), target, atol=1e-6)


def test_what_is_drawn_and_what_is_looked_for_are_the_same_papers():
    assert DRAWN_PAPERS == PAPERS
