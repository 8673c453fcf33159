"""What of a photo is looked at: all of it, or the sheet of paper in it, laid flat and measured in millimetres.

photo --frame_of--> frame --look--> flat pixels --find, crop--> outlines, crops --outlines_back, crops_back--> places
                                                                                                         in the photo
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cafepick.beans.crop import box_of
from cafepick.beans.paper import transformed
from cafepick.beans.sheet import find_sheet, flat_to_photo, rectify
from cafepick.errors import PhotoError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cafepick.beans.sheet import Sheet
    from cafepick.config import CropConfig
    from cafepick.types import Crop, Outline

PIXELS_PER_MM: Final = 10.0
"""Of every flattened sheet, so that all photos of a model are looked at on one scale."""

NAMES: Final = {"a4": "A4", "letter": "Letter"}


@dataclass(frozen=True, eq=False)
class Frame:
    """The part of one photo in which beans are looked for."""

    sheet: Sheet | None = None
    """None: the photo itself, in its own pixels."""

    def look(self, photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the photo (H, W, 3), or the sheet in it, flat, at ``PIXELS_PER_MM``."""
        return photo if self.sheet is None else rectify(photo, self.sheet, PIXELS_PER_MM)[0]

    def into(self, contours: Sequence[NDArray[np.float32]] | None) -> Sequence[NDArray[np.float32]] | None:
        """Return where outlines (n, 2) of the photo lie in what ``look`` gives; None stays None."""
        if self.sheet is None or contours is None:
            return contours
        from_photo = np.asarray(np.linalg.inv(self._to_photo()), np.float64)
        return [transformed(contour, from_photo).astype(np.float32) for contour in contours]

    def outlines_back(self, outlines: Sequence[Outline]) -> tuple[Outline, ...]:
        """Return outlines in what ``look`` gives as they lie in the photo."""
        if self.sheet is None:
            return tuple(outlines)
        to_photo = self._to_photo()
        return tuple(replace(one, contour=transformed(one.contour, to_photo).astype(np.float32)) for one in outlines)

    def crops_back(self, crops: Sequence[Crop | None], outlines: Sequence[Outline]) -> tuple[Crop | None, ...]:
        """Return crops of what ``look`` gives with their places in the photo.

        Args:
            crops: one for each outline.
            outlines: as ``outlines_back`` gives them.
        """
        if self.sheet is None:
            return tuple(crops)
        to_photo = self._to_photo()
        return tuple(
            None if crop is None else _crop_in_photo(crop, outline, to_photo)
            for crop, outline in zip(crops, outlines, strict=True)
        )

    def cutting(self, config: CropConfig) -> CropConfig:
        """Return how to cut what ``look`` gives: a fixed zoom in crop pixels a millimetre becomes one a pixel."""
        if self.sheet is None or config.scale == "relative":
            return config
        return replace(config, zoom=config.zoom / PIXELS_PER_MM)

    def measured(self, contours: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Return outlines of what ``look`` gives in the unit of a fixed zoom: millimetres, or the photo's pixels."""
        return [contour if self.sheet is None else contour / np.float32(PIXELS_PER_MM) for contour in contours]

    def _to_photo(self) -> NDArray[np.float64]:
        if self.sheet is None:
            return np.eye(3)
        return flat_to_photo(self.sheet, PIXELS_PER_MM)


def frame_of(photo: NDArray[np.uint8], config: CropConfig) -> Frame:
    """Return what of a photo (H, W, 3) is looked at, as ``config.sheet`` says.

    Raises:
        PhotoError: a sheet is asked for, and the photo shows no whole one of that kind.
    """
    if config.sheet == "none":
        return Frame()
    sheet = find_sheet(photo, config.sheet)
    if sheet is None:
        raise PhotoError(
            f"no whole {NAMES[config.sheet]} sheet was found in the photo, and this model measures on one: take the "
            f"photo with all four edges of the sheet in view, on a table darker than the paper, and do not crop it"
        )
    return Frame(sheet)


def _crop_in_photo(crop: Crop, outline: Outline, to_photo: NDArray[np.float64]) -> Crop:
    """Carry a crop's place over to the photo.

    The homography is replaced by its tangent at the middle of the bean. Over a bean, a fortieth of the sheet's length,
    the difference stays below half a pixel of the photo at all but extreme tilts.
    """
    middle = crop.to_photo @ np.append(np.full(2, (len(crop.image) - 1) / 2), 1.0)  # (2,) in the flat sheet
    place = transformed(middle[np.newaxis], to_photo)[0]
    depth = float(to_photo[2, :2] @ middle + to_photo[2, 2])
    tangent = (to_photo[:2, :2] - np.outer(place, to_photo[2, :2])) / depth  # (2, 2)
    turned = tangent @ crop.to_photo[:, :2]
    shift = place + tangent @ (crop.to_photo[:, 2] - middle)
    down = turned @ np.array([0.0, 1.0])  # the crop's long axis
    angle = (float(np.degrees(np.arctan2(-down[0], down[1]))) + 90) % 180 - 90
    return replace(crop, to_photo=np.column_stack([turned, shift]), box=box_of(outline.contour), angle=angle)
