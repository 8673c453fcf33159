"""Trainings: wished, started as processes of their own, watched, taken up again after any crash.

queued --one at a time--> running --result.json--> done | failed        cancel: ``stop`` file, then the process ends
A process holds ``worker.lock``. A running training whose lock is free has died, and is started anew.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from sqlalchemy import func, select, update
from sqlalchemy.exc import SQLAlchemyError

from cafepick.errors import CafepickError
from cafepick.files import copy_file, make_folder, write_json, write_text
from cafepick.jobs.match import match_outlines
from cafepick.server.clock import now
from cafepick.server.lock import is_held
from cafepick.server.models import Models
from cafepick.server.photos import Photos
from cafepick.server.problems import ApiError
from cafepick.server.schemas import OddBean, TrainingOut, TrainingWish
from cafepick.server.store.engine import Store
from cafepick.server.store.tables import Photo, Training, TrainingPhoto
from cafepick.server.teaching import TAUGHT, recipe_of
from cafepick.server.vault import Vault

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sqlalchemy.orm import Session

LOGGER: Final = logging.getLogger(__name__)

LOOK_EVERY: Final = 0.5
ATTEMPTS: Final = 3
"""Starts without a step of progress before a training is given up."""
GRACE: Final = 30.0
"""Seconds that a cancelled training has to stop by itself."""
_DATA: Final = "\0"
"""Stands for the data folder, whose path may have spaces in it."""
_PHOTO: Final = re.compile(r"(?:\0\S*?)?([0-9a-f]{64})(?:\.\w+)?")
"""A photo's id, and where it lies, which is nobody's business."""
OVER: Final = ("done", "failed", "cancelled")


class Trainer:
    """The trainings of a station; a thread watches the one that runs."""

    def __init__(self, store: Store, vault: Vault, photos: Photos, models: Models, *, device: str) -> None:
        self._store, self._vault, self._photos, self._models, self._device = store, vault, photos, models, device
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._cancelled: dict[str, float] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="trainer", daemon=True)

    def start(self) -> None:
        """Begin to watch; unfinished trainings of an earlier server are taken up, their failures forgiven."""
        with self._store.writing() as session:
            mine = update(Training).where(Training.station == self._vault.station, Training.state == "running")
            session.execute(mine.values(attempts=0))
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Ask the running training to save a checkpoint; it stays recorded as running, for the next start."""
        self._stopping.set()
        self._thread.join(seconds)
        running = [one for one in self._mine("running") if self._alive(one)]
        for training in running:
            write_text(self._vault.training(training) / "stop", "the server stops\n")
        deadline = time.monotonic() + seconds
        while any(self._alive(one) for one in running) and time.monotonic() < deadline:
            time.sleep(0.1)

    # What clients ask

    def wish(self, wish: TrainingWish) -> TrainingOut:
        """Record a training.

        Raises:
            ApiError: a photo is unknown or twice there, or nothing is left of it; the model to calibrate is unknown or
                lies at another station.
            ConfigError: a setting is unknown or out of range.
        """
        plain = wish.model_dump()
        steps = recipe_of(plain).gan.steps if wish.model is None else 0
        taught = None if wish.model is None else self._models.path(wish.model)
        if wish.model is not None:
            plain |= self._models.as_taught(wish.model)
        ids = [photo.id for photo in wish.photos]
        if len(set(ids)) < len(ids):
            raise ApiError(422, "invalid", "a photo is named twice: name each photo once")
        for digest in ids:
            self._photos.path(self._photos.get(digest))
        training = Training(
            id=secrets.token_hex(16),
            name=wish.name,
            state="queued",
            created=now(),
            wish=plain,
            progress={"stage": "waiting", "step": 0, "steps": steps},
            attempts=0,
            station=self._vault.station,
        )
        folder = self._vault.training(training.id)
        try:
            if taught is not None:
                copy_file(taught, folder / TAUGHT)  # from now on the model may be deleted
            with self._store.writing() as session:
                session.add(training)
                session.flush()
                session.add_all(TrainingPhoto(training_id=training.id, photo_id=digest) for digest in ids)
        except BaseException:
            self._vault.remove(folder)
            raise
        return self.get(training.id)

    def get(self, training: str) -> TrainingOut:
        """Return a training and how far it is.

        Raises:
            ApiError: there is none.
        """
        with self._store.reading() as session:
            return self._out(_found(session, training))

    def page(self, state: str | None, limit: int, offset: int) -> tuple[int, list[TrainingOut]]:
        """Return the number of trainings and some of them, newest first."""
        wanted = [] if state is None else [Training.state == state]
        with self._store.reading() as session:
            total = session.scalar(select(func.count()).select_from(Training).where(*wanted)) or 0
            newest = select(Training).where(*wanted).order_by(Training.created.desc(), Training.id)
            return total, [self._out(one) for one in session.scalars(newest.limit(limit).offset(offset))]

    def cancel(self, training: str) -> TrainingOut:
        """Ask a training to stop for good.

        Raises:
            ApiError: there is none, it is over, or another station runs it.
        """
        with self._store.writing() as session:
            found = _found(session, training, locked=True)
            if found.state in OVER:
                raise ApiError(409, "already_over", f"the training is {found.state} already")
            if found.station != self._vault.station:
                raise ApiError(404, "elsewhere", "another station runs this training: cancel it there")
            found.wish = {**found.wish, "cancelled": True}
            if found.state == "queued":
                found.state, found.finished = "cancelled", now()
        make_folder(self._vault.training(training))
        write_text(self._vault.training(training) / "stop", "cancelled\n")
        return self.get(training)

    def delete(self, training: str) -> None:
        """Forget a training and its run folder; its model stays.

        Raises:
            ApiError: there is none, or it is not over.
        """
        found = self.get(training)
        if found.state not in OVER:
            raise ApiError(409, "in_use", "the training is not over: cancel it first")
        with self._store.writing() as session:
            session.delete(session.get_one(Training, training))
        self._vault.remove(self._vault.training(training))

    def sample(self, training: str, step: int) -> Path:
        """Return the sample grid of a step.

        Raises:
            ApiError: there is none.
        """
        return self._picture(training, Path("samples") / f"step_{step:06d}.png")

    def curves(self, training: str) -> Path:
        """Return the picture of losses and accuracies.

        Raises:
            ApiError: there is none yet.
        """
        return self._picture(training, Path("curves.png"))

    def oddest(self, training: str) -> list[OddBean]:
        """Return the good beans of a training that are least like the others, the oddest first.

        Raises:
            ApiError: there is no such training.
        """
        wish, progress = self._recorded(training)
        odd = progress.get("oddest", [])
        names = self._names({one["photo"] for one in odd})
        return [
            OddBean(
                photo=one["photo"],
                name=names.get(one["photo"], ""),
                bean=1 if wish["subject"] == "whole" else self._bean_at(one["photo"], one["box"]),
                box=one["box"],
                why=one["why"],
            )
            for one in odd
        ]

    def wished(self, training: str) -> TrainingWish:
        """Return what a training was asked for with.

        Raises:
            ApiError: there is no such training.
        """
        wish, _ = self._recorded(training)
        asked = ("name", "photos", "model") if wish.get("model") else TrainingWish.model_fields
        return TrainingWish.model_validate({name: wish[name] for name in asked})

    def numbers(self) -> dict[str, int]:
        """Return how many trainings wait and run."""
        with self._store.reading() as session:
            rows = session.execute(select(Training.state, func.count()).group_by(Training.state)).all()
        found = {state: number for state, number in rows}  # noqa: C416 - rows are no pairs to pyright
        return {"queued": found.get("queued", 0), "running": found.get("running", 0)}

    def _recorded(self, training: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return wish and progress of a training."""
        with self._store.reading() as session:
            row = _found(session, training)
            return row.wish, row.progress

    def _bean_at(self, photo: str, box: dict[str, float]) -> int | None:
        """Return the number that clients know a bean by: a training numbers those that were left to it."""
        beans = self._photos.beans(photo)
        pairs = match_outlines([_corners(box)], [_corners(bean["box"]) for bean in beans])
        return beans[pairs[0].annotated]["bean"] if pairs else None

    def _picture(self, training: str, name: Path) -> Path:
        self.get(training)
        path = self._vault.training(training) / "run" / name
        if not path.is_file():
            raise ApiError(404, "not_found", "there is no such picture: it comes with the first checkpoint")
        return path

    # What the thread does

    def _watch(self) -> None:
        while not self._stopping.wait(LOOK_EVERY):
            self._survive()

    def _survive(self) -> None:
        try:
            self._look()
        except SQLAlchemyError as error:
            LOGGER.warning("the database does not answer: %s", str(error).splitlines()[0])
        except Exception:
            LOGGER.exception("watching the trainings failed; it goes on")

    def _look(self) -> None:
        running = self._mine("running")
        for training in running:
            if not self._alive(training):
                self._after(training)
            elif training in self._cancelled or self._is_cancelled(training):
                self._press(training)
        if not running and (waiting := self._mine("queued")):
            self._launch(waiting[0])

    def _mine(self, state: str) -> list[str]:
        mine = select(Training.id).where(Training.station == self._vault.station, Training.state == state)
        with self._store.reading() as session:
            return list(session.scalars(mine.order_by(Training.created)))

    def _alive(self, training: str) -> bool:
        process = self._processes.get(training)
        if process is not None and process.poll() is None:
            return True
        return is_held(self._vault.training(training) / "worker.lock")

    def _is_cancelled(self, training: str) -> bool:
        with self._store.reading() as session:
            return bool(session.get_one(Training, training).wish.get("cancelled"))

    def _press(self, training: str) -> None:
        """End a cancelled process that does not stop by itself, if it is a child of this server."""
        since = self._cancelled.setdefault(training, time.monotonic())
        write_text(self._vault.training(training) / "stop", "cancelled\n")  # again: a start may have removed it
        process = self._processes.get(training)
        if time.monotonic() - since > GRACE and process is not None:
            process.kill()

    def _after(self, training: str) -> None:
        """Decide what becomes of a training whose process is gone."""
        self._processes.pop(training, None)
        result = _read(self._vault.training(training) / "result.json")
        if result is not None and result.get("state") == "done":
            self._register(training, result)
        elif result is not None:
            self._fail(training, str(result.get("error")))
        elif self._is_cancelled(training):
            self._close(training, "cancelled", None)
        else:
            self._launch(training)

    def _launch(self, training: str) -> None:
        """Start or resume the process of a training."""
        try:
            attempts = self._prepare(training)
        except CafepickError as error:
            self._fail(training, str(error))
            return
        folder = self._vault.training(training)
        if attempts > ATTEMPTS:
            self._fail(training, f"it ended {ATTEMPTS} times without getting further: {_tail(folder / 'worker.log')}")
            return
        (folder / "stop").unlink(missing_ok=True)
        with (folder / "worker.log").open("ab") as log:
            self._processes[training] = subprocess.Popen(  # noqa: S603 - our own module, a folder that we named
                [sys.executable, "-m", "cafepick.server.teaching", str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # it outlives the server, and Ctrl-C in its terminal
            )

    def _prepare(self, training: str) -> int:
        """Write the lesson where it is not there yet; return how often the training was started without progress."""
        folder = self._vault.training(training)
        with self._store.reading() as session:
            wish = session.get_one(Training, training).wish
        if not (folder / "lesson.json").is_file():
            make_folder(folder)
            photos = [self._lesson_photo(photo) for photo in wish["photos"]]
            photos = [photo for photo in photos if photo["outlines"] != []] or photos  # nothing is left of the others
            write_json(folder / "lesson.json", {**wish, "photos": photos, "device": self._device})
        reached = self._reached(training)
        with self._store.writing() as session:
            row = session.get_one(Training, training)
            further = (reached.get("stage"), reached.get("step", 0)) != (
                row.progress.get("stage"),
                row.progress.get("step"),
            )
            goes_on = further and not wish.get("model")  # a calibration begins anew each time
            row.attempts = 1 if goes_on or row.state == "queued" else row.attempts + 1
            row.progress = {**row.progress, **reached}
            row.state, row.started = "running", row.started or now()
            return row.attempts

    def _lesson_photo(self, photo: dict[str, Any]) -> dict[str, Any]:
        """Return where a photo lies and, where beans were unticked, the outlines of the others."""
        path = self._photos.path(self._photos.get(photo["id"]))
        outlines = None
        if photo["unticked"]:
            left_out = set(photo["unticked"])
            outlines = [bean["outline"] for bean in self._photos.beans(photo["id"]) if bean["bean"] not in left_out]
        return {"id": photo["id"], "path": str(path), "outlines": outlines}

    def _fail(self, training: str, said: str) -> None:
        """End a training or calibration for good, saying why in words that a client knows."""
        with self._store.reading() as session:
            calibrates = session.get_one(Training, training).wish.get("model")
        said = self._with_names(said.replace(str(self._vault.training(training)), "the photos"))
        code = "calibration_failed" if calibrates else "training_failed"
        self._close(training, "failed", {"code": code, "message": said})

    def _with_names(self, said: str) -> str:
        """Return what is said of photos with the names that clients gave them."""
        said = said.replace(str(self._vault.folder), _DATA)
        names = self._names({found[1] for found in _PHOTO.finditer(said)})
        said = _PHOTO.sub(lambda found: names.get(found[1]) or "the photo", said)
        return said.replace(_DATA, "the data folder")

    def _names(self, ids: set[str]) -> dict[str, str]:
        if not ids:
            return {}
        with self._store.reading() as session:
            rows = session.execute(select(Photo.id, Photo.name).where(Photo.id.in_(ids))).all()
        return {digest: name for digest, name in rows}  # noqa: C416 - rows are no pairs to pyright

    def _register(self, training: str, result: dict[str, Any]) -> None:
        """Give the model its place and its entry; each step may have been done by an earlier server."""
        made, place = self._vault.training(training) / "model.cafepick", self._vault.model(training)
        if made.is_file():
            self._vault.keep(made, place)
        with self._store.reading() as session:
            name = session.get_one(Training, training).name
        self._models.enter(training, name, training=training)
        self._close(training, "done", None, result)

    def _close(
        self, training: str, state: str, error: dict[str, str] | None, result: dict[str, Any] | None = None
    ) -> None:
        reached = self._reached(training)
        self._cancelled.pop(training, None)
        (self._vault.training(training) / TAUGHT).unlink(missing_ok=True)
        with self._store.writing() as session:
            row = session.get_one(Training, training)
            row.state, row.finished, row.error = state, now(), error
            row.model_id = training if state == "done" else None
            row.progress = {**row.progress, **reached, **(result or {}), "stage": "over"}

    def _reached(self, training: str) -> dict[str, Any]:
        """Return what the process of a training told last; a process that just starts knows of no steps yet."""
        told = _read(self._vault.training(training) / "progress.json") or {}
        return told if told.get("steps") else {name: value for name, value in told.items() if name != "steps"}

    def _out(self, row: Training) -> TrainingOut:
        folder, wish = self._vault.training(row.id), row.wish
        progress = dict(row.progress)
        if row.state == "running":
            progress |= self._reached(row.id)
        samples = sorted(int(path.stem[5:]) for path in (folder / "run" / "samples").glob("step_*.png"))
        going = row.state == "running"
        return TrainingOut(
            id=row.id,
            name=row.name,
            state=row.state,  # type: ignore[arg-type]
            stage=progress["stage"] if row.state not in OVER else "over",
            step=progress["step"],
            steps=progress["steps"],
            rate=progress.get("rate") if going else None,
            seconds_left=progress.get("seconds_left") if going else None,
            sample=f"/api/v1/trainings/{row.id}/samples/{samples[-1]}" if samples else None,
            samples=samples,
            photos=len(wish["photos"]),
            unticked=sum(len(photo["unticked"]) for photo in wish["photos"]),
            **{name: wish[name] for name in ("subject", "recipe", "size", "seed")},
            calibrates=wish.get("model"),
            created=row.created,
            started=row.started,
            finished=row.finished,
            subjects=progress.get("subjects"),
            held_back=progress.get("held_back"),
            alone=progress.get("alone"),
            shown_again=progress.get("shown_again"),
            knows_light=progress.get("knows_light"),
            skipped=self._skipped(progress.get("skipped", ())),
            model=row.model_id,
            error=row.error,
        )

    def _skipped(self, skipped: Any) -> Any:
        """Return skipped photos with the names that clients gave them."""
        names = self._names({one["photo"] for one in skipped})
        return [
            {"photo": one["photo"], "name": names.get(one["photo"], ""), "reason": self._with_names(one["reason"])}
            for one in skipped
        ]


def _read(path: Path) -> dict[str, Any] | None:
    """Read a JSON file that another process replaces; None where there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _corners(box: dict[str, float]) -> NDArray[np.float32]:
    """Return a box as an outline (4, 2)."""
    left, top, right, bottom = box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32)


def _found(session: Session, training: str, *, locked: bool = False) -> Training:
    """Look a training up.

    Raises:
        ApiError: there is none.
    """
    found = session.get(Training, training, with_for_update=locked or None)
    if found is None:
        raise ApiError(404, "no_such_training", "there is no such training: it may have been deleted")
    return found


def _tail(path: Path) -> str:
    """Return the last line of a log."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1][:300] if lines else "its log says nothing"
