"""The facade keeps its promises: one verdict a bean, the same whatever surrounds it, before and after saving."""

from __future__ import annotations

import copy
import pickle
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from cafepick import Detector
from cafepick.artefact import load_artefact, save_artefact
from cafepick.beans.conditions import Conditions, Range
from cafepick.beans.describe import describe_all
from cafepick.config import FusionConfig, SearchConfig
from cafepick.data.demo import DrawnTray, draw_tray
from cafepick.detector import KEPT_ASIDE
from cafepick.errors import ArtefactError, CalibrationError, ConfigError, PhotoError
from cafepick.jobs.calibrate import Sample, calibrate_by_kept
from cafepick.jobs.join import join
from cafepick.scoring.aside import hold_back
from cafepick.scoring.frozen import Precision
from cafepick.scoring.fusion import Fusion
from cafepick.types import Judgement, Verdict

RATE = 0.05


def scores(verdicts: list[Verdict]) -> np.ndarray:
    return np.array([verdict.scores.score for verdict in verdicts if verdict.scores])


def test_every_bean_gets_a_verdict_in_reading_order(tiny_detector: Detector, drawn_trays: list[DrawnTray]) -> None:
    verdicts = tiny_detector.inspect(drawn_trays[0].photo, false_reject=RATE)
    assert [verdict.bean for verdict in verdicts] == list(range(1, len(verdicts) + 1))
    assert len(verdicts) == pytest.approx(40, abs=2)
    height, width = drawn_trays[0].photo.shape[:2]
    for verdict in verdicts:
        assert verdict.judgement in (Judgement.OK, Judgement.NG, Judgement.CUT)
        assert -1 <= verdict.box.x <= width
        assert -1 <= verdict.box.y <= height


def test_the_verdict_is_monotone_in_the_score_and_agrees_with_the_p_value(
    tiny_detector: Detector, drawn_trays: list[DrawnTray]
) -> None:
    threshold = tiny_detector.threshold(RATE)
    for verdict in tiny_detector.inspect(drawn_trays[1].photo, false_reject=RATE):
        if verdict.scores is None or verdict.p_value is None:
            continue
        bad = verdict.judgement is Judgement.NG
        assert bad == (verdict.scores.score > threshold)
        assert bad == (verdict.p_value <= RATE)


def test_a_score_does_not_depend_on_what_else_is_judged(tiny_detector: Detector, drawn_trays: list[DrawnTray]) -> None:
    prepared = [tiny_detector.prepare(tray.photo) for tray in drawn_trays]
    together = tiny_detector.judge(prepared, false_reject=RATE)
    backwards = tiny_detector.judge(prepared[::-1], false_reject=RATE)[::-1]
    alone = [tiny_detector.inspect(tray.photo, false_reject=RATE) for tray in drawn_trays]
    for first, second, third in zip(together, backwards, alone, strict=True):
        np.testing.assert_allclose(scores(first), scores(second), rtol=1e-4)
        np.testing.assert_allclose(scores(first), scores(third), rtol=1e-4)


def test_a_score_does_not_depend_on_the_number_of_threads(
    tiny_detector: Detector, drawn_trays: list[DrawnTray]
) -> None:
    import torch

    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(scores(tiny_detector.inspect(drawn_trays[0].photo, false_reject=RATE)))
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(*found, rtol=1e-4)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_detector_that_has_judged_can_be_pickled(
    precision: Precision, quick_model: Path, drawn_trays: list[DrawnTray]
) -> None:
    used = Detector.load(quick_model, method="fast", precision=precision)
    before = scores(used.inspect(drawn_trays[0].photo, false_reject=RATE))
    copied = pickle.loads(pickle.dumps(used))
    np.testing.assert_array_equal(scores(copied.inspect(drawn_trays[0].photo, false_reject=RATE)), before)
    np.testing.assert_array_equal(scores(used.inspect(drawn_trays[0].photo, false_reject=RATE)), before)


