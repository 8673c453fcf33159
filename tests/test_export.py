"""An exported model judges as the trained one does, in each format; one that does not is never written."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cafepick import Detector
from cafepick.artefact import load_artefact
from cafepick.beans.describe import describe_all
from cafepick.data.demo import DrawnTray
from cafepick.errors import CalibrationError, ConfigError, ExportError
from cafepick.export import drawn_sample, export, graph_of, with_spoiled
from cafepick.images import read_photo
from cafepick.jobs.calibrate import Sample, calibrate, kept_aside
from cafepick.scoring.agreement import agreement_of
from cafepick.scoring.exact import Networks
from cafepick.scoring.exported import ExportedNetworks
from cafepick.scoring.runtimes import GraphFormat
from cafepick.types import Scored, Verdict

CAFEPICK = [sys.executable, "-m", "cafepick.cli.app"]
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}

FORMATS: tuple[GraphFormat, ...] = ("onnx", "openvino")


def quiet(stage: str, done: int, total: int) -> None:
    """Report nothing."""


@pytest.fixture(scope="module")
def trained(quick_model: Path) -> Detector:
    return Detector.load(quick_model, precision="float32")


@pytest.fixture(scope="module")
def kept(trained: Detector, quick_model: Path) -> Sample:
    return kept_aside(quick_model.with_suffix(".run"), trained)


def rows(verdicts: list[Verdict]) -> list[object]:
    return [(v.bean, v.judgement, v.box, v.p_value, v.reason) for v in verdicts]


def test_photos_are_judged_alike(exported_model: Path, trained: Detector, drawn_trays: list[DrawnTray]) -> None:
    exported = Detector.load(exported_model)
    assert exported.method == trained.method == "fast"
    for tray in drawn_trays:
        photo = tray.photo.copy()
        photo[:300][photo[:300].sum(axis=2) < 330] //= 3  # the upper beans turn black
        ours, theirs = (detector.inspect(photo, false_reject=0.05) for detector in (trained, exported))
        assert rows(theirs) == rows(ours)
        assert len({verdict.judgement for verdict in ours}) > 1
        for one, two in zip(ours, theirs, strict=True):
            assert one.scores is not None
            assert two.scores is not None
            assert two.scores.score == pytest.approx(one.scores.score, rel=1e-3, abs=1e-3)
            assert two.parts == pytest.approx(one.parts)


def test_the_artefact_says_what_was_compared(exported_model: Path, quick_model: Path) -> None:
    header, before = load_artefact(exported_model).header, load_artefact(quick_model)
    found = header["export"]["agreement"]
    assert (found["different"], found["subjects"], found["verdicts"]) == (0, 200, 200 * 6)  # good and spoiled; rates
    assert found["score"] < 1e-3
    assert header["graph"]["trained"] == before.checksum
    assert header["training"] == before.header["training"]
    assert set(header["methods"]) == {"fast"}
    assert "pixel_threshold" not in header["calibration"]  # of the method exact, which is left out


def test_a_graph_says_nothing_of_the_machine_that_drew_it(exported_model: Path) -> None:
    content = exported_model.read_bytes()
    for name in (str(Path.home()), str(Path(__file__).parents[1]), "site-packages", "/cafepick/"):
        assert name.encode() not in content, name


def test_subjects_that_set_the_threshold_lie_on_it_again(trained: Detector, kept: Sample, tmp_path: Path) -> None:
    lot = Sample(kept.images, kept.descriptors)  # as if of a new lot: scored by the model as it is
    calibrated = calibrate(trained, lot, where="a lot", conditions=None, progress=quiet)
    export(calibrated, tmp_path / "lot.cafepick", "onnx", lot, source="a lot", progress=quiet)
    exported = Detector.load(tmp_path / "lot.cafepick")
    assert exported.calibration is not None
    assert calibrated.calibration is not None
    again = exported.score(kept.images, kept.descriptors).score
    np.testing.assert_array_equal(np.sort(again), exported.calibration.scores)
    np.testing.assert_allclose(exported.calibration.scores, calibrated.calibration.scores, rtol=1e-3, atol=1e-3)
    for rate in (0.01, 0.05, 0.5):
        ng = [np.sum(d.score(kept.images, kept.descriptors).score > d.threshold(rate)) for d in (calibrated, exported)]
        assert ng[0] == ng[1]


def test_a_model_can_draw_what_it_is_compared_on(trained: Detector, tmp_path: Path) -> None:
    drawn = drawn_sample(trained)
    found = export(trained, tmp_path / "drawn.cafepick", "onnx", drawn, source="drawn", progress=quiet)
    assert found.subjects == 2 * len(drawn.images) == 1000
    assert found.different == 0
    calibration = Detector.load(tmp_path / "drawn.cafepick").calibration
    assert calibration is not None
    assert trained.calibration is not None
    np.testing.assert_array_equal(calibration.scores, trained.calibration.scores)  # none of these was scored again


def test_drawn_beans_lie_on_the_ground_of_real_ones(trained: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = np.full((1, 32, 32, 3), 230, np.uint8)
    drawn[0, 8:24, 12:20] = (235, 90, 60)
    monkeypatch.setattr(Networks, "draw", lambda *_: drawn.copy())
    (image,) = drawn_sample(trained).images
    assert (image[drawn[0, :, :, 1] == 230] == 235).all()
    assert (image[8:24, 12:20] == (235, 90, 60)).all()
    whole = Detector(trained.networks, crop=replace(trained.crop, subject="whole"), search=trained.search)
    assert np.array_equal(drawn_sample(whole).images, drawn)


@pytest.mark.parametrize("graph", FORMATS)
def test_plain_differences_are_exported_as_they_are(trained: Detector, kept: Sample, graph: GraphFormat) -> None:
    networks = trained.networks
    assert isinstance(networks, Networks)
    assert networks.restoring is not None
    plain = replace(networks, restoring=replace(networks.restoring, usual=None))
    exported = graph_of(plain, graph, trained="")
    assert (exported.differences, plain.differences, networks.differences) == ("plain", "plain", "standardised")
    search = replace(trained.search, differences="plain")
    ours, theirs = (some.score(kept.images, search, method="fast") for some in (plain, exported))
    np.testing.assert_allclose(theirs.discrimination, ours.discrimination, rtol=1e-4)
    np.testing.assert_allclose(theirs.residual, ours.residual, rtol=1e-4)
    with pytest.raises(ConfigError, match="measure plain differences"):
        Detector(exported, crop=trained.crop, search=trained.search, method="fast")


def test_spoiled_subjects_are_the_same_but_for_a_part(trained: Detector, kept: Sample) -> None:
    seen = with_spoiled(kept)
    count = len(kept.images)
    changed = (seen.images[:count] != seen.images[count:]).any(axis=(0, 3))
    assert changed[12:20, 12:20].all()
    assert changed.sum() == 64
    scores = trained.score(seen.images, seen.descriptors).score
    assert 0 < np.sum(scores[count:] > trained.threshold(0.05)) < count  # verdicts vary


@pytest.mark.parametrize("wrong", ["score", "maps", "threshold"])
def test_a_model_that_judges_otherwise_is_not_written(
    wrong: str, trained: Detector, kept: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = ExportedNetworks.score

    def off(self: ExportedNetworks, *args: object, **options: object) -> Scored:
        scored = honest(self, *args, **options)  # type: ignore[arg-type]
        if wrong == "maps":
            return replace(scored, maps=scored.maps + np.float32(0.01))
        moved = 0.01 if wrong == "score" else 1e-2 * (np.arange(len(scored.score)) == 3)
        return replace(scored, parts={name: values * (1 + moved) for name, values in scored.parts.items()})

    monkeypatch.setattr(ExportedNetworks, "score", off)
    out = tmp_path / "folder" / "off.cafepick"
    with pytest.raises(ExportError, match=r"does not judge as the trained one does: of 200 subjects.*Nothing was writ"):
        export(trained, out, "onnx", kept, source="kept aside", progress=quiet)
    assert not list(tmp_path.rglob("*.cafepick"))


def test_a_file_that_scores_otherwise_when_opened_is_not_kept(
    trained: Detector, kept: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = ExportedNetworks.from_tensors

    def damaged(*args: object, **options: object) -> ExportedNetworks:
        networks = opened(*args, **options)  # type: ignore[arg-type]
        return replace(networks, run=lambda crops: {**networks.run(crops), "logit": np.ones(len(crops), np.float32)})

    monkeypatch.setattr(ExportedNetworks, "from_tensors", damaged)
    with pytest.raises(ExportError, match="scores otherwise once it is written"):
        export(trained, tmp_path / "off.cafepick", "onnx", kept, source="kept aside", progress=quiet)
    assert not list(tmp_path.iterdir())


def test_only_a_trained_model_with_encoder_and_calibration_is_exported(
    tiny_detector: Detector, trained: Detector, exported_model: Path, kept: Sample, tmp_path: Path
) -> None:
    def write(detector: Detector) -> None:
        export(detector, tmp_path / "out.cafepick", "onnx", kept, source="kept aside", progress=quiet)

    with pytest.raises(ConfigError, match=r"has no encoder: train one that has, as with --set encoder\.steps"):
        write(tiny_detector)
    with pytest.raises(ConfigError, match="exported one already: export the trained model"):
        write(Detector.load(exported_model))
    with pytest.raises(CalibrationError, match="cafepick calibrate GOOD_PHOTOS"):
        write(trained.with_search(trained.search))
    assert not list(tmp_path.iterdir())


TAUGHT = ["--recipe", "quick", "--steps", "24", "--hold-back", "0.3", "--set", "gan.batch=16"]
TAUGHT += ["--set", "encoder.steps=300", "--set", "encoder.batch=16", "--set", "fusion.comparison=1"]
TAUGHT += ["--set", "search.steps=2", "--set", "search.refine_steps=1"]  # the other methods, which cost most


@pytest.fixture(scope="module")
def taught_on_trays(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of real size that the real command taught from photographs of good beans, though not for long."""
    model = tmp_path_factory.mktemp("trays") / "beans.cafepick"
    words = [*CAFEPICK, "train", str(data_dir / "trays" / "healthy"), "--model", str(model), *TAUGHT]
    subprocess.run(words, check=True, env=ONE_THREAD, capture_output=True, timeout=280)
    return model


