"""Touching beans are parted; what does not touch is never joined."""

from __future__ import annotations

import cv2
import numpy as np

from cafepick.beans.split import depth_inside, split_touching


def _mask(*ellipses) -> np.ndarray:
    canvas = np.zeros((160, 240), np.uint8)
    for centre, axes in ellipses:
        cv2.ellipse(canvas, centre, axes, 0, 0, 360, 1, cv2.FILLED)
    return canvas.astype(bool)


def _split(mask: np.ndarray, radius: float) -> tuple[np.ndarray, int]:
    labels, pieces = split_touching(mask, depth_inside(mask), radius)
    assert set(np.unique(labels[mask])) - {0} == set(pieces)
    return labels, len(pieces)


def test_two_touching_beans_are_parted_at_their_neck():
    labels, count = _split(_mask(((80, 80), (16, 20)), ((112, 80), (16, 20))), radius=16)
    assert count == 2
    assert labels[80, 80] != labels[80, 112]
    assert len(np.unique(labels[80, 65:94])) == 1, "the left one goes as far as the neck"


def test_no_label_reaches_into_another_cluster():
    """The tips of slim beans lie nearer to the large disc beside them than to their own."""
    mask = _mask(((60, 60), (34, 10)), ((60, 81), (34, 10)), ((119, 60), (22, 22)), ((119, 103), (22, 22)))
    islands = cv2.connectedComponents(mask.astype(np.uint8))[1]
    assert islands.max() == 2
    labels, _ = _split(mask, radius=14)
    for label in np.unique(labels[labels > 0]):
        assert len(np.unique(islands[labels == label])) == 1