def test_save_and_load_change_nothing(tiny_detector: Detector, tiny_model: Path, drawn_trays: list[DrawnTray]) -> None:
    loaded = Detector.load(tiny_model, precision=tiny_detector.precision)
    photo = drawn_trays[0].photo
    before, after = (d.inspect(photo, false_reject=RATE) for d in (tiny_detector, loaded))
    np.testing.assert_array_equal(scores(before), scores(after))
    assert [v.judgement for v in before] == [v.judgement for v in after]
    assert loaded.crop == tiny_detector.crop
    assert loaded.search == tiny_detector.search
    assert loaded.pixel_threshold == tiny_detector.pixel_threshold
    assert len(loaded.checksum) == 64


def test_an_empty_photo_is_one_empty_verdict(tiny_detector: Detector) -> None:
    (verdict,) = tiny_detector.inspect(np.full((300, 400, 3), 230, np.uint8), false_reject=RATE)
    assert (verdict.bean, verdict.judgement, verdict.scores, verdict.p_value) == (0, Judgement.EMPTY, None, None)


def test_a_bean_cut_by_the_frame_is_not_judged(tiny_detector: Detector, drawn_trays: list[DrawnTray]) -> None:
    tray = drawn_trays[0]
    left, top = np.asarray(tray.outlines[0]).mean(axis=0).astype(int)  # the frame now runs through the first bean
    verdicts = tiny_detector.inspect(np.ascontiguousarray(tray.photo[:, left:]), false_reject=RATE)
    cut = [verdict for verdict in verdicts if verdict.judgement is Judgement.CUT]
    assert any(abs(verdict.box.y + verdict.box.height / 2 - top) < 15 and verdict.box.x <= 1 for verdict in cut)
    assert all(verdict.scores is None and verdict.p_value is None for verdict in cut)


def test_without_calibration_the_error_names_the_command(tiny_detector: Detector, drawn_trays: list[DrawnTray]) -> None:
    bare = tiny_detector.with_search(SearchConfig(steps=5))
    with pytest.raises(CalibrationError, match="cafepick calibrate GOOD_PHOTOS --model"):
        bare.inspect(drawn_trays[0].photo)


def test_an_impossible_promise_is_refused(tiny_detector: Detector, drawn_trays: list[DrawnTray]) -> None:
    with pytest.raises(CalibrationError, match=r"false-reject rate of 0\.1.* needs at least 999 good subjects"):
        tiny_detector.inspect(drawn_trays[0].photo, false_reject=0.001)


def test_calibrating_again_keeps_the_old_record(tiny_detector: Detector, drawn_trays: list[DrawnTray]) -> None:
    crops = tiny_detector.prepare(drawn_trays[0].photo).crops
    scored = tiny_detector.score(np.stack([crop.image for crop in crops if crop]))
    again = tiny_detector.calibrated(scored, {"source": "a new lot"})
    assert again.facts["calibration"]["source"] == "a new lot"
    assert [record["source"] for record in again.facts["calibration"]["history"]] == ["drawn trays"]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"method": "magic"}, "choose one of auto, fast, refine, exact"), ({"device": "tpu"}, "auto, cpu, cuda")],
)
def test_unknown_options_are_refused(tiny_model: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Detector.load(tiny_model, **options)


@pytest.mark.parametrize(
    "photo",
    [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 4), np.uint8), np.zeros((9, 9, 3)), np.zeros((0, 9, 3), np.uint8)],
    ids=["grey", "rgba", "float", "empty"],
)
def test_what_is_no_photo_is_refused(tiny_detector: Detector, photo: np.ndarray) -> None:
    with pytest.raises(PhotoError, match=r"must be \(height, width, 3\) uint8 RGB, got .*read_photo"):
        tiny_detector.inspect(photo)


