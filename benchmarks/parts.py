"""Draw industrial subjects in MVTec's layout, for ``accuracy.py parts``: nothing in the package was chosen by them.

``ring``: a turned metal washer, lying any way round. ``cloth``: a woven fabric seen through a moving window. Defects
are a few pixels to a quarter of the photo wide. A mask shows what is painted over, or what changed plainly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 256
"""Side of a photo, pixels."""
TRAIN, GOOD, DEFECTIVE = 200, 60, 20
"""Photos to learn from; good ones to judge; defective ones of each kind."""

Random = np.random.Generator
Photo = NDArray[np.float64]
"""(SIDE, SIDE, 3) RGB, 0..255."""
Mask = NDArray[np.uint8]
"""(SIDE, SIDE), 1 on the defect."""
Y, X = np.mgrid[:SIDE, :SIDE].astype(np.float64)


def write_parts(folder: Path, *, seed: int) -> list[Path]:
    """Draw both subjects below ``folder``; return their folders."""
    return [_write(folder / name, draw, kinds, seed) for name, (draw, kinds) in SUBJECTS.items()]


def _write(folder: Path, draw: Callable[[Random], Photo], kinds: dict[str, Any], seed: int) -> Path:
    random = np.random.default_rng((seed, len(folder.name)))
    for place, count in (("train/good", TRAIN), ("test/good", GOOD)):
        for number in range(count):
            _save(folder / place / f"{number:03}.png", draw(random), random)
    for kind, spoil in kinds.items():
        for number in range(DEFECTIVE):
            photo, mask = spoil(draw(random), random)
            _save(folder / "test" / kind / f"{number:03}.png", photo, random)
            truth = folder / "ground_truth" / kind / f"{number:03}_mask.png"
            truth.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(truth), 255 * mask)
    return folder


def _save(path: Path, photo: Photo, random: Random) -> None:
    """As a camera gives it: in light that varies, with noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    slope = 1 + (X / SIDE - 0.5) * random.uniform(-0.1, 0.1) + (Y / SIDE - 0.5) * random.uniform(-0.1, 0.1)
    taken = photo * slope[..., None] * random.uniform(0.95, 1.05) + random.normal(0, 2.5, photo.shape)
    cv2.imwrite(str(path), np.clip(taken, 0, 255).astype(np.uint8)[..., ::-1])


