r"""Is a quadrangle in a photo an A4 or a Letter sheet, seen by a plausible camera?

The homography from the unit square to the four corners has columns $h_1, h_2$ along the sheet's sides. Seen by a
camera with focal length $f$, $r_i = K^{-1} h_i$ stand at a right angle, and $|r_1| / |r_2|$ is the ratio of the sides
(Zhang and He, Whiteboard scanning and image enhancement, Digital Signal Processing 17, 2007, section 3). For a paper
these are two equations for one unknown, $f$; so each paper gets a likelihood, with the uncertainty of the corners and
of the optical centre carried over, summed over the focal lengths that cameras have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAPERS: Final[dict[str, tuple[float, float]]] = {"a4": (297.0, 210.0), "letter": (279.4, 215.9)}
"""Long and short side in millimetres: ISO 216 A4 and ANSI/ASME Y14.1 A, "Letter"."""

FOCAL: Final = 0.68
FOCAL_SPREAD: Final = 0.25
"""Focal length as a share of the photo's diagonal, and its spread as a logarithm. Main cameras of phones have 0.55 to
0.69 (24 to 30 mm on 35 mm film), webcams 0.6 to 0.9, a phone's zoom 1.2 and more."""
FOCALS: Final = np.exp(np.linspace(np.log(0.3), np.log(2.0), 60))
CORNER_SHARE: Final = 0.0007
CORNER_PIXELS: Final = 0.5
"""Uncertainty of a corner: as a share of the photo's diagonal (lens, paper that is not quite flat), and in pixels."""
CENTRE_SHARE: Final = 0.01
"""Uncertainty of the optical centre, as a share of the diagonal."""
WORST: Final = 16.0
"""Largest misfit, chi squared with two degrees of freedom and a prior, of a sheet of paper."""


class Likelihood(NamedTuple):
    """How well one paper explains four corners."""

    paper: str
    first_is_long: bool
    """Whether the side from the first to the second corner is a long one."""
    likelihood: float
    misfit: float
    """Smallest squared misfit over all focal lengths, their prior included, in units of its uncertainty."""


def judge_papers(corners: NDArray[np.float64], shape: tuple[int, ...]) -> list[Likelihood]:
    """Say how well each paper, lying along or across, explains four corners; best first.

    Args:
        corners: (4, 2) x, y in photo pixels, in order around the sheet.
        shape: height and width of the photo, whose middle is taken for the optical centre.
    """
    diagonal = float(np.hypot(shape[0], shape[1]))
    centred = (corners - (np.array([shape[1], shape[0]]) - 1) / 2) / diagonal
    seen = _angle_and_ratio(centred)  # (f, 2)
    spread = np.hypot(CORNER_SHARE, CORNER_PIXELS / diagonal)
    covariance = _covariance(centred, seen, spread)  # (f, 2, 2)
    off_prior = np.square(np.log(FOCALS / FOCAL) / FOCAL_SPREAD)
    found = []
    for paper, (long, short) in PAPERS.items():
        for first_is_long in (True, False):
            ratio = np.log(long / short) * (1 if first_is_long else -1)
            off = seen - [0.0, ratio]
            squared = np.einsum("fi,fij,fj->f", off, np.linalg.inv(covariance), off)
            density = np.exp(-0.5 * (squared + off_prior)) / np.sqrt(np.linalg.det(covariance))
            found.append(Likelihood(paper, first_is_long, float(density.mean()), float((squared + off_prior).min())))
    return sorted(found, key=lambda one: (-one.likelihood, one.misfit))


def certainty_of(papers: list[Likelihood], paper: str) -> float:
    """Return the probability (0..1) of a paper against the other, neither being likelier beforehand."""
    total = sum(one.likelihood for one in papers)
    return sum(one.likelihood for one in papers if one.paper == paper) / total if total > 0 else 0.5


def _angle_and_ratio(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """(f, 2): cosine between the sheet's sides, and the logarithm of their ratio, for each of ``FOCALS``."""
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    matrix = homography(square, corners)
    rays = np.stack([matrix[:, :2] / scale for scale in ([[f], [f], [1.0]] for f in FOCALS)])  # (f, 3, 2)
    lengths = np.linalg.norm(rays, axis=1)
    cosine = (rays[..., 0] * rays[..., 1]).sum(axis=1) / lengths.prod(axis=1)
    return np.stack([cosine, np.log(lengths[:, 0] / lengths[:, 1])], axis=1)


def _covariance(corners: NDArray[np.float64], seen: NDArray[np.float64], spread: float) -> NDArray[np.float64]:
    """(f, 2, 2) of angle and ratio, from independent errors of the corners and a shift of the optical centre."""
    step = 1e-4
    total = np.zeros((len(FOCALS), 2, 2))
    shifts = [(one, spread) for one in np.eye(8).reshape(8, 4, 2)]
    shifts += [(np.tile(one, (4, 1)), CENTRE_SHARE) for one in np.eye(2)]
    for shift, size in shifts:
        slope = (_angle_and_ratio(corners + step * shift) - seen) / step * size
        total += slope[:, :, np.newaxis] * slope[:, np.newaxis, :]
    return total


def homography(source: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.float64]:
    """(3, 3) that maps four points (4, 2) to four others, solved in double precision."""
    rows, values = [], []
    for (x, y), (u, v) in zip(source.astype(float), target.astype(float), strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return np.append(np.linalg.solve(np.array(rows), np.array(values)), 1.0).reshape(3, 3)


def transformed(points: NDArray[np.floating], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Apply a (3, 3) homography to points (n, 2)."""
    shaped = np.asarray(points, np.float64).reshape(-1, 1, 2)
    return np.asarray(cv2.perspectiveTransform(shaped, matrix), np.float64).reshape(-1, 2)
