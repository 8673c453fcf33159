"""An evaluation says what is true of the verdicts of ``detect``, for every kind of label, and fails in words."""

from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cafepick.cli.evaluate import summary
from cafepick.config import CropConfig
from cafepick.data.demo import DemoData, write_demo_data
from cafepick.data.labels import read_labels
from cafepick.data.sources import open_source
from cafepick.detector import Detector
from cafepick.errors import CalibrationError, ConfigError, SourceError
from cafepick.images import read_photo, write_image
from cafepick.jobs import inspect
from cafepick.jobs.evaluate import Evaluated, Evaluation, _identity, evaluate_source
from cafepick.jobs.inspect import COLUMNS, PART_COLUMNS, Inspection, inspect_source
from cafepick.jobs.notebook import Notebook
from cafepick.jobs.notes import PhotoNotes
from cafepick.jobs.seen import FIELD, print_of, record_of
from cafepick.jobs.truth import Labelling
from cafepick.models.build import build_generator
from cafepick.scoring.calibrate import Calibration
from cafepick.scoring.evaluation import PixelTruth
from cafepick.types import Judgement, SubjectRow

RATE = 0.05


def silent(*_: object) -> None: ...


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> DemoData:
    return write_demo_data(tmp_path_factory.mktemp("demo"), train_trays=2, test_trays=2, beans=20)


@pytest.fixture
def evaluate(tiny_detector, tmp_path):
    def run(source, *, model=tiny_detector, **labelling):
        job = Evaluation(
            source=source, detector=model, out=tmp_path, labelling=Labelling(**labelling), false_reject=RATE
        )
        return evaluate_source(job, progress=silent)

    return run


@pytest.fixture(scope="module")
def annotated(data, tiny_detector, tmp_path_factory) -> Evaluated:
    """What an evaluation says of the photos with annotated outlines."""
    out = tmp_path_factory.mktemp("annotated")
    job = Evaluation(source=open_source(data.annotations), detector=tiny_detector, out=out, false_reject=RATE)
    return evaluate_source(job, progress=silent)


def changed(detector: Detector, **parts: Any) -> Detector:
    """The detector with some of its parts exchanged."""
    names = ("crop", "search", "calibration", "pixel_threshold", "facts")
    kept = {name: getattr(detector, name) for name in names}
    return Detector(parts.pop("networks", detector.networks), **{**kept, **parts})


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def said_of(metrics: dict[str, Any]) -> list[str]:
    return [f"{one['about']}: {one['text']}" for one in metrics["omitted"]]


def test_scores_are_those_of_detect_with_a_label_beside(data, tiny_detector, evaluate, tmp_path):
    source = open_source(data.folder)
    evaluate(source)
    inspect_source(
        Inspection(source=source, detector=tiny_detector, out=tmp_path / "detect", false_reject=RATE, panels="none"),
        progress=silent,
    )
    ours, theirs = rows_of(tmp_path / "scores.csv"), rows_of(tmp_path / "detect" / "scores.csv")
    assert list(ours[0]) == [*COLUMNS, *PART_COLUMNS, "label"]
    assert [{name: row[name] for name in (*COLUMNS, *PART_COLUMNS)} for row in ours] == theirs


def test_everything_is_written_and_metrics_are_plain_json(data, evaluate, tmp_path):
    result = evaluate(open_source(data.folder))
    assert json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8")) == result.metrics
    assert (tmp_path / "report.html").stat().st_size > 1000
    assert result.metrics["schema"] == 2
    assert [one["rate"] for one in result.metrics["promise"]] == [0.01, 0.02, 0.05, 0.1]
    assert "AUROC" in summary(result.metrics)


def test_every_number_is_documented(annotated):
    documented = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    parts = [annotated.metrics, annotated.metrics["subjects"], annotated.metrics["finding"]]
    missing = [key for part in parts for key in part if not re.search(rf"`[\w.]*\b{key}\b`", documented)]
    assert not missing


def test_only_what_the_calibration_supports_is_promised(data, tiny_detector, evaluate):
    model = changed(tiny_detector, calibration=Calibration.fit(tiny_detector.calibration.scores[:40]))
    promises = evaluate(open_source(data.folder), model=model).metrics["promise"]
    assert [one["rate"] for one in promises] == [0.05, 0.1]


