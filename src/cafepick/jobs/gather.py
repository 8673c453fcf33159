"""From a source to the crops of its subjects: read, find, cut; unreadable photos are named and left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import numpy as np

from cafepick.beans.closer import side_for
from cafepick.beans.conditions import Conditions, Range, conditions_of
from cafepick.beans.crop import crop_beans, crop_whole, fit_zoom, kept_of
from cafepick.beans.descriptors import descriptors_of
from cafepick.beans.scene import scene_of
from cafepick.beans.view import Frame, frame_of
from cafepick.errors import PhotoError, SourceError
from cafepick.jobs.seen import print_of
from cafepick.jobs.sheets import LOOKED_AT, Choice, choose_sheet

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cafepick.config import CropConfig, ScaleKind, SheetKind
    from cafepick.data.sources import Source
    from cafepick.types import Box, Item, Scene

Progress = Callable[[str, int, int], None]
"""Called with the name of a stage, how much of it is done and how much there is."""

TRAY: Final = 8
"""A photo with at least this many beans has a median bean that can serve as the unit of size."""

_WORKERS: Final = 2

T = TypeVar("T")


@dataclass(frozen=True)
class Failure:
    """A photo that could not be used, and why."""

    name: str
    reason: str


class Place(NamedTuple):
    """Where a subject is in its photo."""

    bean: int
    """Its number there, from 1 on, as on an overlay."""
    box: Box
    """In pixels of the photo."""


@dataclass(frozen=True, eq=False)
class Subjects:
    """All subjects of a source, cut and ready for training or calibration."""

    crops: NDArray[np.uint8]
    """(n, size, size, channels)."""
    descriptors: NDArray[np.float64]
    """(n, d) of the same, see ``beans.descriptors``."""
    groups: NDArray[np.int64]
    """(n,) which photo each crop comes from, as a position in ``names``."""
    places: tuple[Place, ...]
    """(n,) where each crop comes from in its photo."""
    names: tuple[str, ...]
    """The photos that gave at least one crop."""
    prints: tuple[str, ...]
    """What tells each of these photos from others, see ``seen``."""
    config: CropConfig
    """How they were cut, zoom included."""
    failures: tuple[Failure, ...]
    """Photos that could not be read, or that show no whole sheet where ``config.sheet`` asks for one."""
    empty: tuple[str, ...]
    """Photos in which no whole bean was found."""
    cut: int
    """Beans left out because the frame cuts them."""
    conditions: Range | None
    """What surfaces and bean sizes the photos show; None for ``whole``."""
    note: str = ""
    """What a user should know about the sheets of paper in the photos, where ``gather`` looked for some."""


class _Cutting(NamedTuple):
    """What one photo gave."""

    images: list[NDArray[np.uint8]]
    descriptors: NDArray[np.float64]
    places: list[Place]
    cut: int
    """Beans that the frame cuts."""
    print: str


class _Look(NamedTuple):
    """What was found in one photo."""

    frame: Frame
    """Of the photo, what was looked at."""
    scene: Scene
    """In its pixels."""


def gather(
    source: Source,
    config: CropConfig,
    *,
    scale: ScaleKind | None = None,
    sheet: SheetKind | None = None,
    closer: bool = False,
    progress: Progress,
) -> Subjects:
    """Find and cut every subject of ``source``, fitting the zoom of ``config`` to the beans found.

    Args:
        source: where the photos come from.
        config: how to cut.
        scale: None takes ``fixed`` for beans on a sheet, ``relative`` for other photos of trays, which have a median
            bean, and ``fixed`` for the rest.
        sheet: None looks whether most photos show a whole A4 or Letter sheet; if so, those without one are left out.
        closer: whether photos that are themselves subjects are looked at more closely besides, where they are large.
        progress: called after each photo.

    Raises:
        SourceError: no photo could be read, or nothing was found in any of them.
    """
    if config.subject == "whole":
        detail = _closer_look(source, config) if closer else None
        return gather_as(source, replace(config, detail=detail), progress=progress)
    choice = choose_sheet(source, partial(progress, "looking for sheets")) if sheet is None else Choice(sheet)
    config = replace(config, sheet=choice.sheet)
    looks, unread = _find(source, config, progress)
    contours = [look.frame.measured(whole_contours(look.scene)) for look in looks.values() if look is not None]
    if not any(contours):
        raise _nothing_found(source, unread)
    tray = config.sheet == "none" and np.median([len(c) for c in contours]) >= TRAY
    config = fit_zoom(contours, replace(config, scale=scale or ("relative" if tray else "fixed")))
    return replace(_cut(source, looks, config, unread, progress), note=choice.note)


def gather_as(source: Source, config: CropConfig, *, progress: Progress) -> Subjects:
    """Find and cut every subject of ``source`` exactly as ``config`` says, zoom included: as a trained model needs it.

    Raises:
        SourceError: no photo could be read, or nothing was found in any of them.
    """
    looks, unread = _find(source, config, progress)
    return _cut(source, looks, config, unread, progress)


def _closer_look(source: Source, config: CropConfig) -> int | None:
    """Return the side in pixels of a closer look at photos like some of these, or None."""
    sides: list[int] = []
    for item in source.some(LOOKED_AT):
        with suppress(PhotoError):
            sides.append(min(kept_of(source.read(item).shape[:2], config)[2:]))
    return side_for(int(np.median(sides)), config.size) if sides else None


def whole_contours(scene: Scene) -> list[NDArray[np.float32]]:
    """Return the contours of the beans that the frame does not cut, each (n, 2)."""
    return [outline.contour for outline in scene.outlines if not outline.cut]


def _find(source: Source, config: CropConfig, progress: Progress) -> tuple[dict[Item, _Look | None], list[Failure]]:
    """Find the beans of each usable photo; a photo that is itself the subject is not looked at."""

    def find(item: Item) -> _Look:
        photo = source.read(item)
        frame = frame_of(photo, config)
        return _Look(frame, scene_of(frame.look(photo), frame.into(item.outlines)))

    if config.subject == "whole":
        return dict.fromkeys(source.items), []
    return _each(source.items, find, "finding beans", progress)


def _cut(
    source: Source, looks: dict[Item, _Look | None], config: CropConfig, unread: list[Failure], progress: Progress
) -> Subjects:
    def cut(item: Item) -> _Cutting:
        photo, look = source.read(item), looks[item]
        if look is None:
            found = [crop_whole(photo, config)]
        else:
            found = crop_beans(look.frame.look(photo), look.scene, look.frame.cutting(config))
        whole = [crop for crop in found if crop is not None]
        boxes = found if look is None else look.frame.crops_back(found, look.frame.outlines_back(look.scene.outlines))
        places = [Place(bean, crop.box) for bean, crop in enumerate(boxes, start=1) if crop is not None]
        images, cut_off = [crop.image for crop in whole], len(found) - len(whole)
        return _Cutting(images, descriptors_of(whole, config), places, cut_off, print_of(photo))

    cuttings, failed = _each(looks, cut, "cutting crops", progress)
    full = [item for item, cutting in cuttings.items() if cutting.images]
    if not full:
        raise _nothing_found(source, unread + failed)
    return Subjects(
        crops=np.stack([image for item in full for image in cuttings[item].images]),
        descriptors=np.concatenate([cuttings[item].descriptors for item in full]),
        groups=np.repeat(np.arange(len(full)), [len(cuttings[item].images) for item in full]),
        places=tuple(place for item in full for place in cuttings[item].places),
        names=tuple(item.name for item in full),
        prints=tuple(cuttings[item].print for item in full),
        config=config,
        failures=tuple(unread + failed),
        empty=tuple(item.name for item, cutting in cuttings.items() if not cutting.images),
        cut=sum(cutting.cut for cutting in cuttings.values()),
        conditions=Range.of([_conditions(look) for look in looks.values() if look is not None]),
    )


def _conditions(look: _Look) -> Conditions:
    return conditions_of(replace(look.scene, outlines=look.frame.outlines_back(look.scene.outlines)))


def _each(
    items: Iterable[Item], work: Callable[[Item], T], stage: str, progress: Progress
) -> tuple[dict[Item, T], list[Failure]]:
    """Apply ``work`` to all items on a few threads, keeping their order; unreadable ones become failures."""

    def guarded(item: Item) -> T | Failure:
        try:
            return work(item)
        except PhotoError as error:
            return Failure(item.name, str(error))

    items = list(items)
    results: dict[Item, T] = {}
    failures: list[Failure] = []
    with ThreadPoolExecutor(_WORKERS) as pool:
        try:
            for done, (item, result) in enumerate(zip(items, pool.map(guarded, items), strict=True), start=1):
                if isinstance(result, Failure):
                    failures.append(result)
                else:
                    results[item] = result
                progress(stage, done, len(items))
        except BaseException:  # Ctrl-C among them: photos that wait are not begun any more
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return results, failures


def _nothing_found(source: Source, failures: list[Failure]) -> SourceError:
    first = f" (first: {failures[0].reason})" if failures else ""
    return SourceError(
        f"no subject in {source.root}: {len(source.items)} photos, {len(failures)} of them unusable{first}; "
        f"photograph beans on plain paper, or give --subject whole if the photo itself is the subject"
    )
