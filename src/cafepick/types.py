"""The records that pass between stages: photo -> outlines -> crops -> scores -> verdicts."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


class Box(NamedTuple):
    """An axis-aligned box in photo pixels, as in COCO: left edge, top edge, width, height."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, eq=False)
class Item:
    """One photo of a source, not yet read, with what its source says about it."""

    path: Path
    """Where the photo lies; for ``mnist``, the idx file that holds it."""
    name: str
    """Path relative to the source, with ``/``: what ``scores.csv`` prints as ``image``."""
    label: str | None = None
    """Class that the source gives (folder, digit, COCO category); ``good`` counts as good."""
    mask_path: Path | None = None
    """Ground-truth mask of the defect (MVTec layout), if there is one."""
    outlines: tuple[NDArray[np.float32], ...] | None = None
    """Annotated outlines, each (n, 2) x, y in photo pixels (COCO); None: outlines are to be found."""
    outline_labels: tuple[str, ...] | None = None
    """Class of each annotated outline."""
    index: int | None = None
    """Position inside ``path`` where one file holds many photos (idx)."""


@dataclass(frozen=True, eq=False)
class Outline:
    """One bean's outline in photo coordinates."""

    contour: NDArray[np.float32]
    """(n, 2) x, y of the closed outline, in pixels of the photo."""
    cut: bool = False
    """The frame cuts the bean, so it cannot be judged."""


@dataclass(frozen=True, eq=False)
class Scene:
    """What was found in one photo."""

    outlines: tuple[Outline, ...]
    """Reading order: top to bottom, left to right."""
    background: NDArray[np.float32]
    """(h, w, 3) colour of the empty background under light and shadow, 0..255, at a reduced size."""
    background_noise: float
    """Robust spread of background pixels about ``background``, grey levels (a check that the surface is plain)."""


class Detail(NamedTuple):
    """One subject as a closer look shows it: the place of its crop, in more pixels; of a bean, in twice as many."""

    image: NDArray[np.uint8]
    """(side, side, C)"""
    mask: NDArray[np.bool_]
    """(side, side)"""


class Layout(NamedTuple):
    """What the descriptors of a subject consist of."""

    cells: int | None = None
    """Cells of a grid that they come from, cell by cell; None: they have no places."""
    closer: tuple[int, int] | None = None
    """The last come from a closer look: from so many places, each of which gave so many numbers."""
    light_last: bool = False
    """The last tell the light."""


@dataclass(frozen=True, eq=False)
class Crop:
    """One subject as the model sees it."""

    image: NDArray[np.uint8]
    """(size, size, C), upright, background blanked."""
    mask: NDArray[np.bool_]
    """(size, size), True on the subject."""
    to_photo: NDArray[np.float64]
    """(2, 3) affine map from crop pixels (x, y, 1) to photo pixels, pixel centres at whole numbers."""
    box: Box
    """The subject's bounding box in the photo."""
    angle: float = 0.0
    """Direction of the long axis in the photo, degrees clockwise from the vertical, in [-90, 90)."""
    detail: Detail | None = None
    """For descriptors of what is fine; None: the crop itself must do."""
    surface: tuple[float, float, float] | None = None
    """Median colour of the surface in its photo as the camera wrote it, CIE Lab; with outlines given, of all that lies
    around them. None where it is not known."""


@dataclass(frozen=True)
class ScoreParts:
    """Scores of one subject; higher is more anomalous."""

    residual: float
    r"""$\sum |x - G(z)|$ over pixels in [-1, 1] (Schlegl et al. 2017, eq. 3). Where ``fast`` or ``refine`` scored by a
    model with ``SearchConfig.differences`` standardised, it is per pixel of the subject, as is the next."""
    discrimination: float
    r"""$\sum |f(x) - f(G(z))|$ over discriminator features (Schlegl et al. 2017, eq. 5). There it is over those of the
    last two maps, in units of what is usual for good subjects (``scoring.usual``)."""
    score: float
    r"""What the verdict rests on. In the paper $(1 - \lambda) \cdot$ residual $+ \lambda \cdot$ discrimination (eq. 6);
    where a model looks at more than the reconstruction, its parts joined (``scoring.fusion``)."""
    parts: Mapping[str, float] = field(default_factory=dict)
    """Each part that ``score`` joins, by name, in its own unit."""


