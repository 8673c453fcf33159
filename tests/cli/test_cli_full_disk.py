"""A disk that is full: one message that names the file, and what was there before stays whole.

No test can fill a disk; a limit on the size of a file gives the same kind of error, in the middle of a write.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from cli_commands import TINY, Run

from cafepick.data.demo import DemoData
from cafepick.errors import OutputError
from cafepick.jobs.calibrate import Sample, keep_aside
from cafepick.jobs.journal import Journal

Limit = Callable[[int], AbstractContextManager[None]]

RATE = ("--false-reject", "0.05")


Fails = Callable[..., str]


@pytest.fixture
def fails(run: Run, files_of_at_most: Limit) -> Fails:
    """Run a command with files of so many bytes at most; return its message."""

    def fails_(most_bytes: int, *words: object) -> str:
        with files_of_at_most(most_bytes):
            ran = run(*words)
        assert ran.status == 1, ran.err
        return ran.err.splitlines()[-1]

    return fails_


def message(path: Path) -> str:
    return f"error: cannot write {path}: File too large; free some space or choose another place"


def test_a_checkpoint(fails: Fails, photos: DemoData, tmp_path: Path) -> None:
    said = fails(400_000, "train", photos.folder / "train", "--model", tmp_path / "m.cafepick", *TINY)
    assert said == message(tmp_path / "m.run" / "checkpoint.safetensors")
    left = {path.name for path in tmp_path.rglob("*.*")}
    assert left == {"m.run", "log.csv", "curves.png", "step_000004.png"}, "all whole, and no model"


def test_a_model_that_was_there_before_stays(fails: Fails, tiny_model: Path, photos: DemoData, tmp_path: Path) -> None:
    model = tmp_path / "m.cafepick"
    model.write_bytes(tiny_model.read_bytes())
    said = fails(20_000, "calibrate", photos.folder / "train", "--model", model)
    assert said == message(model)
    assert model.read_bytes() == tiny_model.read_bytes()
    assert list(tmp_path.iterdir()) == [model]


@pytest.mark.parametrize(
    ("most_bytes", "name"), [(100, "scores.partial.jsonl"), (1_000, "overlays/test/mixed/tray_000.png")]
)
def test_what_detect_writes(
    fails: Fails, tiny_model: Path, photos: DemoData, tmp_path: Path, *, most_bytes: int, name: str
) -> None:
    said = fails(most_bytes, "detect", photos.folder, "--model", tiny_model, "--out", tmp_path / "out", *RATE)
    assert said == message(tmp_path / "out" / name)
    assert not (tmp_path / "out" / "scores.csv").exists()


@pytest.mark.parametrize(
    ("most_bytes", "name"),
    [(100, "evaluate.partial.jsonl"), (1_000, "evaluate.partial/000000.safetensors")],
)
def test_what_evaluate_writes(
    fails: Fails, tiny_model: Path, photos: DemoData, tmp_path: Path, *, most_bytes: int, name: str
) -> None:
    said = fails(most_bytes, "evaluate", photos.folder, "--model", tiny_model, "--out", tmp_path / "out", *RATE)
    assert said == message(tmp_path / "out" / name)
    assert not (tmp_path / "out" / "metrics.json").exists()


def test_a_journal_that_was_begun_can_be_taken_up(files_of_at_most: Limit, tmp_path: Path) -> None:
    path, run = tmp_path / "journal", {"model": "abc"}
    with files_of_at_most(2_000), Journal.start(path, run) as journal:
        journal.add("a.jpg", [["a.jpg", 1, "OK"]])
        with pytest.raises(OutputError, match=r"cannot write .*journal: File too large"):
            journal.add("b.jpg", [["b.jpg", 1, "x" * 5_000]])
    assert path.stat().st_size == 2_000
    with Journal.resume(path, run) as journal:
        assert list(journal.rows) == ["a.jpg"]


def test_the_subjects_kept_aside(files_of_at_most: Limit, tmp_path: Path) -> None:
    with files_of_at_most(2_000), pytest.raises(OutputError, match=r"cannot write .*held_back.safetensors"):
        keep_aside(tmp_path, Sample(np.zeros((4, 64, 64, 3), np.uint8), np.zeros((4, 50))))
    assert list(tmp_path.iterdir()) == []
