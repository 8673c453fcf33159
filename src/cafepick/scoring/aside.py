"""Which good subjects are kept out of training, so that they can set the threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from cafepick.errors import CalibrationError
from cafepick.scoring.calibrate import check_share, needed
from cafepick.scoring.light import Shown

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


ENOUGH: Final = needed(0.01)
"""Good subjects kept aside that can promise a false-reject rate of 1 %."""


class HeldBack(NamedTuple):
    """Which subjects are kept out of training."""

    which: NDArray[np.bool_]
    """(n,) True where a subject is held back; at least one photo is, and at least one is not."""
    alone: tuple[int, ...]
    """Photos held back in a light that none of those to train on shows; empty where light is not known."""


def hold_back(groups: ArrayLike, share: float, seed: int, *, surfaces: ArrayLike | None = None) -> HeldBack:
    """Choose the subjects to keep out of training, for calibration: whole photos, at random from those that serve.

    Beans of one photo share light, lot and camera. Were they split, calibration would see them as more familiar than
    the beans of a new photo are, and promise too much. A photo in a light that none of the others shows tells how beans
    score in an unknown light, where many good ones look like bad ones: a threshold set by it lets bad ones pass in
    lights that are known. So such photos are held back only where the others hold fewer subjects than ``share`` and
    than ``ENOUGH``, those first whose light is nearest to that of others.

    Args:
        groups: (n,) number of the photo that each subject comes from.
        share: of the subjects to hold back; the photos drawn come as near to it as their sizes allow.
        seed: equal seeds hold back equal photos, whatever the order of the subjects.
        surfaces: (n, 3) colour of the surface that each lies on, which tells the light (``scoring.light``); None where
            that is not known: all photos serve.

    Returns:
        Which subjects are held back, and which of their photos are in a light of their own.

    Raises:
        ConfigError: the share is not between 0 and 1.
        CalibrationError: there are fewer than two photos.
    """
    check_share(share, "the share to hold back")
    photos, of_photo, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    if len(photos) < 2:
        raise CalibrationError(
            f"calibration keeps whole photos aside, so it needs at least 2 photos of good subjects, got {len(photos)}: "
            f"add a photo, best 10 or more"
        )
    wanted, of_photo = share * len(of_photo), of_photo.ravel()
    drawn, serve = np.random.default_rng(seed).permutation(len(photos)).tolist(), 0
    lights = None if surfaces is None else _lights(np.asarray(surfaces, np.float64), of_photo, sizes)
    if lights is not None:
        first, rest = lights.parted(drawn, wanted + float(sizes.max()))
        drawn, serve = [*first, *rest], len(first) if sizes[first].sum() >= min(wanted, ENOUGH) else 0
    held = np.cumsum(sizes[drawn])[: serve or -1]  # subjects held back with the first 1, 2, ... drawn; never with all
    count = 1 + int(np.argmin(np.abs(held - wanted)))
    aside = np.isin(np.arange(len(photos)), drawn[:count])
    alone = [] if lights is None else lights.alone(aside)
    return HeldBack(aside[of_photo], tuple(int(photos[photo]) for photo in alone))


def _lights(surfaces: NDArray[np.float64], of_photo: NDArray[np.int64], sizes: NDArray[np.int64]) -> Shown:
    """Return what photos of ``sizes`` (p,) subjects show, whose ``surfaces`` are (n, 3)."""
    sums = np.zeros((len(sizes), surfaces.shape[1]))
    np.add.at(sums, of_photo, surfaces)
    return Shown(sums / sizes[:, None], sizes)