@pytest.mark.parametrize(
    ("section", "content", "said"),
    [
        ("search", {"steps": 5, "momentum": 0.9}, "unknown setting momentum"),
        ("model", {"size": "large"}, "size must be int"),
        ("calibration", {}, "pixel_threshold"),
        ("crop", None, "crop"),
    ],
)
def test_a_header_of_another_kind_is_refused(
    tiny_model: Path, tmp_path: Path, section: str, content: dict[str, object] | None, said: str
) -> None:
    artefact = load_artefact(tiny_model)
    header = {key: value for key, value in artefact.header.items() if key != section}
    path = tmp_path / "other.cafepick"
    save_artefact(path, header if content is None else header | {section: content}, artefact.tensors)
    with pytest.raises(ArtefactError, match=f"header that this cafepick cannot use .*{said}"):
        Detector.load(path)


@pytest.mark.parametrize("claims", [{"width": 1_000}, {"width": 10**9}, {"latent": 10**15}, {"width": 10**30}])
def test_networks_that_a_header_only_claims_take_no_memory(
    tiny_model: Path, tmp_path: Path, claims: dict[str, int]
) -> None:
    resource = pytest.importorskip("resource", reason="only Unix tells the memory used")
    artefact = load_artefact(tiny_model)
    path = tmp_path / "claims.cafepick"
    save_artefact(path, artefact.header | {"model": artefact.header["model"] | claims}, artefact.tensors)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ArtefactError, match="weights do not fit the model that the header describes"):
        Detector.load(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB; the first needs gigabytes


def test_weights_that_are_missing_left_over_or_of_another_shape_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    artefact = load_artefact(tiny_model)
    name = next(name for name in artefact.tensors if name.startswith("generator.") and name.endswith("weight"))
    for tensors in (
        {key: value for key, value in artefact.tensors.items() if key != name},
        artefact.tensors | {"generator.more": np.zeros(3, np.float32)},
        artefact.tensors | {name: np.zeros(3, np.float32)},
    ):
        save_artefact(tmp_path / "other.cafepick", artefact.header, tensors)
        with pytest.raises(ArtefactError, match=r"weights do not fit .*(Missing|Unexpected|size mismatch)"):
            Detector.load(tmp_path / "other.cafepick")


def test_weights_of_another_precision_are_used_as_the_networks_own(tiny_model: Path, tmp_path: Path) -> None:
    artefact = load_artefact(tiny_model)
    wide = {
        name: tensor.astype(np.float64) if name.startswith("generator.") and tensor.dtype == np.float32 else tensor
        for name, tensor in artefact.tensors.items()
    }
    save_artefact(tmp_path / "wide.cafepick", artefact.header, wide)
    ours, theirs = Detector.load(tiny_model).networks, Detector.load(tmp_path / "wide.cafepick").networks
    np.testing.assert_array_equal(ours.draw(2), theirs.draw(2))


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"there is no model .*beans\.cafepick"):
        Detector.load(tmp_path / "beans.cafepick")


@pytest.fixture(scope="module")
def fused(tiny_detector: Detector, drawn_trays: list[DrawnTray]) -> Detector:
    """The tiny detector, looking at size, shape and colour too."""
    crops = [crop for tray in drawn_trays for crop in tiny_detector.prepare(tray.photo).crops if crop]
    good = Sample(np.stack([crop.image for crop in crops]), describe_all(crops))
    weights = FusionConfig(reconstruction=0.2, appearance=1.0)
    joined = join(tiny_detector, good, good, weights, seed=0, progress=lambda *_: None)
    return calibrate_by_kept(joined.detector, joined.kept, scored=joined.scored, progress=lambda *_: None)


def test_a_fused_score_says_what_its_parts_say(fused: Detector, drawn_trays: list[DrawnTray]) -> None:
    photo = drawn_trays[0].photo.copy()
    photo[photo.sum(axis=2) < 330] //= 3  # all beans turn black
    verdicts = [verdict for verdict in fused.inspect(photo) if verdict.scores]
    assert {verdict.judgement for verdict in verdicts} == {Judgement.NG}
    for verdict in verdicts:
        assert set(verdict.parts) == {"reconstruction", "appearance"}
        assert verdict.why is not None
        assert verdict.reason
    assert sum("dark" in verdict.reason for verdict in verdicts) > len(verdicts) / 2


