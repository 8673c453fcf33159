"""What a training run leaves to look at: ``log.csv``, ``curves.png``, sample grids, TensorBoard events."""

from __future__ import annotations

import csv
from dataclasses import astuple, fields
from typing import TYPE_CHECKING, Any, TypeVar

from cafepick.draw import curves, sample_grid
from cafepick.errors import CheckpointError, MissingExtraError
from cafepick.files import write_csv
from cafepick.images import write_image
from cafepick.training.gan import StepRecord

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

Record = TypeVar("Record")

NAMES = tuple(field.name for field in fields(StepRecord))


class RunLog:
    """Collects the step records of a run; ``flush`` writes them, whole, before a checkpoint of the same step."""

    def __init__(self, folder: Path, *, samples: Path | None = None, tensorboard: bool = False) -> None:
        self.folder = folder
        self.samples = samples or folder / "samples"
        self.records: list[StepRecord] = []
        self._writer = _tensorboard_writer(folder) if tensorboard else None

    def take_up(self, step: int) -> None:
        """Read back the records of an interrupted run up to ``step``; later ones will come anew."""
        self.records = read_records(self.folder / "log.csv", StepRecord, up_to=step)

    def add(self, record: StepRecord) -> None:
        """Keep one step."""
        self.records.append(record)
        if self._writer is not None:
            for name, value in zip(NAMES[1:], astuple(record)[1:], strict=True):
                self._writer.add_scalar(name, value, record.step)

    def flush(self, images: NDArray[np.uint8]) -> None:
        """Write the log, the curves and a grid of generated ``images`` (n, size, size, c), always from the same z."""
        write_csv(self.folder / "log.csv", NAMES, [astuple(record) for record in self.records])
        write_image(self.folder / "curves.png", curves(self.records))
        if self.records:
            write_image(self.samples / f"step_{self.records[-1].step:06d}.png", sample_grid(images))
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Close the TensorBoard file."""
        if self._writer is not None:
            self._writer.close()


def read_records(path: Path, kind: type[Record], *, up_to: int) -> list[Record]:
    """Read back what an interrupted stage wrote of its steps, as far as ``up_to``; later ones will come anew.

    Args:
        path: a table with a column for each field; none is an empty one.
        kind: of the records: a step and numbers.
        up_to: the last step wanted.

    Raises:
        CheckpointError: it is no such table.
    """
    if not path.is_file():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            rows = [(int(row["step"]), row) for row in csv.DictReader(lines)]
        numbers = [field.name for field in fields(kind)[1:]]  # type: ignore[arg-type]
        return [kind(step, *(float(row[name]) for name in numbers)) for step, row in rows if step <= up_to]  # type: ignore[call-arg]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged ({error!r}): delete it, and the curves begin anew") from error


def _tensorboard_writer(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - optional
    except ImportError as error:
        raise MissingExtraError("tensorboard", "tensorboard") from error
    return SummaryWriter(str(folder / "tensorboard"))