def ring(random: Random) -> Photo:
    middle = SIDE / 2 + random.uniform(-4, 4, 2)
    across, along = np.hypot(X - middle[0], Y - middle[1]), np.arctan2(Y - middle[1], X - middle[0])
    turned = 8 * np.interp(across, np.arange(0, SIDE, 1.5), random.normal(0, 1, -(-SIDE * 2 // 3)))
    glint = 30 * np.cos(2 * (along - random.uniform(0, 2 * np.pi)))
    grey = np.where((across > 45) & (across < 100), 150 + turned + glint, 35 + random.normal(0, 3))
    bevel = 40 * np.exp(-(((across - 96) / 3) ** 2)) - 40 * np.exp(-(((across - 49) / 3) ** 2))
    return cv2.GaussianBlur(grey + bevel, (0, 0), 1.0)[..., None] * np.array([1.0, 0.98, 0.94])


def cloth(random: Random) -> Photo:
    u, v = X + random.uniform(0, 64), Y + random.uniform(0, 64)
    over = np.sin(2 * np.pi * u / 16) * np.sin(2 * np.pi * v / 16) > 0
    thread = np.where(over, np.abs(np.sin(2 * np.pi * v / 16)), np.abs(np.sin(2 * np.pi * u / 16)))
    uneven = cv2.GaussianBlur(random.normal(0, 12, (SIDE, SIDE)), (0, 0), 3) * 3
    return (90 + 70 * thread + uneven)[..., None] * np.array([0.75, 0.85, 1.0])


def _line(random: Random, width: int) -> Mask:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    turn, length = random.uniform(0, 2 * np.pi), random.uniform(25, 60)
    middle = _on_ring(random)
    step = np.array([np.cos(turn), np.sin(turn)]) * length / 2
    ends = [tuple(int(v) for v in np.rint(middle + s * step)) for s in (-1, 1)]
    return np.asarray(cv2.line(mask, ends[0], ends[1], 1, width), np.uint8)


def _on_ring(random: Random) -> NDArray[np.float64]:
    turn = random.uniform(0, 2 * np.pi)
    return SIDE / 2 + random.uniform(60, 85) * np.array([np.cos(turn), np.sin(turn)])


def _blob(random: Random, least: float, most: float) -> Mask:
    middle, axes = _on_ring(random), random.uniform(least, most, 2)
    wobble = cv2.GaussianBlur(random.normal(0, 1, (SIDE, SIDE)), (0, 0), 6) * 4
    return (((X - middle[0]) / axes[0]) ** 2 + ((Y - middle[1]) / axes[1]) ** 2 + wobble < 1).astype(np.uint8)


def _painted(photo: Photo, mask: Mask, colour: Any, strength: float) -> tuple[Photo, Mask]:
    soft = strength * cv2.GaussianBlur(mask.astype(np.float64), (0, 0), 0.8)[..., None]
    return photo * (1 - soft) + np.asarray(colour) * soft, mask


def scratched(photo: Photo, random: Random) -> tuple[Photo, Mask]:
    return _painted(photo, _line(random, int(random.integers(2, 5))), [225, 225, 220], 0.8)


def stained(photo: Photo, random: Random) -> tuple[Photo, Mask]:
    return _painted(photo, _blob(random, 8, 22), [95, 60, 30], random.uniform(0.5, 0.8))


def chipped(photo: Photo, random: Random) -> tuple[Photo, Mask]:
    """A piece of the outer edge is gone."""
    turn = random.uniform(0, 2 * np.pi)
    at = SIDE / 2 + 100 * np.array([np.cos(turn), np.sin(turn)])
    bite = np.hypot(X - at[0], Y - at[1]) < random.uniform(8, 20)
    changed, _ = _painted(photo, bite.astype(np.uint8), [35, 34, 33], 1.0)
    return changed, _where(photo, changed)


def bent(photo: Photo, random: Random) -> tuple[Photo, Mask]:
    """Squeezed; what differs from a true ring is the defect."""
    squeeze = random.uniform(0.84, 0.92)
    matrix = np.array([[1, 0, 0], [0, squeeze, SIDE / 2 * (1 - squeeze)]])
    changed = cv2.warpAffine(photo, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    return changed, _where(photo, changed)


def _where(photo: Photo, changed: Photo) -> Mask:
    return (np.abs(changed - photo).mean(axis=2) > 30).astype(np.uint8)


def cut(photo: Photo, random: Random) -> tuple[Photo, Mask]:
    return _painted(photo, _line(random, int(random.integers(4, 8))), [25, 25, 25], 0.9)


def holed(photo: Photo, random: Random) -> tuple[Photo, Mask]:
    return _painted(photo, _blob(random, 6, 14), [20, 20, 25], 1.0)


def dyed(photo: Photo, random: Random) -> tuple[Photo, Mask]:
    mask = _blob(random, 14, 28)
    soft = cv2.GaussianBlur(mask.astype(np.float64), (0, 0), 2)[..., None]
    return photo * (1 + soft * (np.array([1.25, 0.9, 0.8]) - 1)), mask


def miswoven(photo: Photo, random: Random) -> tuple[Photo, Mask]:
    """Some threads run over where they should run under."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    left, top = random.integers(40, SIDE - 110, 2)
    mask[top : top + int(random.integers(16, 40)), left : left + int(random.integers(30, 70))] = 1
    return np.where(mask[..., None] > 0, np.roll(photo, 8, axis=1), photo), mask


SUBJECTS: dict[str, tuple[Callable[[Random], Photo], dict[str, Any]]] = {
    "ring": (ring, {"scratched": scratched, "stained": stained, "chipped": chipped, "bent": bent}),
    "cloth": (cloth, {"cut": cut, "holed": holed, "dyed": dyed, "miswoven": miswoven}),
}
