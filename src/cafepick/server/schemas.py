"""What goes over the wire: the shapes of ``docs/api.md``, checked on the way in and out."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import Path, Query
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from cafepick.config import Method
from cafepick.server.marks import Mark, Said

FEWEST_PHOTOS: Final = 2
"""To learn from: one to keep aside."""

State = Literal["queued", "running", "done", "failed", "cancelled"]
Stage = Literal[
    "waiting",
    "starting",
    "finding",
    "cutting",
    "training",
    "encoding",
    "appearance",
    "joining",
    "calibrating",
    "saving",
    "over",
]


def _plain(text: str) -> str:
    """Refuse what no database and no file can hold, or what nobody sees; line breaks and tabs are fine."""
    if any(unicodedata.category(letter) in ("Cc", "Cs") and letter not in "\n\r\t" for letter in text):
        raise ValueError("it holds control characters: write plain text")
    return text.strip()


def _iso(moment: object) -> object:
    """Refuse a bare number, which would be taken for seconds since 1970."""
    if isinstance(moment, str) and moment.lstrip("-+").replace(".", "", 1).isdecimal():
        raise ValueError("write a moment as in 2026-03-14T15:09:26Z")
    return moment


def _line(text: str) -> str:
    return " ".join(_plain(text).split())


def _named(text: str) -> str:
    if not _line(text):
        raise ValueError("it is empty: write a name")
    return _line(text)


_SEEN = r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
"""As ``_plain`` says it; for the schema only, because the words of a pattern's error help nobody."""
PLAIN = Field(json_schema_extra={"pattern": f"^{_SEEN}*$"})
NAMED = Field(json_schema_extra={"pattern": rf"^{_SEEN}*[^\s\x00-\x1f\x7f-\x9f]{_SEEN}*$"})

Line = Annotated[str, StringConstraints(max_length=200), AfterValidator(_line), PLAIN]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_named), NAMED]
Note = Annotated[str, StringConstraints(max_length=5000), AfterValidator(_plain), PLAIN]
Moment = Annotated[datetime, BeforeValidator(_iso)]
Rate = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
Digest = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
Key = Annotated[str, StringConstraints(pattern="^[0-9a-f]{32}$")]

DigestPath = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
KeyPath = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
BeanPath = Annotated[int, Path(ge=1, le=1_000_000)]
Limit = Annotated[int, Query(ge=1, le=200)]
Offset = Annotated[int, Query(ge=0, le=10**9)]


class _Strict(BaseModel):
    """A body: a misspelt field is an error."""

    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """What went wrong."""

    code: str
    message: str


class ProblemBody(BaseModel):
    """The body of every error."""

    error: Problem


class BoxOut(BaseModel):
    """A box in photo pixels."""

    x: float
    y: float
    width: float
    height: float


class PhotoOut(BaseModel):
    """A photo by its content."""

    id: str
    name: str
    format: str
    width: int
    height: int
    bytes: int
    created: str


class PhotoPage(BaseModel):
    """Some photos, newest first."""

    total: int
    photos: list[PhotoOut]


class FoundBean(BaseModel):
    """A bean that was found in a photo."""

    bean: int
    cut: bool
    outline: list[tuple[float, float]]
    box: BoxOut
    area: float


class BeansOut(BaseModel):
    """All beans of a photo."""

    photo: str
    width: int
    height: int
    beans: list[FoundBean]


class RateOut(BaseModel):
    """A false-reject rate, and what it may be at most (95 % confidence)."""

    rate: float
    upper_bound: float


class ModelOut(BaseModel):
    """A model."""

    id: str
    name: str
    created: str
    bytes: int
    checksum: str
    subject: str
    size: int
    channels: int
    methods: list[Method]
    calibration_subjects: int
    least_rate: float
    usual_rate: float
    rates: list[RateOut]
    training: dict[str, Any]
    training_id: str | None
    here: bool


class ModelPage(BaseModel):
    """All models, newest first."""

    models: list[ModelOut]


class ModelPatch(_Strict):
    """What can be changed of a model."""

    name: Name


class WishedPhoto(_Strict):
    """A photo to learn from, and which of its beans to leave out."""

    id: Digest
    unticked: list[Annotated[int, Field(ge=1, le=1_000_000)]] = Field(default=[], max_length=10_000)


class TrainingWish(_Strict):
    """What to learn, and how; or, with ``model``, in which light to calibrate what was learnt."""

    name: Name
    photos: list[WishedPhoto] = Field(min_length=1, max_length=100_000)
    """Two or more, unless a model is calibrated."""
    model: Key | None = None
    """A copy of it is calibrated; it is cut and judged as it was taught, so only name and photos are asked besides."""
    subject: Literal["beans", "whole"] = "beans"
    recipe: Literal["standard", "quick", "anogan"] = "standard"
    steps: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    size: Annotated[int, Field(ge=28, le=128)] = 64
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    hold_back: Annotated[float, Field(gt=0, lt=1)] = 0.15
    settings: list[Annotated[str, StringConstraints(max_length=100)]] = Field(default=[], max_length=50)
    """As ``--set`` of ``cafepick train``: ``search.steps=200``."""

    @model_validator(mode="after")
    def _of_one_kind(self) -> TrainingWish:
        others = sorted(self.model_fields_set - {"name", "photos", "model"})
        if self.model is None and len(self.photos) < FEWEST_PHOTOS:
            raise ValueError(f"{len(self.photos)} photo is too few to learn from: name {FEWEST_PHOTOS} or more")
        if self.model is not None and others:
            raise ValueError(f"a model is calibrated as it was taught: leave out {', '.join(others)}")
        return self


