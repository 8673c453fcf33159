"""Judging a source in a pipeline: the same rows in the same order, stopped, failing or not."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cafepick.data.demo import DrawnTray
from cafepick.data.sources import Source, open_source
from cafepick.detector import Detector
from cafepick.errors import OutputError, PhotoError
from cafepick.images import read_photo, write_image
from cafepick.jobs import inspect as module
from cafepick.jobs.inspect import Inspection, inspect_source
from cafepick.types import Item

PHOTOS = 9


@pytest.fixture(scope="module")
def source(drawn_trays: list[DrawnTray], tmp_path_factory: pytest.TempPathFactory) -> Source:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(PHOTOS):
        top, left = 60 * (number // 3), 90 * (number % 3)
        write_image(folder / f"{number}.png", drawn_trays[number % 3].photo[top : top + 260, left : left + 300])
    return open_source(str(folder), purpose="detect")


def job_for(source: Source, detector: Detector, out: Path, **changes: bool) -> Inspection:
    return replace(Inspection(source=source, detector=detector, out=out, false_reject=0.05), **changes)


def silent(stage: str, done: int, total: int) -> None:
    pass


def files_in(folder: Path) -> dict[str, bytes]:
    names = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "summary.json")
    return {str(path.relative_to(folder)): path.read_bytes() for path in names}


@pytest.fixture(scope="module")
def whole(source: Source, tiny_detector: Detector, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """All files of a run that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole")
    assert inspect_source(job_for(source, tiny_detector, out), progress=silent).finished
    return files_in(out)


def test_rows_come_in_the_order_of_the_source_whichever_photo_is_read_first(
    source: Source, tiny_detector: Detector, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    second_was_read = threading.Event()

    class Slow(Source):
        def read(self, item: Item):
            if item.name == "0.png":
                assert second_was_read.wait(10), "photos are read one after the other"
            second_was_read.set() if item.name == "1.png" else None
            return super().read(item)

    slow = Slow(**{name: getattr(source, name) for name in source.__dataclass_fields__})
    counts: list[int] = []
    inspect_source(job_for(slow, tiny_detector, tmp_path), progress=lambda _, done, __: counts.append(done))
    assert files_in(tmp_path) == whole
    assert counts == list(range(1, PHOTOS + 1))


@pytest.mark.parametrize("after", [1, 4])
def test_a_stopped_run_goes_on_to_the_same_files(
    source: Source, tiny_detector: Detector, tmp_path: Path, whole: dict[str, bytes], after: int
) -> None:
    done: list[int] = []
    job = job_for(source, tiny_detector, tmp_path)
    result = inspect_source(job, progress=lambda _, count, __: done.append(count), stopping=lambda: done[-1] >= after)
    assert (result.finished, result.photos, done[-1]) == (False, after, after)
    assert not (tmp_path / "scores.csv").exists()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]
    assert inspect_source(replace(job, resume=True), progress=silent).finished
    assert files_in(tmp_path) == whole


def test_a_second_interrupt_in_the_middle_leaves_a_run_that_goes_on(
    source: Source, tiny_detector: Detector, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    def interrupt(_: str, done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    job = job_for(source, tiny_detector, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        inspect_source(job, progress=interrupt)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]
    assert inspect_source(replace(job, resume=True), progress=silent).finished
    assert files_in(tmp_path) == whole


def test_an_error_while_writing_ends_the_run_and_keeps_what_came_before(
    source: Source,
    tiny_detector: Detector,
    tmp_path: Path,
    whole: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = job_for(source, tiny_detector, tmp_path)
    draw = module.overlay
    drawn: list[int] = []
    lock = threading.Lock()

    def fail_on_the_fifth(*arguments):
        with lock:
            drawn.append(1)
            if len(drawn) == 5:
                raise OutputError("cannot write: no space")
        return draw(*arguments)

    monkeypatch.setattr(module, "overlay", fail_on_the_fifth)
    with pytest.raises(OutputError, match="no space"):
        inspect_source(job, progress=silent)
    monkeypatch.setattr(module, "overlay", draw)
    assert not (tmp_path / "scores.csv").exists()
    assert 3 <= len((tmp_path / "scores.partial.jsonl").read_text().splitlines()) <= 6  # the run, and photos before it
    assert inspect_source(replace(job, resume=True), progress=silent).finished
    assert files_in(tmp_path) == whole


def test_unreadable_photos_are_told_in_the_order_of_the_source(
    source: Source, tiny_detector: Detector, tmp_path: Path
) -> None:
    class Damaged(Source):
        def read(self, item: Item):
            if item.name in ("7.png", "2.png", "5.png"):
                raise PhotoError(f"{item.name} is truncated")
            return super().read(item)

    damaged = Damaged(**{name: getattr(source, name) for name in source.__dataclass_fields__})
    result = inspect_source(job_for(damaged, tiny_detector, tmp_path), progress=silent)
    assert [failure.name for failure in result.failures] == ["2.png", "5.png", "7.png"]
    assert (result.finished, result.photos) == (True, PHOTOS - 3)


@pytest.mark.parametrize(
    ("height", "width", "suffix"), [(3, 20_000, ".png"), (95, 65_000, ".jpg"), (95, 66_000, ".png")]
)
def test_thin_photos_are_judged_with_the_others(
    tiny_detector: Detector, tmp_path: Path, height: int, width: int, suffix: str
) -> None:
    write_image(tmp_path / "photos" / "thin.png", np.full((height, width, 3), 200, np.uint8))
    photos = open_source(str(tmp_path / "photos"))
    assert inspect_source(job_for(photos, tiny_detector, tmp_path / "out"), progress=silent).photos == 1
    drawn = read_photo((tmp_path / "out" / "overlays" / "thin").with_suffix(suffix))
    assert drawn.shape[1] == pytest.approx(width, abs=100)


def test_an_overlay_that_changes_its_suffix_replaces_the_one_before(tiny_detector: Detector, tmp_path: Path) -> None:
    def overlays_of(height: int, width: int) -> list[str]:
        write_image(tmp_path / "photos" / "a.png", np.full((height, width, 3), 200, np.uint8))
        photos = open_source(str(tmp_path / "photos"))
        inspect_source(job_for(photos, tiny_detector, tmp_path / "out"), progress=silent)
        return [path.name for path in (tmp_path / "out" / "overlays").iterdir()]

    assert overlays_of(2100, 3000) == ["a.jpg"]
    assert overlays_of(600, 800) == ["a.png"]
    assert overlays_of(2100, 3000) == ["a.jpg"]