@pytest.mark.data
@pytest.mark.parametrize("graph", FORMATS)
def test_a_thousand_real_beans_are_judged_alike(
    graph: GraphFormat, taught_on_trays: Path, data_dir: Path, tmp_path: Path
) -> None:
    out = tmp_path / "exported.cafepick"
    words = [*CAFEPICK, "export", "--model", str(taught_on_trays), "--format", graph, "--out", str(out)]
    subprocess.run(words, check=True, env=ONE_THREAD, capture_output=True, timeout=250)
    trained, exported = Detector.load(taught_on_trays, precision="float32"), Detector.load(out)
    crops = []
    for path in sorted((data_dir / "trays").rglob("*.jpg")):
        crops += [crop for crop in trained.prepare(read_photo(path)).crops if crop is not None]
        if len(crops) >= 1000:
            break
    seen = Sample(np.stack([crop.image for crop in crops]), describe_all(crops))
    ours, theirs = trained.score(seen.images, seen.descriptors), exported.score(seen.images, seen.descriptors)
    assert trained.calibration is not None
    assert exported.calibration is not None
    found = agreement_of(ours, theirs, (trained.calibration, exported.calibration))
    assert found.subjects >= 1000
    assert found.objections() == []
    assert (found.different, found.on_threshold) == (0, 0)
