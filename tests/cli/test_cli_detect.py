"""``cafepick detect`` on real files: what it writes, how it ends, and that nothing is lost on the way."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from cli_commands import Run, killed_after
from PIL import Image

from cafepick.artefact import load_artefact, save_artefact
from cafepick.data.demo import DemoData
from cafepick.data.sources import open_source
from cafepick.detector import Detector
from cafepick.images import read_photo, resize, write_image
from cafepick.jobs.inspect import COLUMNS, PART_COLUMNS, Inspection, _identity, picture_names
from cafepick.jobs.journal import Journal

RATE = ("--false-reject", "0.05")


def rows_of(out: Path) -> list[dict[str, str]]:
    with (out / "scores.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture
def test_photos(photos: DemoData) -> Path:
    return photos.folder / "test" / "mixed"


def test_scores_pictures_and_summary(run: Run, taught: Path, test_photos: Path, tmp_path: Path) -> None:
    ran = run("detect", test_photos, "--model", taught, "--out", tmp_path, *RATE, "--panels", "all", "--maps")
    assert ran.status == 0, ran.err
    rows = rows_of(tmp_path)
    assert tuple(rows[0]) == (*COLUMNS, *PART_COLUMNS)
    assert len(rows) == pytest.approx(50, abs=6)
    assert {row["image"] for row in rows} == {"tray_000.jpg", "tray_001.jpg"}
    judged = [row for row in rows if row["verdict"] in ("OK", "NG")]
    assert all(float(row["score"]) > 0 and 0 < float(row["p_value"]) <= 1 for row in judged)
    bad = [float(row["score"]) for row in judged if row["verdict"] == "NG"]
    fine = [float(row["score"]) for row in judged if row["verdict"] == "OK"]
    assert min(bad, default=np.inf) > max(fine, default=-np.inf), "the verdict is not monotone in the score"
    for name in ("tray_000", "tray_001"):
        height, width = read_photo(test_photos / f"{name}.jpg").shape[:2]
        assert read_photo(tmp_path / "masks" / f"{name}.png").shape[:2] == (height, width)
        assert (tmp_path / "overlays" / f"{name}.png").is_file()
        with Image.open(tmp_path / "maps" / f"{name}.tiff") as image:
            anomaly = np.asarray(image)
        assert (anomaly.dtype, anomaly.shape) == (np.float32, (height, width))
        assert (anomaly > 0).any()
        panels = list((tmp_path / "panels" / name).glob("*.png"))
        assert len(panels) == sum(row["image"] == f"{name}.jpg" for row in judged)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["photos"] == 2
    assert summary["precision"] in ("float32", "bfloat16")
    assert sum(summary["verdicts"].values()) == len(rows)
    assert summary["false_reject"] == 0.05
    assert summary["false_reject_upper_bound"] > 0.05
    assert not (tmp_path / "scores.partial.jsonl").exists()


def test_bad_files_are_named_counted_and_left_out(run: Run, taught: Path, test_photos: Path, tmp_path: Path) -> None:
    source = tmp_path / "photos"
    source.mkdir()
    whole = (test_photos / "tray_000.jpg").read_bytes()
    (source / "good.jpg").write_bytes(whole)
    (source / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (source / "empty.png").write_bytes(b"")
    (source / "text.jpg").write_text("no photo")
    ran = run("detect", source, "--model", taught, "--out", tmp_path / "out", *RATE)
    assert ran.status == 3
    for name in ("truncated.jpg", "empty.png", "text.jpg"):
        assert f"skipped {name}" in ran.err
    assert {row["image"] for row in rows_of(tmp_path / "out")} == {"good.jpg"}
    unreadable = json.loads((tmp_path / "out" / "summary.json").read_text())["unreadable"]
    assert {entry["image"] for entry in unreadable} == {"truncated.jpg", "empty.png", "text.jpg"}


def test_pictures_that_an_earlier_run_left_are_told(run: Run, taught: Path, test_photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    both = run("detect", test_photos, "--model", taught, "--out", out, *RATE)
    assert "of an earlier run" not in both.err
    one = run("detect", test_photos / "tray_000.jpg", "--model", taught, "--out", out, *RATE)
    assert f"pictures of 1 other photos, of an earlier run, still lie in {out}" in one.err
    assert {row["image"] for row in rows_of(out)} == {"tray_000.jpg"}


def test_nothing_readable_is_an_error(run: Run, taught: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 not much of a photo")
    ran = run("detect", tmp_path / "broken.jpg", "--model", taught, "--out", tmp_path / "out", *RATE)
    assert ran.status == 1
    assert "none of the 1 photos" in ran.err
    assert not (tmp_path / "out" / "scores.csv").exists()
    assert not (tmp_path / "out" / "scores.partial.jsonl").exists()


def test_an_empty_photo_is_said_to_be_empty(run: Run, taught: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "paper.png", np.full((200, 300, 3), 235, np.uint8))
    assert run("detect", tmp_path / "paper.png", "--model", taught, "--out", tmp_path / "out", *RATE).status == 0
    (row,) = rows_of(tmp_path / "out")
    assert (row["bean"], row["verdict"], row["score"], row["p_value"]) == ("0", "EMPTY", "", "")


def test_a_killed_run_is_taken_up_where_it_was(run: Run, taught: Path, test_photos: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    detect = ("detect", test_photos, "--model", taught, *RATE, "--out")
    assert run(*detect, whole).status == 0
    journal = whole / "scores.partial.jsonl"
    killed_after("tray_000.jpg", *detect, killed)
    journal = killed / "scores.partial.jsonl"
    assert len(journal.read_text().splitlines()) == 2  # what run it is, and one photo
    assert not (killed / "scores.csv").exists()
    first = (killed / "overlays" / "tray_000.png").stat().st_mtime_ns
    assert run(*detect, killed, "--resume").status == 0
    assert (killed / "overlays" / "tray_000.png").stat().st_mtime_ns == first, "the first photo was judged again"
    assert (killed / "scores.csv").read_bytes() == (whole / "scores.csv").read_bytes()
    assert not journal.exists()


@pytest.fixture
def half_done(run: Run, taught: Path, test_photos: Path, tmp_path: Path) -> Path:
    """A folder in which a run over both photos was stopped after the first."""
    out = tmp_path / "half"
    command = ("detect", test_photos, "--model", taught, "--out", out, *RATE)
    assert run(*command, "--limit", "1", "--panels", "all").status == 0
    rows = [list(row.values()) for row in rows_of(out)]
    detector = Detector.load(taught)
    job = Inspection(source=open_source(test_photos), detector=detector, out=out, false_reject=0.05, panels="all")
    with Journal.start(out / "scores.partial.jsonl", _identity(job)) as journal:
        journal.add("tray_000.jpg", rows)
    (out / "scores.csv").unlink()
    return out


def test_photos_left_out_by_another_pattern_do_not_count(
    run: Run, taught: Path, test_photos: Path, half_done: Path, tmp_path: Path
) -> None:
    command = ("detect", test_photos, "--model", taught, *RATE, "--panels", "all", "--pattern", "*_001.jpg", "--out")
    assert run(*command, half_done, "--resume").status == 0
    assert run(*command, tmp_path / "new").status == 0
    assert (half_done / "scores.csv").read_bytes() == (tmp_path / "new" / "scores.csv").read_bytes()
    counts = [json.loads((out / "summary.json").read_text())["verdicts"] for out in (half_done, tmp_path / "new")]
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("words", "changed"),
    [(("--outlines",), "outlines"), (("--panels", "ng"), "panels"), (("--false-reject", "0.1"), "false_reject")],
)
def test_a_run_with_other_settings_is_not_taken_up(
    run: Run, taught: Path, photos: DemoData, half_done: Path, *, words: tuple[str, ...], changed: str
) -> None:
    words = (*words, str(photos.annotations)) if words == ("--outlines",) else words
    command = ("detect", photos.folder / "test" / "mixed", "--model", taught, "--out", half_done, "--resume")
    ran = run(*command, *RATE, "--panels", "all", *words)
    assert ran.status == 1
    assert f"cannot take up the run in {half_done}: {changed} was" in ran.err


def test_a_method_that_the_model_does_not_know_is_refused(
    run: Run, tiny_model: Path, test_photos: Path, tmp_path: Path
) -> None:
    command = ("--model", tiny_model, "--out", tmp_path / "out", *RATE, "--method", "fast")
    for name in ("detect", "evaluate"):
        ran = run(name, test_photos, *command)
        assert ran.status == 1
        assert "knows the method exact only, not fast" in ran.err
    assert not (tmp_path / "out").exists()


def test_another_run_is_not_taken_up(run: Run, taught: Path, test_photos: Path, tmp_path: Path) -> None:
    journal = tmp_path / "scores.partial.jsonl"
    journal.write_text('{"model": "other", "false_reject": 0.05, "source": "elsewhere"}\n')
    ran = run("detect", test_photos, "--model", taught, "--out", tmp_path, *RATE, "--resume")
    assert ran.status == 1
    assert "go without --resume to begin anew" in ran.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--false-reject", "0.0001"), "needs at least 9999 good subjects"),
        (("--false-reject", "2"), "between 0 and 1"),
        (("--device", "abacus"), "auto, cpu, cuda"),
    ],
)
def test_what_cannot_be_done_is_said_before_work_begins(
    run: Run, taught: Path, test_photos: Path, tmp_path: Path, *, words: tuple[str, ...], message: str
) -> None:
    ran = run("detect", test_photos, "--model", taught, "--out", tmp_path / "out", *words)
    assert ran.status == 1
    assert message in ran.err
    assert not (tmp_path / "out").exists()


def test_a_missing_source_and_a_foreign_model_are_named(run: Run, taught: Path, tmp_path: Path) -> None:
    ran = run("detect", tmp_path / "nowhere", "--model", taught, "--out", tmp_path / "out")
    assert (ran.status, "there is no file or folder" in ran.err) == (1, True)
    foreign = shutil.copy(__file__, tmp_path / "foreign.cafepick")
    ran = run("detect", tmp_path, "--model", foreign, "--out", tmp_path / "out")
    assert (ran.status, "is not a cafepick model" in ran.err) == (1, True)


def test_pictures_of_photos_that_differ_in_suffix_only_do_not_meet() -> None:
    assert picture_names(["a.jpg", "b/a.png", "c.jpg", "c.png"]) == {
        "a.jpg": "a.png",
        "b/a.png": "b/a.png",
        "c.jpg": "c.jpg.png",
        "c.png": "c.png.png",
    }


@pytest.mark.parametrize("name", ["../img/a.png", "/data/a.png", "//host/a.png", "C:/data/a.png", "b/../../a.png", ""])
def test_no_picture_lies_outside_the_folder_of_results(name: str) -> None:
    (picture,) = picture_names([name]).values()
    assert PurePosixPath(picture).suffix == ".png"
    assert not {"..", "/", "//", "C:"} & set(PurePosixPath(picture).parts)


def test_a_coco_file_with_photos_elsewhere_leaves_them_alone(
    run: Run, taught: Path, photos: DemoData, tmp_path: Path
) -> None:
    before = tmp_path / "img" / "tray.png"
    write_image(before, read_photo(photos.test[0])[:300])
    pixels = before.read_bytes()
    coco = {"images": [{"id": 1, "file_name": str(before)}], "annotations": [], "categories": []}
    (tmp_path / "coco.json").write_text(json.dumps(coco), encoding="utf-8")
    ran = run("detect", tmp_path / "coco.json", "--model", taught, "--out", tmp_path / "out", *RATE)
    assert ran.status == 0, ran.err
    assert before.read_bytes() == pixels
    assert len(list((tmp_path / "out" / "overlays").rglob("tray.png"))) == 1


def test_names_that_are_no_text_are_written_all_the_same(
    run: Run, taught: Path, test_photos: Path, tmp_path: Path
) -> None:
    source = tmp_path / "photos"
    source.mkdir()
    try:
        shutil.copy(test_photos / "tray_000.jpg", os.fsencode(source) + b"/\x93\xa4.jpg")  # Shift JIS
    except (OSError, TypeError):
        pytest.skip("file names are text here")
    ran = run("detect", source, "--model", taught, "--out", tmp_path / "out", *RATE)
    assert ran.status == 0, ran.err
    assert {row["image"] for row in rows_of(tmp_path / "out")} == {r"\udc93\udca4.jpg"}


def test_photos_unlike_the_good_ones_are_warned_of(run: Run, taught: Path, test_photos: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "dim" / "tray.png", read_photo(test_photos / "tray_000.jpg") // 2)
    ran = run("detect", tmp_path / "dim", "--model", taught, "--out", tmp_path / "out", *RATE)
    assert ran.status == 0
    assert "warning: the surface is much darker than in the good photos (1 of 1 photos, first tray.png)" in ran.err
    assert "run  cafepick calibrate" in ran.err
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["warnings"]


def test_a_threshold_of_an_unknown_light_is_told_wherever_the_model_is_used(
    run: Run, taught: Path, test_photos: Path, tmp_path: Path
) -> None:
    artefact, model = load_artefact(taught), tmp_path / "alone.cafepick"
    training = artefact.header["training"]
    save_artefact(model, {**artefact.header, "training": {**training, "alone": 1}}, artefact.tensors)
    told = "the threshold was set in a light that no other good photo showed"
    for which, known in ((model, True), (taught, False)):
        out = tmp_path / which.stem
        ran = run("detect", test_photos / "tray_000.jpg", "--model", which, "--out", out, *RATE)
        assert (f"warning: {told}" in ran.err) == known
        assert any(told in words for words in json.loads((out / "summary.json").read_text())["warnings"]) == known
        assert (f"careful: {told}" in run("info", which).out) == known
    (tmp_path / "alone.run").symlink_to(taught.with_suffix(".run"))
    assert f"careful: {told}" in run("calibrate", "--model", model).err


def test_info_says_if_a_model_cannot_judge_here(run: Run, taught: Path, tmp_path: Path) -> None:
    artefact, model = load_artefact(taught), tmp_path / "old.cafepick"
    save_artefact(model, {**artefact.header, "descriptors": 1}, artefact.tensors)
    ran = run("info", model)
    assert ran.status == 0
    assert "careful: it cannot judge here: " in ran.out
    versions = {**artefact.header["versions"], "cafepick": "0.0.1"}
    save_artefact(model, {**artefact.header, "descriptors": 1, "versions": versions}, artefact.tensors)
    assert "train anew, or use cafepick 0.0.1, which made it" in run("info", model).out


def test_photos_from_far_are_warned_of_in_one_line(run: Run, taught: Path, test_photos: Path, tmp_path: Path) -> None:
    photo = read_photo(test_photos / "tray_000.jpg")
    for name, scale in (("a", 0.5), ("b", 0.44), ("c", 0.38)):
        sides = [round(side * scale) for side in photo.shape[:2]]
        write_image(tmp_path / "far" / f"{name}.png", resize(photo, sides[1], sides[0]))
    ran = run("detect", tmp_path / "far", "--model", taught, "--out", tmp_path / "out", *RATE)
    (said,) = [line for line in ran.err.splitlines() if "pixels long" in line]
    assert re.search(r"the beans are \d+ to \d+ pixels long, .*: go nearer \(\d of 3 photos, first", said), said


def test_maps_of_an_earlier_run_do_not_stay_and_are_no_photos(
    run: Run, taught: Path, test_photos: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    shutil.copytree(test_photos, folder)
    command = ("detect", folder, "--model", taught, "--out", folder, *RATE, "--panels", "none")
    assert run(*command, "--maps").status == 0
    assert len(list((folder / "maps").glob("*.tiff"))) == 2
    ran = run(*command)
    assert ran.status == 0, ran.err
    assert "2 photos" in ran.out, "its own maps were taken for photos"
    assert not list((folder / "maps").glob("*.tiff"))


def test_panels_of_an_earlier_run_do_not_stay(run: Run, taught: Path, test_photos: Path, tmp_path: Path) -> None:
    command = ("detect", test_photos, "--model", taught, "--out", tmp_path, "--limit", "1", *RATE, "--panels")
    assert run(*command, "all").status == 0
    assert run(*command, "ng").status == 0
    bad = [int(row["bean"]) for row in rows_of(tmp_path) if row["verdict"] == "NG"]
    assert sorted(int(path.stem) for path in tmp_path.glob("panels/*/*.png")) == bad
