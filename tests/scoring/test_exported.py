"""A graph scores each image as if it were alone, and what is no such graph is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cafepick import Detector
from cafepick.artefact import load_artefact, save_artefact
from cafepick.cores import cores
from cafepick.errors import ArtefactError, ConfigError
from cafepick.scoring.exported import PASS, ExportedNetworks, threads
from cafepick.types import Scored

COLUMNS = ("residual", "discrimination", "score", "maps", "reconstructions")


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2 * PASS + 5, 32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def detector(exported_model: Path) -> Detector:
    return Detector.load(exported_model)


def scored(detector: Detector, images: np.ndarray) -> Scored:
    return detector.networks.score(images, detector.search, method="fast")


def assert_equal(one: Scored, other: Scored) -> None:
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def some(result: Scored, rows: Any) -> Scored:
    return Scored(**{name: getattr(result, name)[rows] for name in COLUMNS})


def test_a_score_does_not_depend_on_neighbours_order_or_threads(
    detector: Detector, exported_model: Path, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = scored(detector, images)
    order = np.random.default_rng(1).permutation(len(images))
    assert_equal(scored(detector, images[order]), some(together, order))
    assert_equal(scored(detector, images[7:8]), some(together, slice(7, 8)))
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    three = Detector.load(exported_model)
    assert isinstance(three.networks, ExportedNetworks)
    assert three.networks.workers == 3
    assert_equal(scored(three, images), together)


def test_a_graph_scores_as_the_networks_do(detector: Detector, quick_model: Path, images: np.ndarray) -> None:
    trained = Detector.load(quick_model, precision="float32")
    ours, theirs = scored(trained, images), scored(detector, images)
    for name in ("residual", "discrimination", "score", "maps"):
        np.testing.assert_allclose(getattr(theirs, name), getattr(ours, name), rtol=1e-4, atol=1e-4, err_msg=name)
        assert getattr(theirs, name).dtype == getattr(ours, name).dtype
    difference = np.abs(theirs.reconstructions.astype(int) - ours.reconstructions)
    assert difference.max() <= 1
    assert theirs.reconstructions.std() > 1


def test_progress_counts_images(detector: Detector, images: np.ndarray) -> None:
    told: list[tuple[int, int]] = []
    detector.networks.score(images, detector.search, method="fast", progress=lambda *counts: told.append(counts))
    assert told == [(PASS, 37), (2 * PASS, 37), (37, 37)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "exact"}, "knows the method fast only, not exact: use the trained model"),
        ({"device": "cuda"}, "runs on the CPU, got --device cuda"),
    ],
)
def test_what_a_graph_cannot_do_is_refused(exported_model: Path, options: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Detector.load(exported_model, **options)


def test_other_precisions_and_samples_are_refused(detector: Detector, exported_model: Path, images: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="float32 alone, got fast in bfloat16"):
        Detector.load(exported_model, precision="bfloat16").score(images, np.empty((len(images), 0)))
    with pytest.raises(ConfigError, match="cannot draw 4 samples"):
        detector.networks.draw(4)


def test_save_and_load_change_nothing(detector: Detector, exported_model: Path, tmp_path: Path) -> None:
    detector.save(tmp_path / "again.cafepick")
    one, other = load_artefact(exported_model), load_artefact(tmp_path / "again.cafepick")
    assert one.header == other.header
    assert {name: array.tobytes() for name, array in one.tensors.items()} == {
        name: array.tobytes() for name, array in other.tensors.items()
    }


def without_graph(tensors: dict[str, Any]) -> dict[str, Any]:
    return {name: tensor for name, tensor in tensors.items() if not name.startswith("graph.")}


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        ({"version": 2}, "version 2, this cafepick reads 1 to 1.*upgrade cafepick"),
        ({"version": 0}, "version 0"),
        ({"format": "coreml"}, "coreml"),
        ({"format": 7}, "format must be"),
        ({"opset": "new"}, "opset must be int"),
        ({"precision": "int8"}, "unknown setting precision"),
    ],
)
def test_a_newer_or_unknown_graph_is_refused(exported_model: Path, tmp_path: Path, graph: Any, said: str) -> None:
    artefact = load_artefact(exported_model)
    header = {**artefact.header, "graph": {**artefact.header["graph"], **graph}}
    save_artefact(tmp_path / "other.cafepick", header, artefact.tensors)
    with pytest.raises(ArtefactError, match=said):
        Detector.load(tmp_path / "other.cafepick")


@pytest.mark.parametrize("content", [b"", b"no graph at all", bytes(1000)], ids=["empty", "text", "zeros"])
def test_what_the_runtime_cannot_read_is_refused(exported_model: Path, tmp_path: Path, content: bytes) -> None:
    artefact = load_artefact(exported_model)
    broken = np.array(list(content), np.uint8)
    tensors = {name: broken if name.startswith("graph.") else array for name, array in artefact.tensors.items()}
    save_artefact(tmp_path / "broken.cafepick", artefact.header, tensors)
    with pytest.raises(ArtefactError, match=r"graph of this model cannot be used here.*export anew"):
        Detector.load(tmp_path / "broken.cafepick")


def test_a_graph_of_another_size_is_refused(exported_model: Path, tmp_path: Path) -> None:
    artefact = load_artefact(exported_model)
    header = {**artefact.header, "model": {**artefact.header["model"], "size": 64}}
    save_artefact(tmp_path / "large.cafepick", header, artefact.tensors)
    with pytest.raises(ArtefactError, match="graph of this model"):
        Detector.load(tmp_path / "large.cafepick")


def test_missing_and_left_over_tensors_are_refused(exported_model: Path, quick_model: Path, tmp_path: Path) -> None:
    artefact, trained = load_artefact(exported_model), load_artefact(quick_model)
    for tensors in (without_graph(artefact.tensors), {**trained.tensors, **artefact.tensors}):
        save_artefact(tmp_path / "other.cafepick", artefact.header, tensors)
        with pytest.raises(ArtefactError, match=r"holds graph\..* as bytes and no other networks, got"):
            Detector.load(tmp_path / "other.cafepick")


def test_one_changed_byte_of_the_graph_is_noticed(exported_model: Path, tmp_path: Path) -> None:
    content = bytearray(exported_model.read_bytes())
    content[-1000] ^= 1
    (tmp_path / "changed.cafepick").write_bytes(content)
    with pytest.raises(ArtefactError, match="changed after cafepick wrote it"):
        Detector.load(tmp_path / "changed.cafepick")


@pytest.mark.parametrize(("setting", "count"), [("1", 1), ("4,2", 4)])
def test_threads_are_as_many_as_torch_would_use(setting: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", setting)
    assert threads() == count


@pytest.mark.parametrize("setting", ["", "many", "0", "-1"])
def test_a_setting_that_says_nothing_leaves_all_cores(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", setting)
    assert threads() == cores()
