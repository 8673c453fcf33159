"""What the search for beans leaves over, from which more is found."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from cafepick.beans.colour import to_lab

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cafepick.beans.background import Background
    from cafepick.beans.split import Piece

DARK: Final = 0.5
"""A dark pixel lacks at least this share of the lightness that a shadow may take."""


@dataclass(eq=False)
class Ground:
    """A photo around the beans found so far, pixel by pixel of the working image."""

    image: NDArray[np.uint8]
    """(h, w, 3) RGB."""
    difference: NDArray[np.float32]
    """(h, w) from the bare surface, shadows forgiven."""
    mask: NDArray[np.bool_]
    """(h, w), True on all that differs from the surface."""
    core: NDArray[np.uint8]
    """(h, w), 1 on what differs about as much as what lies nearby."""
    labels: NDArray[np.int32]
    """(h, w) of beans and of what is none, 0 on the ground."""
    beans: dict[int, Piece]
    """The bean that each label stands for, if it stands for one."""
    radius: float
    """Half the width of a typical bean, pixels."""
    background: Background
    """What all of it lies on."""

    @cached_property
    def free(self) -> NDArray[np.uint8]:
        """(h, w) 1 where no bean is labelled."""
        is_free = np.ones(int(self.labels.max()) + 1, np.uint8)
        is_free[list(self.beans)] = 0
        return np.take(is_free, self.labels)

    @cached_property
    def strength(self) -> float:
        """By how much most beans differ from the surface, 0 without beans: of those known when first asked for."""
        some = self.labels[::2, ::2].ravel()  # a quarter of the pixels tells as much
        sums, counts = np.bincount(some, weights=self.difference[::2, ::2].ravel()), np.bincount(some)
        known = [label for label in self.beans if label < len(counts) and counts[label]]
        return float(np.median(sums[known] / counts[known])) if known else 0.0

    def strength_within(self, contour: NDArray[np.int32]) -> float:
        """Return the mean difference inside a contour (n, 1, 2)."""
        return float(self.difference[_inside(contour)].mean())

    def share_within(self, contour: NDArray[np.int32]) -> float:
        """Return the share of the pixels inside a contour (n, 1, 2) that no shadow explains."""
        return float(self.mask[_inside(contour)].mean())

    def dark(self, window: tuple[slice, slice]) -> NDArray[np.uint8]:
        """Return 1 where a window (rows, columns) is dark, whether a shadow or not."""
        surface = self._surface[window]
        lightness = cv2.blur(to_lab(self.image[window])[..., 0], (3, 3))
        return (surface - lightness > DARK * self.background.shadow * surface).view(np.uint8)

    @cached_property
    def _surface(self) -> NDArray[np.float32]:
        """(h, w) L* of the bare surface."""
        return np.asarray(cv2.resize(self.background.lab[..., 0], self.mask.shape[::-1]), np.float32)

    def add(self, contour: NDArray[np.int32], piece: Piece) -> None:
        """Take what a contour (n, 1, 2) bounds for a bean."""
        label = max(int(self.labels.max()), *self.beans, 0) + 1
        cv2.drawContours(self.labels, [contour], 0, label, cv2.FILLED)
        cv2.drawContours(self.free, [contour], 0, 0, cv2.FILLED)
        self.beans[label] = piece


def _inside(contour: NDArray[np.int32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of the pixels in and on a contour (n, 1, 2)."""
    left, top, width, height = cv2.boundingRect(contour)
    inside = np.zeros((height, width), np.uint8)
    cv2.drawContours(inside, [contour], 0, 1, cv2.FILLED, offset=(-left, -top))
    rows, columns = np.nonzero(inside)
    return rows + top, columns + left
