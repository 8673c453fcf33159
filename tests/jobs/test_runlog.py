"""What a run wrote of its steps is read back as far as it is to go on."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

import pytest

from cafepick.errors import CheckpointError
from cafepick.files import write_csv
from cafepick.jobs.runlog import NAMES, read_records
from cafepick.training.gan import StepRecord


def record(step: int) -> StepRecord:
    return StepRecord(step, *(0.1 * step + number for number in range(len(NAMES) - 1)))


def test_records_come_back_up_to_the_step(tmp_path: Path) -> None:
    write_csv(tmp_path / "log.csv", NAMES, [astuple(record(step)) for step in (1, 2, 3)])
    assert read_records(tmp_path / "log.csv", StepRecord, up_to=2) == [record(1), record(2)]
    assert read_records(tmp_path / "log.csv", StepRecord, up_to=0) == []
    assert read_records(tmp_path / "none.csv", StepRecord, up_to=2) == []


@pytest.mark.parametrize("text", ["step\n1\n", "no table", "step,d_loss\none,2\n", "\x00\x01"])
def test_a_damaged_table_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "log.csv").write_text(text + ("" if text.startswith("step") else "\n1,2\n"))
    with pytest.raises(CheckpointError, match=r"log.csv is damaged .*delete it, and the curves begin anew"):
        read_records(tmp_path / "log.csv", StepRecord, up_to=2)