def test_photos_judged_together_keep_their_own_verdicts(fused: Detector, drawn_trays: list[DrawnTray]) -> None:
    black = drawn_trays[0].photo.copy()
    black[black.sum(axis=2) < 330] //= 3
    middle = int(np.asarray(drawn_trays[0].outlines[0])[:, 0].mean())  # the frame cuts the first bean
    photos = [np.ascontiguousarray(black[:, middle:]), np.full((300, 400, 3), 230, np.uint8), drawn_trays[1].photo]
    together = fused.judge([fused.prepare(photo) for photo in photos])
    assert {verdict.judgement for verdict in together[0]} == {Judgement.CUT, Judgement.NG}
    assert [verdict.judgement for verdict in together[1]] == [Judgement.EMPTY]
    for verdicts, photo in zip(together, photos, strict=True):
        alone = fused.inspect(photo)
        assert [one.bean for one in verdicts] == [one.bean for one in alone]
        for one, same in zip(verdicts, alone, strict=True):
            assert (one.judgement, one.box, one.why, one.reason) == (same.judgement, same.box, same.why, same.reason)
            assert (one.outline is None, one.evidence is None) == (same.outline is None, same.evidence is None)
            if one.outline is not None and same.outline is not None:
                np.testing.assert_array_equal(one.outline.contour, same.outline.contour)
            if one.evidence is not None and same.evidence is not None:
                np.testing.assert_array_equal(one.evidence.crop.image, same.evidence.crop.image)
                np.testing.assert_array_equal(one.evidence.segmentation, same.evidence.segmentation)


def test_good_beans_need_no_reason(fused: Detector, drawn_trays: list[DrawnTray]) -> None:
    verdicts = fused.inspect(drawn_trays[1].photo, false_reject=0.05)
    assert all(bool(verdict.reason) == (verdict.judgement is Judgement.NG) for verdict in verdicts)


def test_a_fused_detector_is_the_same_after_save_and_load(
    fused: Detector, drawn_trays: list[DrawnTray], tmp_path: Path
) -> None:
    fused.save(tmp_path / "fused.cafepick")
    again = Detector.load(tmp_path / "fused.cafepick", precision=fused.precision)
    for ours, theirs in zip(fused.inspect(drawn_trays[2].photo), again.inspect(drawn_trays[2].photo), strict=True):
        assert theirs.scores == ours.scores
        assert (theirs.p_value, theirs.parts, theirs.reason) == (ours.p_value, ours.parts, ours.reason)


def test_a_fused_detector_needs_descriptors(fused: Detector) -> None:
    with pytest.raises(ConfigError, match="give the descriptors"):
        fused.score(np.zeros((1, 32, 32, 3), np.uint8))


def test_the_realised_false_reject_rate_lies_within_its_bound(tiny_detector: Detector) -> None:
    """On good beans that set no threshold, taken like those that did: of the same trays, which nothing learnt from.

    Whole trays kept aside would not do: beans of one tray share light and lot, and six trays do not show all of these.
    """
    trays = [draw_tray(np.random.default_rng((11, n)), width=800, height=600, beans=40) for n in range(12)]
    crops = np.stack([crop.image for tray in trays for crop in tiny_detector.prepare(tray.photo).crops if crop])
    aside = hold_back(np.arange(len(crops)), share=0.5, seed=0).which
    detector = tiny_detector.calibrated(tiny_detector.score(crops[aside]), {"source": "kept aside"})
    scores = tiny_detector.score(crops[~aside]).score
    assert min(aside.sum(), (~aside).sum()) > 200
    for rate in (0.01, 0.02, 0.05, 0.1):
        promise = detector.promise(rate)
        assert np.mean(scores > promise["threshold"]) <= promise["false_reject_upper_bound"], rate


