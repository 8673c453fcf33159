"""A camera over a table: where a point in millimetres shows in the photo, tilted, turned, and bent by its lens.

The sheet's plane is z = 0 with its centre at the origin, x to the right, y down, z away from the camera: what stands on
the sheet has negative z.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAPERS: Final[dict[str, tuple[float, float]]] = {"a4": (297.0, 210.0), "letter": (279.4, 215.9)}
"""Long and short side in millimetres: ISO 216 A4 and ANSI/ASME Y14.1 A, "Letter"."""

_ROUNDS: Final = 12
"""Corrections that bring sheet and frame together; each leaves a small share of the error of the last."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Camera:
    """A pinhole with square pixels, its axis through the middle of the photo, and one term of radial distortion."""

    width: int
    """Of the photo in pixels."""
    height: int
    focal: float
    """Focal length in pixels."""
    rotation: NDArray[np.float64]
    """(3, 3) from the table's axes to the camera's."""
    translation: NDArray[np.float64]
    """(3,) of the sheet's centre in the camera's axes, mm."""
    bend: float = 0.0
    """Radial distortion k: a point at distance r from the middle shows at r (1 + k r^2), r in half diagonals."""

    @property
    def middle(self) -> NDArray[np.float64]:
        """(2,) pixel at which the axis meets the photo; pixel centres at whole numbers."""
        return np.array([(self.width - 1) / 2, (self.height - 1) / 2])

    def plane(self, height: float = 0.0) -> NDArray[np.float64]:
        """(3, 3) homography from x, y in mm, ``height`` mm above the sheet, to pixels as without distortion."""
        intrinsic = np.array([[self.focal, 0, self.middle[0]], [0, self.focal, self.middle[1]], [0, 0, 1.0]])
        lifted = self.translation - height * self.rotation[:, 2]
        return intrinsic @ np.column_stack([self.rotation[:, 0], self.rotation[:, 1], lifted])

    def project(self, points: NDArray[np.floating], height: float = 0.0) -> NDArray[np.float64]:
        """(n, 2) pixels of the photo that show points (n, 2), mm, of the plane ``height`` mm above the sheet."""
        straight = mapped(points, self.plane(height)) - self.middle
        return self.middle + straight * (1 + self.bend * self._radius_squared(straight))

    def unbent(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(H, W) x and y at which a photo without distortion shows what each pixel shows: maps for ``cv2.remap``."""
        x, y = np.meshgrid(np.arange(self.width), np.arange(self.height))
        shown = np.stack([x, y], axis=-1) - self.middle
        straight = shown.copy()
        for _ in range(_ROUNDS):
            straight = shown / (1 + self.bend * self._radius_squared(straight))
        there = (straight + self.middle).astype(np.float32)
        return np.ascontiguousarray(there[..., 0]), np.ascontiguousarray(there[..., 1])

    def _radius_squared(self, offsets: NDArray[np.float64]) -> NDArray[np.float64]:
        half_diagonal = math.hypot(self.width, self.height) / 2
        return np.square(offsets / half_diagonal).sum(axis=-1, keepdims=True)


def aimed_camera(
    corners: NDArray[np.float64],
    *,
    width: int,
    height: int,
    focal: float,
    tilt: float,
    azimuth: float,
    roll: float,
    fill: float = 0.85,
    shift: tuple[float, float] = (0.0, 0.0),
    bend: float = 0.0,
) -> Camera:
    """Hold a camera over a sheet so that the sheet fills the photo as asked.

    Args:
        corners: (4, 2) of the sheet, mm.
        width: of the photo in pixels.
        height: of the photo in pixels.
        focal: focal length in pixels.
        tilt: angle between the camera's axis and the vertical, degrees.
        azimuth: side from which the camera looks, degrees.
        roll: turn of the camera about its axis, degrees.
        fill: share of the photo's width or height, whichever is reached first, that the sheet spans.
        shift: of the sheet in the photo, as shares of width and height; large ones push it out of the frame.
        bend: see ``Camera``.
    """
    axis = np.array([math.cos(math.radians(azimuth)), math.sin(math.radians(azimuth)), 0.0])
    lean = np.asarray(cv2.Rodrigues(axis * math.radians(tilt))[0], np.float64)
    turn = np.asarray(cv2.Rodrigues(np.array([0, 0, math.radians(roll)]))[0], np.float64)
    far = focal * float(np.ptp(corners, axis=0).max()) / (fill * min(width, height))
    camera = Camera(
        width=width,
        height=height,
        focal=focal,
        rotation=turn @ lean,
        translation=np.array([0, 0, 2 * far]),
        bend=bend,
    )
    size = np.array([width, height])
    wanted = camera.middle + size * np.array(shift)
    for _ in range(_ROUNDS):
        shown = camera.project(corners)
        low, high = shown.min(axis=0), shown.max(axis=0)
        depth = camera.translation[2]
        aside = ((low + high) / 2 - wanted) * depth / focal
        nearer = depth * float(((high - low) / (fill * size)).max())
        camera = replace(camera, translation=np.array([*(camera.translation[:2] - aside), nearer]))
    return camera


def mapped(points: NDArray[np.floating], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Apply a (3, 3) homography to points (n, 2)."""
    lifted = np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2]
    return lifted[:, :2] / lifted[:, 2:]
