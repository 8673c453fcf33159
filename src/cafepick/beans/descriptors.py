"""Which descriptors go with which kind of subject."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cafepick.beans.describe import NAMES, describe_all
from cafepick.beans.grid import cells_of, describe_grids

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from cafepick.config import CropConfig
    from cafepick.types import Crop


DESCRIPTORS: Final = 5
"""Version of what is measured; a model that learnt from others cannot be used. Raise it with any change of a number."""


def descriptors_of(crops: Sequence[Crop], config: CropConfig) -> NDArray[np.float64]:
    """Measure subjects cut as ``config`` says: beans (n, len(NAMES) + len(LIGHT)), others (n, d) on a grid."""
    return describe_all(crops) if config.subject == "beans" else describe_grids(crops)


def names_of(config: CropConfig) -> tuple[str, ...]:
    """Return what each descriptor is; empty where each is no more than a number in a grid."""
    return NAMES if config.subject == "beans" else ()


def tells_light(config: CropConfig) -> bool:
    """Return whether the last descriptors tell the light (``describe.LIGHT``)."""
    return config.subject == "beans"


def places_of(config: CropConfig) -> int | None:
    """Return the number of cells that the descriptors come from, cell by cell; None where they have no places."""
    return None if config.subject == "beans" else cells_of(config.size) ** 2
