"""``cafepick export``, and every command that judges with what it wrote, where there is no torch."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cli_commands import CAFEPICK, ONE_THREAD, Run

from cafepick import Detector
from cafepick.artefact import load_artefact
from cafepick.data.demo import DrawnTray
from cafepick.images import read_photo, write_image

WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
from cafepick.cli.app import main
main()
"""
"""The command line in a process that finds none of some packages."""

TRAINING = ("torch", "jaxtyping", "lightning_fabric", "sklearn", "matplotlib", "onnx", "onnxscript")


def run_without(absent: tuple[str, ...], *words: object) -> subprocess.CompletedProcess[str]:
    code = WITHOUT.format(absent=set(absent))
    command = [sys.executable, "-W", "error", "-c", code, *map(str, words)]
    return subprocess.run(command, check=False, env=ONE_THREAD, capture_output=True, text=True, timeout=200)


@pytest.fixture(scope="module")
def labelled(drawn_trays: list[DrawnTray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo of good beans and one of black ones."""
    folder = tmp_path_factory.mktemp("labelled")
    black = drawn_trays[1].photo.copy()
    black[black.sum(axis=2) < 330] //= 3
    write_image(folder / "good" / "tray.png", drawn_trays[0].photo)
    write_image(folder / "black" / "tray.png", black)
    return folder


def numbers(out: Path) -> list[dict[str, str]]:
    with (out / "scores.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_photos_are_judged_alike_without_torch(
    exported_model: Path, quick_model: Path, labelled: Path, tmp_path: Path
) -> None:
    trained = Detector.load(quick_model, precision="float32")
    ended = run_without(TRAINING, "detect", labelled, "--model", exported_model, "--out", tmp_path)
    assert ended.returncode == 0, ended.stderr
    expected = {
        (name, verdict.bean): verdict
        for name in ("black/tray.png", "good/tray.png")
        for verdict in trained.inspect(read_photo(labelled / name))
    }
    assert len({verdict.judgement for verdict in expected.values()}) > 1
    for row in numbers(tmp_path):
        verdict = expected.pop((row["image"], int(row["bean"])))
        assert row["verdict"] == verdict.judgement.value
        if verdict.scores is not None:
            assert float(row["score"]) == pytest.approx(verdict.scores.score, rel=1e-3, abs=1e-3)
            assert float(row["p_value"]) == pytest.approx(verdict.p_value, abs=1e-6)
    assert not expected
    assert any((tmp_path / "overlays").rglob("tray*"))


def test_a_model_is_evaluated_calibrated_and_shown_without_torch(
    exported_model: Path, labelled: Path, tmp_path: Path
) -> None:
    model = tmp_path / "copy.cafepick"
    model.write_bytes(exported_model.read_bytes())
    ended = run_without(TRAINING, "evaluate", labelled, "--model", model, "--out", tmp_path / "quality")
    assert ended.returncode == 0, ended.stderr
    metrics = json.loads((tmp_path / "quality" / "metrics.json").read_text())
    assert (metrics["method"], metrics["precision"]) == ("fast", "float32")
    ended = run_without(TRAINING, "calibrate", labelled / "good", "--model", model)
    assert ended.returncode == 0, ended.stderr
    assert "threshold set by 40 good subjects" in ended.stdout
    assert load_artefact(model).header["calibration"]["history"][-1]["source"] == "kept aside in training"
    ended = run_without(TRAINING, "info", model)
    assert ended.returncode == 0, ended.stderr
    assert "graph.format" in ended.stdout
    assert re.search(r"a graph of \d\.\d MB", ended.stdout)


@pytest.mark.parametrize(("absent", "extra"), [("onnxruntime", "onnx"), ("openvino", "openvino")])
def test_a_missing_runtime_is_named(
    absent: str, extra: str, exported_model: Path, labelled: Path, tmp_path: Path
) -> None:
    ended = run_without((absent,), "detect", labelled, "--model", exported_model, "--out", tmp_path / "out")
    if load_artefact(exported_model).header["graph"]["format"] == extra:
        assert ended.returncode == 1
        assert f"this needs {absent}, which is not installed: run  pip install 'cafepick[{extra}]'" in ended.stderr
    else:
        assert ended.returncode == 0, ended.stderr


def test_a_trained_model_without_torch_says_so(quick_model: Path, labelled: Path, tmp_path: Path) -> None:
    ended = run_without(TRAINING, "detect", labelled, "--model", quick_model, "--out", tmp_path / "out")
    assert ended.returncode == 1
    assert "this needs torch, which is not installed: run  pip install 'cafepick[train]'" in ended.stderr


@pytest.mark.parametrize("graph", ["onnx", "openvino"])
def test_the_command_writes_a_model(graph: str, quick_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "exported.cafepick"
    words = [*CAFEPICK, "export", "--model", str(quick_model), "--format", graph, "--out", str(out)]
    environment = {**ONE_THREAD, "PYTHONWARNINGS": "error"}
    ended = subprocess.run(words, check=False, env=environment, capture_output=True, text=True, timeout=280)
    assert ended.returncode == 0, ended.stderr
    assert "200 subjects (kept aside in training, and spoiled copies)" in ended.stdout
    assert "1200 of 1200 verdicts are the same" in ended.stdout
    assert f"pip install 'cafepick[{graph}]'" in ended.stdout
    assert load_artefact(out).header["graph"]["format"] == graph
    assert list(out.parent.iterdir()) == [out]


def test_photos_of_the_users_own_are_compared_on(quick_model: Path, labelled: Path, tmp_path: Path, run: Run) -> None:
    out = tmp_path / "exported.cafepick"
    ended = run("export", labelled, "--model", quick_model, "--format", "onnx", "--out", out)
    assert ended.status == 0, ended.err
    assert f"({labelled}, and spoiled copies)" in ended.out
    assert load_artefact(out).header["export"]["compared_on"] == str(labelled)


def test_without_a_run_folder_the_model_draws(quick_model: Path, tmp_path: Path, run: Run) -> None:
    model = tmp_path / "moved.cafepick"
    model.write_bytes(quick_model.read_bytes())
    ended = run("export", "--model", model, "--format", "onnx", "--out", tmp_path / "exported.cafepick")
    assert ended.status == 0, ended.err
    assert "1000 subjects (drawn by the model" in ended.out


def test_a_place_that_cannot_be_written_is_refused_before_the_work(quick_model: Path, tmp_path: Path, run: Run) -> None:
    (tmp_path / "there.cafepick").mkdir()
    ended = run("export", "--model", quick_model, "--format", "onnx", "--out", tmp_path / "there.cafepick")
    assert (ended.status, "there.cafepick: Is a directory" in ended.err) == (1, True)
    assert "drawing up the graph" not in ended.err
    assert list(tmp_path.iterdir()) == [tmp_path / "there.cafepick"]


@pytest.mark.parametrize(
    ("name", "said"),
    [("model.onnx", "--out needs a name that ends in .cafepick"), ("quick.cafepick", "is the trained model itself")],
)
def test_a_bad_name_is_refused(name: str, said: str, quick_model: Path, run: Run) -> None:
    before = quick_model.read_bytes()
    ended = run("export", "--model", quick_model, "--format", "onnx", "--out", quick_model.parent / name)
    assert ended.status == 1
    assert said in ended.err
    assert quick_model.read_bytes() == before


def test_a_model_without_encoder_is_refused(tiny_model: Path, tmp_path: Path, run: Run) -> None:
    ended = run("export", "--model", tiny_model, "--format", "onnx", "--out", tmp_path / "exported.cafepick")
    assert ended.status == 1
    assert "only the method fast, one pass of the encoder, fits into a graph" in ended.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("photos", [(), ("labelled",)])
def test_an_exported_model_is_refused_before_anything_is_drawn_or_cut(
    exported_model: Path, tmp_path: Path, run: Run, request: pytest.FixtureRequest, photos: tuple[str, ...]
) -> None:
    sources = [request.getfixturevalue(name) for name in photos]
    out = tmp_path / "again.cafepick"
    ended = run("export", *sources, "--model", exported_model, "--format", "onnx", "--out", out)
    assert ended.status == 1
    assert "this model is an exported one already: export the trained model that it was made from" in ended.err
    assert "cutting crops" not in ended.err
