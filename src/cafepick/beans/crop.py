"""Outline -> crop: each bean upright, at one scale, in even light, alone on a blank ground.

What differs between photographs for reasons other than the bean is taken out here, once, so that the model need not
learn it: where the bean lies, how it is turned, how bright and how warm the light is, what lies around it, and, at the
relative scale, how far the camera was away. Every crop keeps the affine map back to the photo.

    outline --moments--> pose --scale--> to_photo --warp--> pixels --gain--> balanced --coverage--> blanked crop
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import cv2
import numpy as np

from cafepick.beans.conditions import surface_colour
from cafepick.beans.pose import pose_of
from cafepick.cores import shared
from cafepick.errors import SourceError
from cafepick.images import resize, to_channels
from cafepick.types import Box, Crop, Detail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cafepick.config import CropConfig
    from cafepick.types import Scene

BLANK: Final = 235
"""Grey level of the ground around a cropped bean, and the level that a light surface is balanced to."""

FIT_PERCENTILE: Final = 99.5
"""``fit_zoom`` lets this share of the training beans fit, so that one bad outline does not shrink all others."""
FIT_SHARE: Final = 0.92
"""Share of the crop's side that the longest of those beans takes."""

DARKEST_WHITE: Final = 100.0
"""A surface of lower median luma (0..255) is taken for dark and says nothing about the light."""
GAIN_RANGE: Final = (0.8, 3.0)
"""A balance outside these gains would be a wrong guess about the surface, not about the light."""
LUMA: Final = np.array([0.299, 0.587, 0.114], np.float32)

SUPERSAMPLING: Final = 4
"""Samples a side from which a crop pixel is made. With one, texture comes out twice as sharp at some scales as at
scales next to them; more samples shift the largest such step (13 %, at 6 photo pixels a crop pixel) further out."""
LANES: Final = 16
"""OpenCV samples so many columns at a time, and rounds otherwise in those left over at the end of a row."""


def crop_beans(photo: NDArray[np.uint8], scene: Scene, config: CropConfig) -> list[Crop | None]:
    """Cut every bean of a photo that the frame left whole.

    The long axis (image moments of the filled outline) stands vertical, and of the two ends the more pointed one is up:
    the third moment along the axis decides; ends that are alike stay as the rotation by the smaller angle leaves them.
    The middle of the bean's extent lies in the middle of the crop. A bean longer than the crop loses its ends.

    Colours are multiplied, per channel, so that the surface next to the bean becomes ``BLANK`` grey. A dark surface
    (median luma below ``DARKEST_WHITE``) reflects too little to tell the light's colour from its own, and its gain
    would blow up: all colours of such a photo stay as the camera wrote them.

    Args:
        photo: (H, W, 3) RGB.
        scene: what ``find_beans`` found in it.
        config: size, channels, scale and zoom of the crops.

    Returns:
        One crop per outline, in the order of ``scene.outlines``; None for a bean that the frame cuts.
    """
    whole = [outline.contour for outline in scene.outlines if not outline.cut]
    if not whole:
        return [None] * len(scene.outlines)
    scale = _crop_scale(whole, config)
    source = _Reduced.of(photo, factor=round(1 / scale / SUPERSAMPLING))
    light = _Light.of(scene, photo.shape[:2])
    cut = iter(shared(lambda contour: _crop_bean(source, contour, light, scale, config), whole))
    return [None if outline.cut else next(cut) for outline in scene.outlines]


def crop_whole(photo: NDArray[np.uint8], config: CropConfig) -> Crop:
    """Resize the photo itself, or its central square of side ``config.centre``, to the size of a crop.

    A photo smaller than the central square gives its largest central square. Colours stay; nothing is blanked.

    Args:
        photo: (H, W, 3) RGB.
        config: size, channels and centre of the crop, and how closely it is looked at besides.
    """
    x, y, width, height = kept_of(photo.shape[:2], config)
    part = photo[y : y + height, x : x + width]

    def shown(side: int) -> Detail:
        return Detail(to_channels(resize(part, side, side), config.channels), np.ones((side, side), bool))

    image, mask = shown(config.size)
    step_x, step_y = width / config.size, height / config.size
    to_photo = np.array([[step_x, 0, x + step_x / 2 - 0.5], [0, step_y, y + step_y / 2 - 0.5]])
    detail = None if config.detail is None else shown(config.detail)
    return Crop(image, mask, to_photo, Box(x, y, width, height), detail=detail)


