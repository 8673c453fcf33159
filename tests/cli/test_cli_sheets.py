"""``train`` and ``detect`` on photos of sheets of paper from all sides, by the real commands."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from cli_commands import CAFEPICK, ONE_THREAD, TINY, Run

from cafepick.artefact import load_artefact
from cafepick.images import read_mask, read_photo, write_image
from sheet_scenes import taken

GOOD = [
    {"tilt": 5.0},
    {"tilt": 25.0, "azimuth": 60.0},
    {"tilt": 15.0, "azimuth": 200.0, "fill": 0.65},
    {"tilt": 20.0, "azimuth": 300.0, "roll": 90.0},
]
CHECKED = {"tilt": 25.0, "azimuth": 60.0, "roll": 15.0, "table_beans": 4}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    for number, shot in enumerate(GOOD):
        write_image(folder / f"{number}.png", taken(10 + number, beans=25, **shot).photo)
    return folder


@pytest.fixture(scope="module")
def model(good: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "sheets.cafepick"
    command = [*CAFEPICK, "train", str(good), "--model", str(path), *TINY]
    ran = subprocess.run(command, check=True, env=ONE_THREAD, capture_output=True, text=True, timeout=280)
    assert "the beans lie on whole A4 sheets" in ran.stdout
    assert "sizes are in millimetres" in ran.stdout
    return path


def test_a_model_is_taught_in_millimetres_where_sheets_are_found(model: Path) -> None:
    crop = load_artefact(model).header["crop"]
    assert (crop["sheet"], crop["scale"]) == ("a4", "fixed")
    assert 32 / crop["zoom"] == pytest.approx(12, abs=2)  # mm that a crop shows


def test_beans_are_judged_in_their_places_and_a_photo_without_a_sheet_is_named(
    run: Run, model: Path, tmp_path: Path
) -> None:
    photo = taken(4, **CHECKED)
    write_image(tmp_path / "photos" / "a.png", photo.photo)
    write_image(tmp_path / "photos" / "b.png", taken(1, sheet=False, table_beans=8, clutter=8).photo)
    ran = run("detect", tmp_path / "photos", "--model", model, "--out", tmp_path / "out")
    assert ran.status == 3
    assert "skipped b.png: no whole A4 sheet was found in the photo" in ran.err
    (skipped,) = json.loads((tmp_path / "out" / "summary.json").read_text())["unreadable"]
    assert skipped["image"] == "b.png"
    with (tmp_path / "out" / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["image"] for row in rows} == {"a.png"}
    middles = np.array([[float(r["x"]) + float(r["width"]) / 2, float(r["y"]) + float(r["height"]) / 2] for r in rows])
    truths = [bean.outline for bean in photo.beans if bean.where == "sheet"]
    assert len(rows) == len(truths)
    for truth in truths:
        middle = (truth.min(axis=0) + truth.max(axis=0)) / 2
        assert np.linalg.norm(middles - middle, axis=1).min() < 2.5
    height, width = read_photo(tmp_path / "out" / "overlays" / "a.jpg").shape[:2]  # enlarged to be legible
    assert height / width == pytest.approx(photo.photo.shape[0] / photo.photo.shape[1], abs=0.1)
    assert read_mask(tmp_path / "out" / "masks" / "a.png").shape == photo.photo.shape[:2]


def test_none_looks_at_the_photo_itself(run: Run, good: Path, tmp_path: Path) -> None:
    ran = run("train", good, "--model", tmp_path / "m.cafepick", "--sheet", "none", *TINY)
    assert ran.status == 0, ran.err
    assert "millimetres" not in ran.out
    assert load_artefact(tmp_path / "m.cafepick").header["crop"]["sheet"] == "none"


def test_unusable_sheets_are_refused(run: Run, good: Path, tmp_path: Path) -> None:
    words = ("train", good, "--model", tmp_path / "m.cafepick")
    ran = run(*words, "--sheet", "a4", "--subject", "whole")
    assert (ran.status, "--sheet a4 goes with --subject beans only" in ran.err) == (1, True)
    assert run(*words, "--sheet", "a3").status == 2
    ran = run(*words, "--sheet", "letter")
    assert (ran.status, "no whole Letter sheet was found" in ran.err) == (1, True)