class Judgement(str, Enum):
    """What is said of one subject."""

    OK = "OK"
    NG = "NG"
    CUT = "CUT"
    EMPTY = "EMPTY"


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the verdict rests on, in crop coordinates."""

    crop: Crop
    reconstruction: NDArray[np.uint8]
    """(size, size, C): the closest good subject that the generator can draw."""
    anomaly_map: NDArray[np.float32]
    """(size, size), 0 and more: by ``exact``, the smoothed absolute error per pixel, 0..2 (pixels in [-1, 1]); with a
    comparison, how likely each pixel is spoiled, 0..1. Of a whole subject, what a closer look finds is added."""
    segmentation: NDArray[np.bool_]
    """(size, size), True where the map exceeds what good subjects show."""


@dataclass(frozen=True)
class Reason:
    """Why a subject is NG; ``scoring.reasons`` says it in words."""

    key: str
    """What is unusual: a key of ``scoring.reasons.COMPARATIVES``; ``combination`` of many things; or ``area``, a part
    of the subject that the closest good one does not have."""
    high: bool = False
    """Whether there is more of it than in good subjects; for ``area``, whether it is paler."""
    share: float = 0.0
    """Of good subjects with less (or, unless ``high``, more) of it, 0..1; for ``area``, of the subject."""


@dataclass(frozen=True, eq=False)
class Verdict:
    """The answer for one subject; ``bean`` counts from 1, is 1 for ``whole`` and 0 for an empty photo."""

    bean: int
    judgement: Judgement
    box: Box
    angle: float = 0.0
    scores: ScoreParts | None = None
    """None for CUT and EMPTY."""
    p_value: float | None = None
    """Share of good subjects that would score at least this high."""
    outline: Outline | None = None
    """None for ``whole`` and EMPTY."""
    evidence: Evidence | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    """p-value of each part of the score by itself; empty for CUT and EMPTY."""
    why: Reason | None = None
    """The leading reason of an NG."""
    reason: str = ""
    """The same in English."""


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores of n subjects and what they rest on."""

    residual: NDArray[np.float64]
    """(n,)"""
    discrimination: NDArray[np.float64]
    """(n,)"""
    score: NDArray[np.float64]
    """(n,)"""
    reconstructions: NDArray[np.uint8]
    """(n, size, size, C)"""
    maps: NDArray[np.float32]
    """(n, size, size), anomaly maps as in ``Evidence``."""
    parts: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """(n,) of each part that ``score`` joins, by name; see ``scoring.fusion``."""


@dataclass(frozen=True)
class SubjectRow:
    """One judged subject and what it truly is: a row of an evaluation's ``scores.csv``."""

    image: str
    """Name of the photo, relative to its source."""
    bean: int
    """As in ``Verdict``."""
    label: str | None
    """Class that the labels give; None where they say nothing of this subject."""
    score: float | None
    """The anomaly score; None, as the next three, for CUT and EMPTY."""
    residual: float | None
    discrimination: float | None
    p_value: float | None
    verdict: Judgement
    parts: Mapping[str, float] = field(default_factory=dict)
    """The parts of the score, by name."""


@dataclass(frozen=True, eq=False)
class Mistake:
    """A subject that was judged wrongly, with its picture."""

    row: SubjectRow
    panel: NDArray[np.uint8]
    """(H, W, 3) RGB, as ``draw.panel`` gives it."""
    why: Reason | None = None
    """Why a good subject was rejected; None for a missed one."""