def kept_of(shape: tuple[int, ...], config: CropConfig) -> tuple[int, int, int, int]:
    """Return x, y, width and height of what is kept of a photo (height, width) that is itself the subject."""
    height, width = shape
    if config.centre is None:
        return 0, 0, width, height
    side = min(config.centre, height, width)
    return round((width - side) / 2), round((height - side) / 2), side, side


def pixels_of(images: NDArray[np.uint8], config: CropConfig) -> NDArray[np.int64]:
    """Count the pixels of each subject, at least 1: those that are not blank, or of a whole photo all.

    Args:
        images: (n, size, size, C) crops.
        config: how they were cut.
    """
    if config.subject == "whole":
        return np.full(len(images), config.size**2)
    shown = reduce(np.logical_or, (channel != BLANK for channel in np.moveaxis(images, -1, 0)))
    return np.array([max(np.count_nonzero(subject), 1) for subject in shown], np.int64)


def fit_zoom(contours_per_photo: Sequence[Sequence[NDArray[np.float32]]], config: CropConfig) -> CropConfig:
    """Choose the zoom at which the training beans fill the crop, and all but the longest 0.5 % fit.

    Args:
        contours_per_photo: for each photo, the outlines (n, 2) of its beans that the frame left whole.
        config: what else is known of the crops; with subject ``whole`` there is nothing to fit.

    Returns:
        ``config`` with ``zoom`` set, for the scale kind that it names.

    Raises:
        SourceError: no photo holds an outline.
    """
    if config.subject == "whole":
        return config
    lengths = [
        pose_of(contour).length / (_unit(contours) if config.scale == "relative" else 1.0)
        for contours in contours_per_photo
        for contour in contours
    ]
    if not lengths:
        photos = len(contours_per_photo)
        raise SourceError(f"the scale needs at least one whole bean, found none in {photos} photos: look at the photos")
    longest = max(float(np.percentile(lengths, FIT_PERCENTILE)), 1e-6)
    return replace(config, zoom=FIT_SHARE * config.size / longest)


class Patch(NamedTuple):
    """A piece of a photo-sized picture."""

    values: NDArray[Any]
    """(h, w) or (h, w, C)."""
    x: int
    """Column of the photo where the piece begins."""
    y: int
    """Row of the photo where the piece begins."""

    @property
    def place(self) -> tuple[slice, slice]:
        """Index of the piece in a photo-sized array: ``full[patch.place] = patch.values``."""
        height, width = self.values.shape[:2]
        return slice(self.y, self.y + height), slice(self.x, self.x + width)


def map_to_photo(values: NDArray[Any], crop: Crop, shape: tuple[int, int]) -> Patch:
    """Lay a picture in crop coordinates back over the photo.

    Only what is not 0 is drawn, and beyond the outline too: where a broken bean lacks a part, there the map is high.
    That of a whole photo ends at full height where the crop ends; that of a bean fades over the last pixel of its crop.

    Args:
        values: (size, size) or (size, size, C): a map (float), an image (uint8) or a mask (bool).
        crop: where the picture belongs.
        shape: height and width of the photo.

    Returns:
        The values in photo pixels, interpolated linearly (a mask is cut at one half), 0 outside the crop, of the type
        of ``values``. Empty where nothing of it lies in the photo.
    """
    left, top, right, bottom = _where(values, crop, shape)
    if right <= left or bottom <= top:
        return Patch(np.zeros((max(bottom - top, 0), max(right - left, 0), *values.shape[2:]), values.dtype), left, top)
    from_photo = cv2.invertAffineTransform(crop.to_photo)
    from_photo[:, 2] += from_photo[:, :2] @ (left, top)  # patch pixels -> crop pixels
    is_mask = values.dtype == np.bool_
    beyond = cv2.BORDER_REPLICATE if crop.mask.all() else cv2.BORDER_CONSTANT
    warped = cv2.warpAffine(
        values.astype(np.float32) if is_mask else values,
        from_photo,
        (right - left, bottom - top),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=beyond,
    )
    return Patch(warped >= 0.5 if is_mask else warped, left, top)