class Skipped(BaseModel):
    """A photo that gave nothing to learn from."""

    photo: str
    name: str
    reason: str


class TrainingOut(BaseModel):
    """A training and how far it is."""

    id: str
    name: str
    state: State
    stage: Stage
    step: int
    steps: int
    rate: float | None
    seconds_left: float | None
    sample: str | None
    samples: list[int]
    photos: int
    unticked: int
    subject: str
    recipe: str
    size: int
    seed: int
    calibrates: str | None
    """The model of which a copy is calibrated; None: a new one is taught."""
    created: str
    started: str | None
    finished: str | None
    subjects: int | None
    held_back: int | None
    alone: int | None
    shown_again: int | None
    knows_light: bool | None
    skipped: list[Skipped]
    model: str | None
    error: Problem | None


class Why(BaseModel):
    """The leading reason, for pages that have their own words for it; see ``types.Reason``."""

    key: str
    high: bool
    share: float


class OddBean(BaseModel):
    """A good bean that is least like the others of its training."""

    photo: str
    name: str
    bean: int | None
    """Its number among the beans of its photo, to untick it by; None where none of them lies there any more."""
    box: BoxOut
    why: Why


class OddestOut(BaseModel):
    """Those of a training, the oddest first."""

    oddest: list[OddBean]


class TrainingPage(BaseModel):
    """Some trainings, newest first."""

    total: int
    trainings: list[TrainingOut]


class CheckWish(_Strict):
    """Photos to judge with one model."""

    model: Key
    photos: list[Digest] = Field(min_length=1, max_length=10_000)
    method: Literal["auto"] | Method = "auto"
    lot: Line = ""
    note: Note = ""
    false_reject: Rate | None = None


class CheckPatch(_Strict):
    """What can be changed of a check; what is absent stays."""

    lot: Line | None = None
    note: Note | None = None
    reviewed: bool | None = None
    false_reject: Rate | None = None


class CorrectionIn(_Strict):
    """What the operator says of a bean."""

    correction: Said


class CheckPhoto(BaseModel):
    """The photo of a check."""

    id: str
    name: str
    width: int
    height: int


class CheckModel(BaseModel):
    """The model of a check, as it was."""

    id: str
    name: str
    subject: str
    checksum: str


class Counts(BaseModel):
    """Beans by verdict."""

    OK: int
    NG: int
    CUT: int


class CorrectionCounts(BaseModel):
    """Numbers of corrections."""

    fine: int
    bad: int


class CorrectedOut(BaseModel):
    """Numbers and shares after the corrections."""

    OK: int
    NG: int
    ng_share: float | None
    ng_area_share: float | None


class CheckSummary(BaseModel):
    """A check without its beans."""

    id: str
    batch: str
    state: State
    created: str
    finished: str | None
    photo: CheckPhoto
    model: CheckModel
    method: Method
    lot: str
    note: str
    reviewed: bool
    false_reject: float
    empty: bool
    counts: Counts
    ng_share: float | None
    ng_area_share: float | None
    corrections: CorrectionCounts
    corrected: CorrectedOut
    error: Problem | None
    station: str


class VerdictOut(BaseModel):
    """The verdict on one bean."""

    bean: int
    verdict: Mark
    p_value: float | None
    score: float | None
    residual: float | None
    discrimination: float | None
    box: BoxOut
    angle: float
    area: float
    outline: list[tuple[float, float]]
    reason: str
    why: Why | None = None
    parts: dict[str, float]
    correction: Said | None


class CheckOut(CheckSummary):
    """A check with its beans."""

    warnings: list[str]
    calibration_subjects: int
    least_rate: float
    upper_bound: float
    rates: list[RateOut]
    verdicts: list[VerdictOut]


class CheckPage(BaseModel):
    """Some checks, newest first."""

    total: int
    checks: list[CheckSummary]


class FailedPhoto(BaseModel):
    """A photo of a batch that could not be recorded."""

    photo: str
    error: Problem


class BatchOut(BaseModel):
    """What became of a batch."""

    batch: str
    checks: list[CheckSummary]
    failures: list[FailedPhoto]


class LotOut(BaseModel):
    """One lot: all its finished checks together."""

    lot: str
    checks: int
    first: str
    last: str
    counts: Counts
    ng_share: float | None
    ng_area_share: float | None
    corrected: CorrectedOut


class LotPage(BaseModel):
    """Lots by their first check."""

    lots: list[LotOut]


class QueueOut(BaseModel):
    """Checks that wait."""

    waiting: int
    limit: int
    workers: int


class TrainingsOut(BaseModel):
    """Trainings that are not over."""

    queued: int
    running: int


class HealthOut(BaseModel):
    """How the server is; the later fields only for those who may ask."""

    status: Literal["ok", "degraded"]
    version: str
    database: str | None = None
    database_ok: bool | None = None
    free_bytes: int | None = None
    queue: QueueOut | None = None
    trainings: TrainingsOut | None = None


class ConfigOut(BaseModel):
    """What the page needs to know of the server."""

    version: str
    station: str
    limits: dict[str, int]
    accepts: list[str]
    recipes: list[str]
    token_needed: bool