def test_a_model_that_learnt_from_other_descriptors_is_refused(fused: Detector, tmp_path: Path) -> None:
    fused.save(tmp_path / "fused.cafepick")
    artefact = load_artefact(tmp_path / "fused.cafepick")
    for header in (
        {**artefact.header, "descriptors": 2},
        {k: v for k, v in artefact.header.items() if k != "descriptors"},
    ):
        save_artefact(tmp_path / "other.cafepick", header, artefact.tensors)
        with pytest.raises(
            ArtefactError,
            match=r"measures size, shape and colour otherwise \(version \d of the descriptors, here 6\): train anew$",
        ):
            Detector.load(tmp_path / "other.cafepick")


def test_a_model_whose_parts_were_joined_by_other_scales_is_refused_without_an_appearance_too(
    tiny_detector: Detector, drawn_trays: list[DrawnTray], tmp_path: Path
) -> None:
    crops = np.stack([crop.image for crop in tiny_detector.prepare(drawn_trays[0].photo).crops if crop])
    parts = {"reconstruction": tiny_detector.score(crops).parts["reconstruction"]}
    joined = tiny_detector.with_parts(None, {tiny_detector.way: Fusion.fit(parts, {"reconstruction": 1.0})})
    joined.calibrated(joined.score(crops), {"source": "kept aside"}).save(tmp_path / "joined.cafepick")
    tiny_detector.save(tmp_path / "plain.cafepick")
    for name, refused in (("joined", True), ("plain", False)):
        artefact = load_artefact(tmp_path / f"{name}.cafepick")
        assert ("descriptors" in artefact.header) == refused
        save_artefact(tmp_path / "other.cafepick", {**artefact.header, "descriptors": 5}, artefact.tensors)
        with pytest.raises(ArtefactError, match="train anew") if refused else nullcontext():
            Detector.load(tmp_path / "other.cafepick")


@pytest.mark.parametrize("method", ["fast", "refine", "exact"])
def test_differences_are_told_a_pixel_of_the_bean_by_the_quick_methods(
    quick_model: Path, drawn_trays: list[DrawnTray], method: str
) -> None:
    detector = Detector.load(quick_model, method=method, precision="float32")
    crops = [crop for crop in detector.prepare(drawn_trays[0].photo).crops if crop]
    images, descriptors = np.stack([crop.image for crop in crops]), describe_all(crops)
    networks = detector.networks.score(images, detector.search, method=detector.method)
    pixels = 1 if method == "exact" else (images != 235).any(axis=3).sum(axis=(1, 2))
    scored = detector.score(images, descriptors)
    np.testing.assert_allclose(scored.residual, networks.residual / pixels)
    np.testing.assert_allclose(scored.discrimination, networks.discrimination / pixels)
    weight = detector.search.weight
    anomaly = (1 - weight) * scored.residual + weight * scored.discrimination
    np.testing.assert_allclose(scored.parts["reconstruction"], anomaly, rtol=1e-5)


def test_a_file_that_does_not_hold_the_differences_that_it_names_is_refused(quick_model: Path, tmp_path: Path) -> None:
    artefact, path = load_artefact(quick_model), tmp_path / "other.cafepick"
    header, tensors = artefact.header, artefact.tensors
    without = {name: tensor for name, tensor in tensors.items() if not name.startswith("usual.")}
    save_artefact(path, header, without)
    with pytest.raises(ArtefactError, match=r"cannot use .*measure plain differences .*asks for standardised ones"):
        Detector.load(path)
    plain = {**header, "search": {key: value for key, value in header["search"].items() if key != "differences"}}
    save_artefact(path, plain, tensors)
    with pytest.raises(ArtefactError, match=r"cannot use .*measure standardised differences .*asks for plain"):
        Detector.load(path)
    save_artefact(path, plain, without)  # as older files are
    assert Detector.load(path).search.differences == "plain"
    save_artefact(path, header, tensors | {"usual.mean": np.zeros(3, np.float32)})
    with pytest.raises(ArtefactError, match="weights do not fit"):
        Detector.load(path)


def test_what_the_networks_learnt_to_measure_stays(quick_model: Path) -> None:
    detector = Detector.load(quick_model)
    with pytest.raises(ConfigError, match=r"measure standardised differences .*asks for plain ones: .*train anew"):
        detector.with_search(replace(detector.search, differences="plain"))
    assert detector.with_search(replace(detector.search, steps=5)).search.steps == 5