def test_a_mask_says_which_beans_of_a_photo_are_defective(data, evaluate):
    metrics = evaluate(open_source(data.folder)).metrics
    truth = json.loads(data.annotations.read_text(encoding="utf-8"))
    good = sum(one["category_id"] == 1 for one in truth["annotations"])
    assert metrics["subjects"]["good"] == pytest.approx(good, abs=2)
    assert metrics["subjects"]["defect"] == pytest.approx(len(truth["annotations"]) - good, abs=2)
    assert (metrics["pixel"]["images"], metrics["pixel"]["block"]) == (2, 3)
    assert all(0 <= metrics["pixel"][name] <= 1 for name in ("auroc", "average_precision", "aupro", "iou"))


def test_annotated_outlines_give_their_class_to_the_beans_found(annotated):
    metrics = annotated.metrics
    finding = metrics["finding"]
    assert finding["annotated"] == 40
    assert finding["recall"] > 0.9
    assert finding["precision"] > 0.9
    assert finding["median_iou"] > 0.9
    assert sum(finding["not_found"].values()) == round(40 * (1 - finding["recall"]))
    assert len(metrics["classes"]) > 3
    assert metrics["pixel"] is None
    assert "pixel: the source has no masks" in said_of(metrics)


def test_annotated_outlines_can_be_judged_themselves(data, evaluate):
    metrics = evaluate(open_source(data.annotations), use_outlines=True).metrics
    judged = metrics["subjects"]
    assert judged["good"] + judged["defect"] + judged["cut"] == 40
    assert metrics["finding"] is None
    assert any("--use-outlines" in reason for reason in said_of(metrics))


def test_a_bean_that_no_outline_matches_has_no_label(data, evaluate):
    source = open_source(data.annotations)
    first = source.items[0]
    one_less = replace(first, outlines=first.outlines[1:], outline_labels=first.outline_labels[1:])
    result = evaluate(replace(source, items=(one_less,)))
    unmatched = [row for row in result.subjects if row.label is None]
    assert result.metrics["subjects"]["unmatched"] == len(unmatched) == 1
    assert result.metrics["finding"]["precision"] < 1


def test_any_class_can_be_the_good_one(data, evaluate, annotated):
    source, usual = open_source(data.annotations), annotated.metrics
    turned = evaluate(source, good=("GOOD", "black", "foreign")).metrics
    assert turned["subjects"]["good"] > usual["subjects"]["good"]
    assert set(usual["classes"]) - set(turned["classes"]) <= {"black", "foreign"}
    with pytest.raises(ConfigError, match=r"--good helthy is none of the classes .*black"):
        evaluate(source, good=("helthy",))


def test_mistakes_are_the_worst_of_each_kind(annotated):
    result = annotated
    kinds = [mistake.row.label == "good" for mistake in result.mistakes]
    assert kinds == sorted(kinds, reverse=True)  # false rejects first
    missed = [mistake.row.score for mistake in result.mistakes if mistake.row.label != "good"]
    assert missed == sorted(missed)
    everything_missed = [r.score for r in result.subjects if r.label not in ("good", None) and r.verdict == "OK"]
    assert missed == sorted(everything_missed)[:12]
    assert all(mistake.panel.dtype == np.uint8 and mistake.panel.ndim == 3 for mistake in result.mistakes)
    assert all((mistake.why is not None) == (mistake.row.label == "good") for mistake in result.mistakes)


