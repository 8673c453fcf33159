"""``cafepick evaluate`` on real files: one command, a few lines in plain words, and an exit status that is true."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_commands import Run

from cafepick.cli.evaluate import summary
from cafepick.data.demo import DemoData

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


def test_each_reason_is_said_once() -> None:
    metrics = {
        "subjects": {"good": 3, "defect": 0, "photos": 1},
        "auroc": None,
        "false_reject": {"promised": 0.01, "upper_bound": 0.03, "realised": None},
        "miss_rate": None,
        "finding": None,
        "omitted": ["auroc: there is no defective subject", "roc: there is no defective subject", "pixel: no masks"],
    }
    assert summary(metrics).splitlines() == [
        "3 good and 0 defective subjects in 1 photos",
        "auroc, roc: there is no defective subject",
        "pixel: no masks",
    ]