def test_a_light_that_no_good_photo_has_is_told(fused: Detector, drawn_trays: list[DrawnTray]) -> None:
    photos = [fused.prepare(tray.photo) for tray in drawn_trays]
    known = Range.of([photo.conditions for photo in photos if photo.conditions])
    assert known is not None
    facts = {**fused.facts, "calibration": {"conditions": asdict(known)}}
    detector = Detector(fused.networks, crop=fused.crop, search=fused.search, appearance=fused.appearance, facts=facts)
    assert [said for photo in photos for said in detector.oddities(photo)] == []
    lightness, redness, yellowness = known.surface_high
    other = Conditions((lightness, redness + 6, yellowness), known.length_low)  # too little to be another colour
    (said,) = detector.oddities(replace(photos[0], conditions=other))
    assert "the light is like that of no good photo" in said
    calibrated_there = Range.of([other])
    assert calibrated_there is not None
    detector.facts["calibration"] = {"conditions": asdict(calibrated_there)}
    assert detector.oddities(replace(photos[0], conditions=other)) == []
    assert detector.oddities(photos[0]) == []  # learnt from, if not calibrated in
    far = replace(other, length=known.length_low / 10)
    assert len(Detector.oddities(detector, replace(photos[0], conditions=far))) == 1
    detector.facts["calibration"] = {"conditions": asdict(known)}
    assert len(detector.oddities(replace(photos[0], conditions=far))) == 2  # the distance, and the light


@pytest.mark.parametrize(("alone", "source", "told"), [(2, KEPT_ASIDE, 1), (0, KEPT_ASIDE, 0), (2, "evening", 0)])
def test_a_threshold_that_a_light_of_its_own_set_is_told(
    tiny_detector: Detector, alone: int, source: str, told: int
) -> None:
    facts = {"training": {"alone": alone}, "calibration": {"source": source}}
    detector = copy.copy(tiny_detector)
    detector.facts = facts
    assert len(detector.reservations()) == told
    assert tiny_detector.reservations() == []


def test_an_appearance_that_lacks_the_light_is_refused(fused: Detector, tmp_path: Path) -> None:
    fused.save(tmp_path / "fused.cafepick")
    artefact = load_artefact(tmp_path / "fused.cafepick")
    tensors = {name: values for name, values in artefact.tensors.items() if not name.startswith("appearance.light.")}
    save_artefact(tmp_path / "other.cafepick", artefact.header, tensors)
    with pytest.raises(ArtefactError, match="an appearance of other subjects than beans: train anew"):
        Detector.load(tmp_path / "other.cafepick")


@pytest.mark.parametrize("network", ["generator", "encoder", "decoder", "comparison"])
def test_weights_that_are_no_numbers_are_refused(quick_model: Path, tmp_path: Path, network: str) -> None:
    artefact = load_artefact(quick_model)
    name = min(
        name for name, values in artefact.tensors.items() if name.startswith(network) and values.dtype.kind == "f"
    )
    broken = np.array(artefact.tensors[name])
    broken.flat[0] = np.nan
    save_artefact(tmp_path / "broken.cafepick", artefact.header, {**artefact.tensors, name: broken})
    with pytest.raises(ArtefactError, match=f"{name} are not all finite"):
        Detector.load(tmp_path / "broken.cafepick")


@pytest.mark.parametrize("change", [{"size": 64}, {"channels": 1}])
def test_crops_that_the_networks_cannot_look_at_are_refused(
    quick_model: Path, tmp_path: Path, change: dict[str, int]
) -> None:
    artefact = load_artefact(quick_model)
    header = {**artefact.header, "crop": {**artefact.header["crop"], **change}}
    save_artefact(tmp_path / "other.cafepick", header, artefact.tensors)
    with pytest.raises(ArtefactError, match=r"its crops have side \d+ and \d channels, its networks take"):
        Detector.load(tmp_path / "other.cafepick")