def test_a_table_of_labels_goes_before_all_else(data, evaluate, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text(
        "image,bean,label\ntest/mixed/tray_000.jpg,,good\ntest/mixed/tray_000.jpg,3,sour\n"
        "test/mixed/tray_000.jpg,99,sour\nelsewhere.jpg,,good\n"
    )
    result = evaluate(open_source(data.folder), labels=read_labels(table))
    labels = {(row.image, row.bean): row.label for row in result.subjects}
    assert labels["test/mixed/tray_000.jpg", 3] == "sour"
    assert labels["test/mixed/tray_000.jpg", 4] == "good"
    assert labels["test/mixed/tray_001.jpg", 1] is None
    assert result.metrics["subjects"]["unmatched"] > 10
    reasons = "\n".join(said_of(result.metrics))
    assert "labels: 1 labelled photos are not in the source, first elsewhere.jpg" in reasons
    assert "labels: 1 labelled beans were not found, first bean 99 of test/mixed/tray_000.jpg" in reasons


def test_one_class_only_still_gives_its_rates(data, tiny_detector, evaluate):
    prints = record_of(print_of(read_photo(path)) for path in list((data.folder / "train").rglob("*.jpg"))[:1])
    model = changed(tiny_detector, facts={"training": {FIELD: prints}})
    good = evaluate(open_source(data.folder / "train"), model=model).metrics
    assert good["auroc"] is None
    assert 0 <= good["false_reject"]["realised"]["value"] <= 1
    assert "auroc: there is no defective subject" in said_of(good)
    assert any(reason.startswith("seen_before: 1 of 2 photos are among") for reason in said_of(good))
    assert (good["subjects"]["good_photos"], good["subjects"]["good_photos_seen"]) == (2, 1)
    bad = evaluate(open_source(data.folder / "test")).metrics
    assert bad["false_reject"]["realised"] is None
    assert bad["miss_rate"]["value"] > 0
    assert any("none of the classes mixed means good" in reason for reason in said_of(bad))


def test_the_calibration_told_is_that_of_the_way_that_judged(data, tiny_detector, evaluate):
    of_another = {"subjects": 999, "fusion": {"reconstruction": 9.0}, "pixel_threshold": 9.0}
    record = {**of_another, "source": "a lot", "history": [{**of_another, "source": "the lot before"}]}
    model = changed(tiny_detector, facts={"calibration": record})
    told = evaluate(open_source(data.folder / "test"), model=model).metrics["calibration"]
    assert told == {
        "source": "a lot",
        "subjects": len(tiny_detector.calibration.scores),
        "pixel_threshold": tiny_detector.pixel_threshold,
        "history": [{"subjects": 999, "source": "the lot before"}],
    }


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def copied(data, folder: Path) -> Path:
    """Two good and two bad photos in the MVTec layout, small enough to be read often."""
    for name in ("train/good/a.jpg", "test/good/a.jpg", "test/good/b.jpg"):
        copy(data.train[0], folder / name)
    for name in ("a", "b"):
        copy(data.test[0], folder / "test" / "mixed" / f"{name}.jpg")
        copy(data.masks[0], folder / "ground_truth" / "mixed" / f"{name}_mask.png")
    return folder


def test_photos_and_masks_that_cannot_be_used_are_named(data, evaluate, tmp_path):
    folder = copied(data, tmp_path / "mvtec")
    (folder / "test/good/b.jpg").write_bytes(b"no photo")
    write_image(folder / "ground_truth/mixed/b_mask.png", np.zeros((20, 30), bool))
    result = evaluate(open_source(folder))
    assert [failure.name for failure in result.failures] == ["test/good/b.jpg", "test/mixed/b.jpg"]
    assert "must have the size of its photo, 1200 x 900, but has 30 x 20" in result.failures[1].reason
    assert result.metrics["subjects"]["photos"] == 2
    assert [one["image"] for one in result.metrics["subjects"]["unreadable"]] == ["test/good/b.jpg", "test/mixed/b.jpg"]
    assert result.metrics["pixel"]["images"] == 2


def test_a_bad_photo_without_a_mask_is_left_out_of_the_pixels(data, evaluate, tmp_path):
    folder = copied(data, tmp_path / "mvtec")
    (folder / "ground_truth/mixed/b_mask.png").unlink()
    metrics = evaluate(open_source(folder)).metrics
    assert metrics["pixel"]["images"] == 3
    assert "pixel: 1 photos with defects have no mask and are left out" in said_of(metrics)


def test_a_mask_that_marks_nothing_is_told(data, evaluate, tmp_path):
    folder = copied(data, tmp_path / "mvtec")
    said = "masks: 1 masks mark no bean of their photo, so all count as good, first that of test/mixed/b.jpg"
    assert said not in said_of(evaluate(open_source(folder)).metrics)
    write_image(folder / "ground_truth/mixed/b_mask.png", np.zeros((900, 1200), bool))
    assert said in said_of(evaluate(open_source(folder)).metrics)
    write_image(folder / "ground_truth/mixed/a_mask.png", np.zeros((900, 1200), bool))
    metrics = evaluate(open_source(folder)).metrics
    assert metrics["subjects"]["defect"] == 0
    assert "pixel: no mask that could be used marks a defect" in said_of(metrics)


def test_annotations_beyond_the_photo_are_no_obstacle(data, evaluate, tmp_path):
    copy(data.test[0], tmp_path / "a.jpg")
    truth = json.loads(data.annotations.read_text(encoding="utf-8"))
    truth["images"] = [{"id": 1, "file_name": "a.jpg"}]
    truth["annotations"] = [one for one in truth["annotations"] if one["image_id"] == 1]
    shapes = (
        [[0, 0, 9e4, 0, 9e4, 9e4]],
        [[-50, -50, -10, -50, -10, -10]],
        [[0, 0, 1e9, 0, 0, 1e9]],
        [[5, 5, 6, 5, 6, 6]],
    )
    for number, shape in enumerate(shapes, start=1000):
        truth["annotations"].append({"id": number, "image_id": 1, "category_id": 1, "segmentation": shape})
    (tmp_path / "coco.json").write_text(json.dumps(truth), encoding="utf-8")
    source = open_source(tmp_path / "coco.json")
    assert "left out 1 annotations" in str(source.note)
    finding = evaluate(source).metrics["finding"]
    assert (finding["annotated"], finding["recall"] > 0.8) == (23, True)
    judged = evaluate(source, use_outlines=True).metrics["subjects"]
    assert judged["good"] + judged["defect"] + judged["cut"] == 23
    assert judged["cut"] >= 2


def test_whole_photos_have_the_class_of_their_folder(data, tiny_detector, evaluate, tmp_path):
    model = changed(tiny_detector, crop=CropConfig(subject="whole", size=32))
    metrics = evaluate(open_source(copied(data, tmp_path / "mvtec")), model=model).metrics
    assert (metrics["subjects"]["good"], metrics["subjects"]["defect"]) == (2, 2)
    assert metrics["subject"] == "whole"


def test_a_photo_of_defects_whose_mask_marks_nothing_is_left_out_of_the_pixels(data, tiny_detector, evaluate, tmp_path):
    model = changed(tiny_detector, crop=CropConfig(subject="whole", size=32))
    source = open_source(copied(data, tmp_path / "mvtec"))
    write_image(tmp_path / "mvtec/ground_truth/mixed/b_mask.png", np.zeros((900, 1200), bool))
    said = "pixel: the masks of 1 photos with defects mark nothing, so they are left out, first test/mixed/b.jpg"
    for known in (model, tiny_detector):
        metrics = evaluate(source, model=known).metrics
        assert metrics["pixel"]["images"] == 3
        assert said in said_of(metrics)
    all_good = evaluate(source, model=model, good=("good", "mixed")).metrics
    assert all_good["pixel"]["images"] == 4
    assert not [said for said in said_of(all_good) if "mark nothing" in said]
    write_image(tmp_path / "mvtec/ground_truth/mixed/a_mask.png", np.zeros((900, 1200), bool))
    assert any("masks of 2 photos with defects mark nothing" in said for said in said_of(evaluate(source).metrics))


def test_an_empty_photo_is_counted_and_alone_is_an_error(data, evaluate, tmp_path):
    folder = copied(data, tmp_path / "mvtec")
    write_image(folder / "test/good/a.jpg", np.full((300, 400, 3), 240, np.uint8))
    assert evaluate(open_source(folder)).metrics["subjects"]["empty_photos"] == 1
    write_image(tmp_path / "alone" / "good" / "a.png", np.full((300, 400, 3), 240, np.uint8))
    with pytest.raises(SourceError, match=r"no subject .* of 1 photos 0 are unreadable and 1 empty"):
        evaluate(open_source(tmp_path / "alone"))


def test_labels_that_are_missing_or_match_nothing_are_errors(data, evaluate, tmp_path):
    flat = open_source(data.train[0].parent)
    with pytest.raises(SourceError, match=r"the 2 photos in .* have no labels: put them into folders"):
        evaluate(flat)
    (tmp_path / "labels.csv").write_text("image,label\nother.jpg,good\n")
    with pytest.raises(SourceError, match=r"none of the 1 photos in .*such as other.jpg"):
        evaluate(flat, labels=read_labels(tmp_path / "labels.csv"))
    with pytest.raises(ConfigError, match="--use-outlines needs outlines"):
        evaluate(open_source(data.folder), use_outlines=True)


def test_a_stopped_run_goes_on_to_the_same_result(data, tiny_detector, monkeypatch, tmp_path):
    monkeypatch.setattr(inspect, "SUBJECTS_AT_ONCE", 1)  # so that it can stop after each photo

    def evaluated(out, **more) -> Evaluated:
        job = Evaluation(
            source=open_source(data.annotations), detector=tiny_detector, out=out, false_reject=RATE, **more
        )
        return evaluate_source(job, progress=silent, stopping=lambda: "resume" not in more)

    stopped = evaluated(tmp_path)
    assert (stopped.finished, stopped.photos, stopped.metrics) == (False, 1, {})
    assert not (tmp_path / "metrics.json").exists()
    resumed = evaluated(tmp_path, resume=True)
    whole = evaluated(tmp_path / "whole", resume=True)  # nothing to take up: begins anew
    assert (resumed.finished, resumed.photos) == (True, 2)
    assert resumed.subjects == whole.subjects
    assert resumed.metrics["finding"] == whole.metrics["finding"]
    assert [(one.row, one.why) for one in resumed.mistakes] == [(one.row, one.why) for one in whole.mistakes]
    for one, other in zip(resumed.mistakes, whole.mistakes, strict=True):
        np.testing.assert_array_equal(one.panel, other.panel)


def test_what_is_noted_of_a_photo_is_read_as_it_was(tmp_path):
    ramp = np.arange(12, dtype=np.float32).reshape(3, 4)
    row = SubjectRow("a.jpg", 1, "sour", 2.0, 1.0, 1.0, 0.5, Judgement.OK)
    flags = {"without_mask": True, "unmarked": True, "learnt": True}
    noted = PhotoNotes(subjects=(row,), table=(), pixels=PixelTruth(ramp > 3, ramp, ramp > 5, block=4), **flags)
    with Notebook(tmp_path, {}, resume=False) as book:
        book.add("a.jpg", noted)
    with Notebook(tmp_path, {}, resume=True) as book:
        read = book.read("a.jpg")
    for ours, theirs in zip(read.pixels, noted.pixels, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert vars(read) | {"pixels": None} == vars(noted) | {"pixels": None}


def test_a_truth_that_changed_does_not_go_on_with_the_old_one(data, tiny_detector, tmp_path):
    job = Evaluation(source=open_source(data.annotations), detector=tiny_detector, out=tmp_path, false_reject=RATE)
    with Notebook(tmp_path, _identity(job), resume=False):
        pass
    first, *others = job.source.items
    relabelled = replace(first, outline_labels=("sour", *first.outline_labels[1:]))
    changed_source = replace(job.source, items=(relabelled, *others))
    with pytest.raises(ConfigError, match=r"cannot take up the run .* truth was .* go without --resume"):
        evaluate_source(replace(job, source=changed_source, resume=True), progress=silent)


def test_damaged_notes_are_refused(data, tiny_detector, tmp_path):
    job = Evaluation(source=open_source(data.folder), detector=tiny_detector, out=tmp_path, false_reject=RATE)
    with pytest.raises(KeyboardInterrupt):
        evaluate_source(job, progress=interrupted)
    next((tmp_path / "evaluate.partial").iterdir()).write_bytes(b"cut")
    with pytest.raises(ConfigError, match=r"the notes on .* are damaged .*: go without --resume to begin anew"):
        evaluate_source(replace(job, resume=True), progress=silent)
    assert evaluate_source(job, progress=silent).finished


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")  # of the reconstruction, which is none
def test_scores_that_are_no_numbers_are_an_error(data, tiny_detector, evaluate):
    broken = build_generator(tiny_detector.networks.config).eval()
    for weights in broken.parameters():
        weights.data.fill_(float("nan"))
    model = changed(tiny_detector, networks=replace(tiny_detector.networks, generator=broken))
    with pytest.raises(CalibrationError, match="scores must be finite numbers, got NaN"):
        evaluate(open_source(data.folder), model=model)
