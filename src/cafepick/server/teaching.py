"""The process that teaches or calibrates one model: ``python -m cafepick.server.teaching FOLDER``.

It needs no server to go on.

FOLDER/lesson.json    what to learn (written by the server before the start)
FOLDER/taught.cafepick
                      where a model is calibrated: that model, as it was
FOLDER/worker.lock    held while this process lives
FOLDER/progress.json  how far it is, replaced twice a second at most
FOLDER/stop           made by the server: save a checkpoint and leave
FOLDER/run/           checkpoints, samples, curves: the run folder of ``cafepick train``
FOLDER/model.cafepick and then FOLDER/result.json, when it is over
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cafepick.server.lock import hold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cafepick.data.sources import Source
    from cafepick.jobs.gather import Failure
    from cafepick.jobs.teach import Lesson, Taught

LOGGER: Final = logging.getLogger(__name__)

TAUGHT: Final = "taught.cafepick"
SECONDS_BETWEEN: Final = 0.5
NICENESS: Final = 5
"""Checks at the sorting table go before training."""
STAGES: Final = {
    "looking for sheets": "finding",
    "finding beans": "finding",
    "cutting crops": "cutting",
    "training": "training",
    "training the encoder": "encoding",
    "learning the appearance": "appearance",
    "joining the parts": "joining",
    "calibrating": "calibrating",
}
"""Stage of ``jobs.teach`` -> word of the API."""
NO_WORD: Final = "the API has no word for this stage"
RESUMABLE: Final = frozenset({"training", "encoding"})
"""Stages that stop by themselves, after a checkpoint."""


class _StoppedError(Exception):
    """The server asked to stop where no checkpoint can be taken."""


@dataclass
class Told:
    """Writes how far the work is, and notices when it shall stop."""

    folder: Path
    stage: str = "starting"
    began: float = 0.0
    first: int = 0
    written: float = 0.0
    rate: float | None = field(default=None)

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Take a report of ``jobs.teach``; a stage without a word of its own counts as the one before it."""
        if stage not in STAGES:
            LOGGER.warning("%s: %s", NO_WORD, stage)
        moment, stage = time.monotonic(), STAGES.get(stage, self.stage)
        if stage != self.stage:
            self.stage, self.began, self.first, self.written = stage, moment, done, 0.0
        if moment - self.written < SECONDS_BETWEEN and done < total:
            return
        self.written = moment
        seconds = moment - self.began
        rate = (done - self.first) / seconds if done > self.first and seconds > 0 else None
        self.write(stage, done, total, rate, (total - done) / rate if rate else None)
        if stage not in RESUMABLE and self.stopping():
            raise _StoppedError

    def write(self, stage: str, step: int, steps: int, rate: float | None = None, left: float | None = None) -> None:
        """Replace ``progress.json``; a full disk must not end a training."""
        content = {"stage": stage, "step": step, "steps": steps, "rate": rate, "seconds_left": left, "pid": os.getpid()}
        temporary = self.folder / ".progress.json"
        with suppress(OSError):
            temporary.write_text(json.dumps(content), encoding="utf-8")
            temporary.replace(self.folder / "progress.json")

    def stopping(self) -> bool:
        """Tell whether the server asked to stop."""
        return (self.folder / "stop").exists()


def main(folder: Path) -> int:
    """Teach, or go on teaching; return the exit status."""
    lock = hold(folder / "worker.lock")
    if lock is None:
        return 0  # another process is at it
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    if (folder / "result.json").exists():
        return 0
    told = Told(folder)
    told.write("starting", 0, 0)
    from cafepick.errors import CafepickError  # noqa: PLC0415 - the lock comes before anything slow
    from cafepick.files import write_json  # noqa: PLC0415

    try:
        facts = _calibrate(folder, told) if _wish(folder).get("model") else _teach(folder, told)
    except _StoppedError:
        return 0
    except CafepickError as error:
        write_json(folder / "result.json", {"state": "failed", "error": str(error)})
        return 1
    if facts is not None:
        told.write("saving", facts["steps"], facts["steps"])
        write_json(folder / "result.json", {"state": "done", **facts})
    return 0


