"""``cafepick evaluate`` on real files: one command, a few lines in plain words, and an exit status that is true."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from cli_commands import Run, killed_after

from cafepick.cli.evaluate import summary
from cafepick.data.demo import DemoData
from cafepick.scoring.omissions import Omission

RATE = ("--false-reject", "0.05")


def test_one_command_gives_numbers_table_and_report(
    run: Run, tiny_model: Path, photos: DemoData, tmp_path: Path
) -> None:
    ran = run("evaluate", photos.annotations, "--model", tiny_model, "--out", tmp_path, *RATE, "--language", "ja")
    assert ran.status == 0, ran.err
    assert "judging photos: 2/2" in ran.err
    assert "of 100 good subjects" in ran.out
    assert "50 beans are annotated; not found: " in ran.out
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["command"][:2] == ["cafepick", "evaluate"]
    assert metrics["false_reject"]["promised"] == 0.05
    assert 'lang="ja"' in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert (tmp_path / "scores.csv").is_file()


def test_a_folder_with_annotations_and_a_class_healthy_needs_no_option(
    run: Run, tiny_model: Path, photos: DemoData, tmp_path: Path
) -> None:
    shutil.copytree(photos.folder / "test", tmp_path / "lot")
    file = tmp_path / "lot" / "annotations.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"good"', '"Healthy"'), encoding="utf-8")
    ran = run("evaluate", tmp_path / "lot", "--model", tiny_model, "--out", tmp_path / "out", *RATE)
    assert ran.status == 0, ran.err
    assert f"outlines and classes of the beans are those of {file}" in ran.err
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["good"] == ["Healthy"]
    assert metrics["finding"]["annotated"] == 50
    assert metrics["subjects"]["good"] > 20
    file.write_text('{"images": []}')  # no annotations at all: the folders' names count
    ran = run("evaluate", tmp_path / "lot", "--model", tiny_model, "--out", tmp_path / "out", *RATE)
    assert (ran.status, f"left {file} aside: " in ran.err) == (0, True)


def test_an_unreadable_photo_is_named_and_the_status_says_so(
    run: Run, tiny_model: Path, photos: DemoData, tmp_path: Path
) -> None:
    for name, label in (("a.jpg", "good"), ("b.jpg", "sour")):
        target = tmp_path / "lot" / label / name
        target.parent.mkdir(parents=True)
        target.write_bytes(photos.test[0].read_bytes())
    (tmp_path / "lot" / "good" / "broken.jpg").write_bytes(b"\xff\xd8 no photo")
    ran = run("evaluate", tmp_path / "lot", "--model", tiny_model, "--out", tmp_path / "out", *RATE)
    assert ran.status == 3
    assert "skipped good/broken.jpg: " in ran.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--good", "helthy"], "--good helthy is none of the classes"),
        (["--labels", "none.csv"], "cannot read the labels none.csv"),
        (["--use-outlines"], "--use-outlines needs outlines"),
        (["--false-reject", "0.0001"], "needs at least 9999 good subjects"),
    ],
)
def test_what_cannot_work_is_said_in_one_message(
    run: Run, tiny_model: Path, photos: DemoData, tmp_path: Path, *, options: list[str], message: str
) -> None:
    ran = run("evaluate", photos.folder, "--model", tiny_model, "--out", tmp_path / "out", *options)
    assert ran.status == 1
    assert message in ran.err
    assert not (tmp_path / "out").exists()


def test_a_limit_takes_its_share_of_every_folder(run: Run, tiny_model: Path, photos: DemoData, tmp_path: Path) -> None:
    for label in ("good", "sour"):
        (tmp_path / "lot" / label).mkdir(parents=True)
        for number in range(3):
            (tmp_path / "lot" / label / f"{number}.jpg").write_bytes(photos.test[0].read_bytes())
    ran = run("evaluate", tmp_path / "lot", "--model", tiny_model, "--out", tmp_path / "out", *RATE, "--limit", 2)
    assert ran.status == 0, ran.err
    subjects = json.loads((tmp_path / "out" / "metrics.json").read_text())["subjects"]
    assert subjects["photos"] == 2
    assert subjects["good"] == subjects["defect"] > 0


def labelled(photos: DemoData, folder: Path) -> Path:
    """Three photos with masks and one that is none."""
    for number, name in enumerate(("a", "b", "c")):
        tray = number % 2
        for source, target in (
            (photos.test[tray], folder / "test" / "mixed" / f"{name}.jpg"),
            (photos.masks[tray], folder / "ground_truth" / "mixed" / f"{name}_mask.png"),
        ):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    (folder / "train" / "good").mkdir(parents=True)
    (folder / "test" / "mixed" / "aa.jpg").write_bytes(b"no photo")
    return folder


def results_of(out: Path) -> dict[str, Any]:
    """What an evaluation wrote, without what two runs may differ in."""
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    for name in ("date", "command"):
        del metrics[name]
    pictures = re.findall(r'src="(data:[^"]+)"', (out / "report.html").read_text(encoding="utf-8"))
    return {"metrics": metrics, "scores": (out / "scores.csv").read_bytes(), "pictures": pictures}


def test_a_killed_run_is_taken_up_where_it_was(run: Run, tiny_model: Path, photos: DemoData, tmp_path: Path) -> None:
    source, whole, killed = labelled(photos, tmp_path / "mvtec"), tmp_path / "whole", tmp_path / "killed"
    evaluate = ("evaluate", source, "--model", tiny_model, *RATE, "--out")
    assert run(*evaluate, whole).status == 3
    assert sorted(path.name for path in whole.iterdir()) == ["metrics.json", "report.html", "scores.csv"]
    killed_after("b.jpg", *evaluate, killed)
    assert sorted(path.name for path in killed.iterdir()) == ["evaluate.partial", "evaluate.partial.jsonl"]
    for name in ("a.jpg", "b.jpg"):  # whoever read them again would find them broken
        (source / "test" / "mixed" / name).write_bytes(b"gone")
    resumed = run(*evaluate, killed, "--resume")
    assert resumed.status == 3, resumed.err
    skipped = [line for line in resumed.err.splitlines() if line.startswith("skipped")]
    assert [line.split(":")[0] for line in skipped] == ["skipped test/mixed/aa.jpg"]
    assert results_of(killed) == results_of(whole)
    assert results_of(whole)["metrics"]["pixel"]["images"] == 3
    assert sorted(path.name for path in killed.iterdir()) == ["metrics.json", "report.html", "scores.csv"]


def test_another_run_is_not_taken_up(run: Run, tiny_model: Path, photos: DemoData, tmp_path: Path) -> None:
    journal = tmp_path / "evaluate.partial.jsonl"
    journal.write_text('{"model": "other", "false_reject": 0.05, "source": "elsewhere"}\n')
    ran = run("evaluate", photos.annotations, "--model", tiny_model, "--out", tmp_path, *RATE, "--resume")
    assert ran.status == 1
    assert "go without --resume to begin anew" in ran.err
    assert not (tmp_path / "metrics.json").exists()


def test_each_reason_is_said_once() -> None:
    metrics = {
        "subject": "beans",
        "subjects": {"good": 3, "defect": 0, "photos": 1},
        "auroc": None,
        "false_reject": {"promised": 0.01, "upper_bound": 0.03, "realised": None},
        "miss_rate": None,
        "finding": None,
        "omitted": [
            Omission("auroc", "no_defective").as_json(),
            Omission("roc", "no_defective").as_json(),
            Omission("seen_before", "learnt_from", {"learnt": 1, "photos": 2}).as_json(),
        ],
    }
    assert summary(metrics).splitlines() == [
        "3 good and 0 defective subjects in 1 photos",
        "AUROC, ROC curve: there is no defective subject",
        f"Seen before: {Omission('seen_before', 'learnt_from', {'learnt': 1, 'photos': 2}).text}",
    ]
