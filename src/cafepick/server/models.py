"""Models: those taught here and those taken in."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any, get_args

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from cafepick import __version__
from cafepick.artefact import Artefact, load_artefact
from cafepick.config import Method
from cafepick.detector import check_descriptors
from cafepick.errors import ArtefactError
from cafepick.jobs.seen import without_prints
from cafepick.report import write_report
from cafepick.report.words import Language
from cafepick.scoring.omissions import Omission
from cafepick.server.clock import now
from cafepick.server.marks import Promises
from cafepick.server.problems import ApiError, called
from cafepick.server.schemas import ModelOut
from cafepick.server.store.engine import Store
from cafepick.server.store.tables import Check, Model
from cafepick.server.vault import Received, Vault


class Models:
    """The models that all stations know, and the files of this one."""

    def __init__(self, store: Store, vault: Vault) -> None:
        self._store, self._vault = store, vault

    def get(self, model: str) -> ModelOut:
        """Return a model.

        Raises:
            ApiError: there is none.
        """
        with self._store.reading() as session:
            found = session.get(Model, model)
            if found is None:
                raise ApiError(404, "no_such_model", "there is no such model: it may have been deleted, choose another")
            return self._out(found)

    def all(self) -> list[ModelOut]:
        """Return all models, newest first."""
        with self._store.reading() as session:
            return [self._out(model) for model in session.scalars(select(Model).order_by(Model.created.desc()))]

    def method(self, model: str, wished: str) -> tuple[str, int]:
        """Return the method that a wish means, and the number of good subjects that set its threshold.

        Args:
            model: its id.
            wished: a method, or ``auto`` for the quickest that the model knows.

        Raises:
            ApiError: there is no such model, or it does not know the method.
        """
        found = self.get(model)
        with self._store.reading() as session:
            known = session.get_one(Model, model).methods
        method = found.methods[0] if wished == "auto" else wished
        if method not in known:
            raise ApiError(
                422, "invalid", f"{found.name} knows the method {' and '.join(found.methods)} only, not {method}"
            )
        return method, known[method]

    def path(self, model: str) -> Path:
        """Return where the file lies.

        Raises:
            ApiError: there is no such model, or another station has its file.
        """
        found = self.get(model)
        path = self._vault.model(model)
        if not path.is_file():
            raise ApiError(404, "elsewhere", f"the file of {found.name} lies at another station: bring it here first")
        return path

    def as_taught(self, model: str) -> dict[str, Any]:
        """Return what a training's wish would say of how the model was taught: subject, recipe, size and seed.

        Raises:
            ApiError: there is no such model.
        """
        found = self.get(model)
        recipe, seed = (found.training.get(name) for name in ("recipe", "seed"))  # of a file from anywhere
        return {
            "subject": found.subject,
            "recipe": recipe if isinstance(recipe, str) else "standard",
            "size": found.size,
            "seed": seed if isinstance(seed, int) else 0,
        }

    def take_in(self, upload: Received, name: str) -> tuple[ModelOut, bool]:
        """Keep an uploaded model file; tell whether it is new. The upload is gone afterwards.

        Raises:
            ApiError: it is no model that can judge.
        """
        try:
            artefact = _loaded(upload.path)
            known = self._by_checksum(artefact.checksum)
            model = secrets.token_hex(16) if known is None else known
            self._vault.keep(upload.path, self._vault.model(model))
        finally:
            upload.path.unlink(missing_ok=True)
        if known is not None:
            return self.get(known), False
        return self.enter(model, name or "model", artefact), True

    def enter(self, model: str, name: str, artefact: Artefact | None = None, training: str | None = None) -> ModelOut:
        """Record a model whose file is in its place; a second time changes nothing."""
        artefact = artefact or load_artefact(self._vault.model(model))
        crop, facts, methods = artefact.header["crop"], artefact.header.get("training", {}), methods_of(artefact)
        row = Model(
            id=model,
            name=name,
            created=now(),
            bytes=self._vault.model(model).stat().st_size,
            checksum=artefact.checksum,
            subject=crop["subject"],
            size=crop["size"],
            channels=crop["channels"],
            calibration_subjects=next(iter(methods.values())),
            methods=methods,
            facts={key: value for key, value in facts.items() if key != "source"},  # a path of this computer
            training_id=training,
            station=self._vault.station,
        )
        try:
            with self._store.writing() as session:
                session.add(row)
        except IntegrityError:
            return self.get(model)
        return self._out(row)

    def rename(self, model: str, name: str) -> ModelOut:
        """Give a model another name.

        Raises:
            ApiError: there is none.
        """
        self.get(model)
        with self._store.writing() as session:
            session.get_one(Model, model).name = name
        return self.get(model)

    def delete(self, model: str) -> None:
        """Forget a model; its checks stay.

        Raises:
            ApiError: there is none, or checks wait for it.
        """
        found = self.get(model)
        waiting = select(func.count()).where(Check.model_id == model, Check.state.in_(("queued", "running")))
        with self._store.writing() as session:
            if count := session.scalar(waiting):
                raise ApiError(409, "in_use", f"{count} checks wait for {found.name}: delete it when they are done")
            session.delete(session.get_one(Model, model))
        self._vault.remove(self._vault.model(model))

    def report(self, model: str, language: Language) -> str:
        """Return the report of a model's training as HTML.

        Raises:
            ApiError: there is no such model, or another station has it.
            ArtefactError: the stored file is damaged.
        """
        path, found = self.path(model), self.get(model)
        with called(found.name, path):
            header = load_artefact(path).header
        curves = self._vault.training(found.training_id) / "run" / "curves.png" if found.training_id else None
        metrics: dict[str, Any] = {
            "schema": 2,
            "cafepick": __version__,
            "source": found.name,
            "model": found.checksum,
            "date": found.created,
            "subject": found.subject,
            "training": without_prints(found.training),
            "calibration": without_prints(header.get("calibration", {})),
            "versions": header.get("versions", {}),
            "calibration_subjects": found.calibration_subjects,
            "omitted": [Omission("found", "only_taught").as_json()],
        }
        has_curves = curves is not None and curves.is_file()
        out = self._vault.temporary(".html")
        try:
            write_report(out, metrics, (), (), language=language, training_curves=curves if has_curves else None)
            return out.read_text(encoding="utf-8")
        finally:
            out.unlink(missing_ok=True)

    def _by_checksum(self, checksum: str) -> str | None:
        with self._store.reading() as session:
            return session.scalar(select(Model.id).where(Model.checksum == checksum).limit(1))

    def _out(self, model: Model) -> ModelOut:
        promises = Promises(model.calibration_subjects)
        columns = ("id", "name", "created", "bytes", "checksum", "subject", "size", "channels", "training_id")
        return ModelOut(
            **{column: getattr(model, column) for column in columns},
            methods=[method for method in get_args(Method) if method in model.methods],
            calibration_subjects=model.calibration_subjects,
            least_rate=promises.least,
            usual_rate=promises.usual,
            rates=promises.rates(),  # type: ignore[arg-type]
            training=model.facts,
            here=self._vault.model(model.id).is_file(),
        )


def methods_of(artefact: Artefact) -> dict[str, int]:
    """Return the methods that have a threshold, the quickest first, and how many good subjects set it."""
    counts = {
        method: len(artefact.tensors.get(f"{'' if method == 'exact' else f'{method}.'}calibration.scores", ()))
        for method in get_args(Method)
    }
    return {method: count for method, count in counts.items() if count}


def _loaded(path: Path) -> Artefact:
    """Read an uploaded model strictly.

    Raises:
        ApiError: it is none, or it has no calibration.
    """
    try:
        with called("the file", path):
            artefact = load_artefact(path)
            check_descriptors(path, artefact)
        crop = artefact.header["crop"]
        plain = isinstance(crop["subject"], str) and isinstance(crop["size"], int) and isinstance(crop["channels"], int)
        if not plain or not methods_of(artefact):
            raise ApiError(415, "wrong_type", "the file has no calibration: run  cafepick calibrate  and send it again")
    except ArtefactError as error:
        raise ApiError(415, "wrong_type", str(error)) from error
    except (KeyError, TypeError) as error:
        raise ApiError(415, "wrong_type", f"the file lacks {error}: train the model anew and send it again") from error
    return artefact