def _calibrate(folder: Path, told: Told) -> dict[str, Any]:
    """Calibrate what lies in ``TAUGHT``; it is quick, so an interrupted one begins anew."""
    from cafepick.detector import Detector  # noqa: PLC0415
    from cafepick.jobs.calibrate import AGAIN, calibrate_on, knows_other_light  # noqa: PLC0415
    from cafepick.server.problems import called  # noqa: PLC0415

    wish = _wish(folder)
    with called("the model", folder / TAUGHT):
        detector = Detector.load(folder / TAUGHT, device=wish["device"])
    ready, subjects = calibrate_on(detector, _photos(folder, wish), where="the photos given", progress=told)
    ready.save(folder / "model.cafepick")
    record = ready.facts["calibration"]
    return {
        "steps": 0,
        "subjects": None,
        "held_back": record["subjects"],
        "shown_again": record.get(AGAIN, 0),
        "knows_light": knows_other_light(ready),
        "skipped": _skipped(subjects.failures, subjects.empty),
    }


def _teach(folder: Path, told: Told) -> dict[str, Any] | None:
    """Return what came of the lesson; None where it was stopped."""
    taught = _taught(folder, told)
    if not taught.finished:
        return None
    return {
        "steps": taught.steps,
        "subjects": taught.subjects,
        "held_back": taught.held_back,
        "alone": len(taught.alone),
        "skipped": _skipped(taught.failures, taught.empty),
        "oddest": [
            {"photo": odd.image, "box": odd.place.box._asdict(), "why": asdict(odd.why)} for odd in taught.oddest
        ],
    }


def _taught(folder: Path, told: Told) -> Taught:
    from cafepick.errors import CheckpointError  # noqa: PLC0415
    from cafepick.jobs.teach import teach  # noqa: PLC0415

    lesson = _lesson(folder)
    try:
        return teach(lesson, progress=told, stopping=told.stopping)
    except CheckpointError as error:
        if not lesson.resume:
            raise
        LOGGER.warning("the checkpoint cannot be used, training begins anew: %s", error)
        (folder / "run" / "checkpoint.safetensors").unlink(missing_ok=True)
        return teach(_lesson(folder), progress=told, stopping=told.stopping)


def _wish(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "lesson.json").read_text(encoding="utf-8"))


def _photos(folder: Path, wish: dict[str, Any]) -> Source:
    """Return the photos of a wish, with the outlines of the beans that are left of each."""
    import numpy as np  # noqa: PLC0415

    from cafepick.data.sources import Source  # noqa: PLC0415
    from cafepick.types import Item  # noqa: PLC0415

    items = tuple(
        Item(
            Path(photo["path"]),
            photo["id"],
            outlines=None
            if photo["outlines"] is None
            else tuple(np.array(outline, np.float32).reshape(-1, 2) for outline in photo["outlines"]),
        )
        for photo in wish["photos"]
    )
    return Source("folder", folder, items)


def _lesson(folder: Path) -> Lesson:
    """Read ``lesson.json``; a checkpoint that lies there is taken up."""
    from cafepick.jobs.teach import Lesson, crop_config  # noqa: PLC0415
    from cafepick.training.checkpoint import has_checkpoint  # noqa: PLC0415

    wish = _wish(folder)
    source = _photos(folder, wish)
    crop = crop_config(source, subject=wish["subject"], size=wish["size"], channels=3, centre=None)
    return Lesson(
        source=source,
        model=folder / "model.cafepick",
        run=folder / "run",
        crop=crop,
        recipe=recipe_of(wish),
        recipe_name=wish["recipe"],
        hold_back=wish["hold_back"],
        seed=wish["seed"],
        device=wish["device"],
        resume=has_checkpoint(folder / "run"),
    )


def recipe_of(wish: dict[str, Any]) -> Any:
    """Return the recipe that a wish names, with its steps and settings.

    Raises:
        ConfigError: a setting is unknown or out of range.
    """
    from cafepick.config import merge_settings, named_recipe  # noqa: PLC0415

    recipe = named_recipe(wish["recipe"], size=wish["size"], channels=3, subject=wish["subject"])
    recipe = merge_settings(recipe, wish["settings"])
    return recipe if wish["steps"] is None else recipe.lasting(wish["steps"])


def _skipped(failures: Sequence[Failure], empty: Sequence[str]) -> list[dict[str, str]]:
    return [
        *({"photo": failure.name, "reason": failure.reason} for failure in failures),
        *({"photo": name, "reason": "no whole bean was found"} for name in empty),
    ]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