def _where(values: NDArray[Any], crop: Crop, shape: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom, the last two outside, of what is not 0, in pixels of the photo."""
    y, x = np.nonzero(values if values.ndim == 2 else values.any(axis=2))
    if not len(x):
        return 0, 0, 0, 0
    ends = [(u, v, 1) for u in (x.min() - 1, x.max() + 1) for v in (y.min() - 1, y.max() + 1)]
    corners = np.array(ends) @ crop.to_photo.T  # (4, 2)
    least, most = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0)) + 1
    if crop.mask.all():  # a whole photo or its middle: nothing lies beyond
        x, y, width, height = crop.box
        least, most = np.clip([least, most], (x, y), (x + width, y + height))
    (left, top), (right, bottom) = np.clip([least, most], 0, shape[::-1]).astype(int).tolist()
    return left, top, right, bottom


def mask_in_crop(mask: NDArray[np.bool_], crop: Crop) -> NDArray[np.bool_]:
    """Return the part of a photo's mask (H, W) that a crop shows, (size, size); False outside the photo."""
    size = len(crop.mask)
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(mask.astype(np.uint8), crop.to_photo, (size, size), flags=flags).astype(bool)


def _crop_scale(contours: Sequence[NDArray[np.float32]], config: CropConfig) -> float:
    """Crop pixels per photo pixel, the same for all beans of a photo."""
    return config.zoom / _unit(contours) if config.scale == "relative" else config.zoom


def _unit(contours: Sequence[NDArray[np.float32]]) -> float:
    """Side of the square that has the median area of a photo's beans, photo pixels."""
    areas = [cv2.contourArea(np.ascontiguousarray(contour, np.float32)) for contour in contours]
    return max(float(np.sqrt(np.median(areas))), 1.0)


_Window = tuple[slice, slice]
"""Rows and columns of a crop."""


@dataclass(frozen=True, eq=False)
class _Reduced:
    """A photo made smaller by a whole factor, each pixel the mean of what it covers, so that sampling skips nothing."""

    pixels: NDArray[np.uint8]
    factor: int

    @classmethod
    def of(cls, photo: NDArray[np.uint8], factor: int) -> _Reduced:
        factor = int(np.clip(factor, 1, min(photo.shape[:2])))
        if factor == 1:
            return cls(photo, 1)
        height, width = photo.shape[:2]
        below, right = -height % factor, -width % factor
        if below or right:
            photo = cv2.copyMakeBorder(photo, 0, below, 0, right, cv2.BORDER_REPLICATE)  # type: ignore[assignment]
        size = ((width + right) // factor, (height + below) // factor)
        return cls(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), factor)  # type: ignore[arg-type]

    def sample(self, to_photo: NDArray[np.float64], size: int, window: _Window) -> NDArray[np.uint8]:
        """(h, w, 3) samples of the photo under a crop, ``SUPERSAMPLING`` a crop pixel and axis, to a window's end."""
        steps, start = to_photo[:, :2] / SUPERSAMPLING, to_photo[:, 2]
        first = start - to_photo[:, :2].sum(axis=1) / 2 + steps.sum(axis=1) / 2  # pixel centres lie at whole numbers
        to_reduced = np.column_stack([steps, first - (self.factor - 1) / 2]) / self.factor
        side, (height, width) = size * SUPERSAMPLING, (part.stop * SUPERSAMPLING for part in window)
        width = width + -width % LANES if side % LANES == 0 else side
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        fine = cv2.warpAffine(self.pixels, to_reduced, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(fine, np.uint8)


@dataclass(frozen=True, eq=False)
class _Light:
    """Colour of a photo's surface, and the gain that turns it into ``BLANK`` grey at any place."""

    surface: tuple[float, float, float]
    """As in ``Crop.surface``."""
    gains: NDArray[np.float32]
    """(h, w, 3) at the reduced size of ``Scene.background``; 1 everywhere over a dark surface."""
    per_pixel: tuple[float, float]
    """Width and height of a photo pixel in pixels of ``gains``."""

    @classmethod
    def of(cls, scene: Scene, shape: tuple[int, ...]) -> _Light:
        surface = scene.background
        per_pixel = (surface.shape[1] / shape[1], surface.shape[0] / shape[0])
        colour = surface_colour(scene)
        if np.median(surface @ LUMA) < DARKEST_WHITE:
            return cls(colour, np.ones_like(surface), per_pixel)
        return cls(colour, np.clip(BLANK / np.maximum(surface, 1), *GAIN_RANGE).astype(np.float32), per_pixel)

    def at(self, centre: tuple[float, float]) -> NDArray[np.float32]:
        """(3,) gain next to a bean."""
        height, width = self.gains.shape[:2]
        column = int(np.clip((centre[0] + 0.5) * self.per_pixel[0], 0, width - 1))
        row = int(np.clip((centre[1] + 0.5) * self.per_pixel[1], 0, height - 1))
        return self.gains[row, column]


def _crop_bean(source: _Reduced, contour: NDArray[np.float32], light: _Light, scale: float, config: CropConfig) -> Crop:
    pose = pose_of(contour)
    to_photo = pose.to_photo(scale, config.size)
    inside = _inside(contour, to_photo, config.size)
    window = _touched(inside)
    samples = source.sample(to_photo, config.size, window)
    levels = np.minimum(np.arange(256, dtype=np.uint8)[:, None] * light.at(pose.centre), 255) - BLANK  # (256, 3)
    looks = (_looked_at(samples, inside, window, levels, finer) for finer in (1, 2))
    (image, mask), detail = (Detail(to_channels(image, config.channels), mask) for image, mask in looks)
    return Crop(image, mask, to_photo, box_of(contour), pose.angle, detail, light.surface)


def _touched(inside: NDArray[np.uint8]) -> _Window:
    """Where in the crop there are samples inside the outline; everywhere if there are none."""
    x, y, width, height = cv2.boundingRect(inside) if inside.any() else (0, 0, *inside.shape)
    rows, columns = (slice(a // SUPERSAMPLING, -(-b // SUPERSAMPLING)) for a, b in ((y, y + height), (x, x + width)))
    return rows, columns


def _finer(window: _Window, factor: int) -> _Window:
    """The same of something that is so many times as large as the crop."""
    rows, columns = (slice(factor * part.start, factor * part.stop) for part in window)
    return rows, columns


def _looked_at(
    samples: NDArray[np.uint8],
    inside: NDArray[np.uint8],
    window: _Window,
    levels: NDArray[np.float32],
    finer: int,
) -> Detail:
    """Average samples to pixels, of which the outline cuts out the bean, in balanced light.

    Args:
        samples: (h, w, 3) of the crop, to the window's end at least.
        inside: (side, side) of the whole crop, 255 inside the outline.
        window: outside it, all is blank.
        levels: (256, 3) what each level of the photo becomes in balanced light, less ``BLANK``.
        finer: pixels a crop pixel and axis.

    Returns:
        The subject in three channels.
    """
    seen, to = _finer(window, SUPERSAMPLING), _finer(window, finer)
    size = (to[1].stop - to[1].start, to[0].stop - to[0].start)
    coverage = _mean(inside[seen], size).astype(np.float32) / np.float32(255)
    bean = cv2.LUT(_mean(samples[seen], size), levels[None])  # (h, w, 3)
    bean *= coverage[:, :, None]
    bean += BLANK
    side = finer * len(inside) // SUPERSAMPLING
    image, mask = np.full((side, side, 3), BLANK, np.uint8), np.zeros((side, side), bool)
    image[to] = np.rint(bean, out=bean)
    mask[to] = coverage >= min(0.5, float(coverage.max()))  # an annotated speck has the pixel that it covers most of
    return Detail(image, mask)


def _inside(contour: NDArray[np.float32], to_photo: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    """255 for samples of a crop inside the outline, 0 for others: averaged, a soft edge one pixel wide."""
    from_photo = cv2.invertAffineTransform(to_photo)
    points = contour @ from_photo[:, :2].T + from_photo[:, 2]  # (n, 2) crop pixels
    fine_points = (points + 0.5) * SUPERSAMPLING - 0.5
    fine = np.zeros((size * SUPERSAMPLING, size * SUPERSAMPLING), np.uint8)
    return np.asarray(cv2.fillPoly(fine, [np.rint(fine_points).astype(np.int32)], 255), np.uint8)


def _mean(samples: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(samples, size, interpolation=cv2.INTER_AREA), np.uint8)


def box_of(contour: NDArray[np.float32]) -> Box:
    """Return the box around an outline (n, 2)."""
    (left, top), (right, bottom) = contour.min(axis=0), contour.max(axis=0)
    return Box(float(left), float(top), float(right - left), float(bottom - top))
