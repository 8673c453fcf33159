"""Which descriptors go with which kind of subject."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cafepick.beans.closer import PLACE, describe_closer, numbers_of
from cafepick.beans.describe import NAMES, describe_all
from cafepick.beans.grid import cells_of, describe_grids
from cafepick.types import Layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cafepick.config import CropConfig
    from cafepick.types import Crop


DESCRIPTORS: Final = 6
"""Version of what is measured, and by what scale (``scoring.surprise``). Raise it with any change of a number: a model
that learnt from others cannot be used."""


def descriptors_of(crops: Sequence[Crop], config: CropConfig) -> NDArray[np.float64]:
    """Measure subjects cut as ``config`` says.

    Beans give (n, len(NAMES) + len(LIGHT)); others (n, d) on a grid, then on the closer look where they have one.
    """
    if config.subject == "beans":
        return describe_all(crops)
    on_grid = describe_grids(crops)
    closer = [describe_closer(crop.detail.image) for crop in crops if crop.detail is not None]
    return np.concatenate([on_grid, np.stack(closer)], axis=1) if closer else on_grid


def names_of(config: CropConfig) -> tuple[str, ...]:
    """Return what each descriptor is; empty where each is no more than a number in a grid."""
    return NAMES if config.subject == "beans" else ()


def layout_of(config: CropConfig) -> Layout:
    """Return what descriptors of subjects cut so consist of."""
    if config.subject == "beans":
        return Layout(light_last=True)
    closer = None if config.detail is None else ((config.detail // PLACE) ** 2, numbers_of(config.channels))
    return Layout(cells=cells_of(config.size) ** 2, closer=closer)


def tells_light(config: CropConfig) -> bool:
    """Return whether the last descriptors tell the light (``describe.LIGHT``)."""
    return layout_of(config).light_last
