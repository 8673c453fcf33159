"""A whole training keeps its promises: the same seed teaches the same model, and good subjects alone teach it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from cafepick.artefact import load_artefact, save_artefact
from cafepick.config import CropConfig, FusionConfig, Recipe, SubjectKind, named_recipe
from cafepick.data.demo import DemoData, write_demo_data
from cafepick.data.sources import Source, open_source
from cafepick.detector import Detector
from cafepick.errors import ArtefactError, CalibrationError, TrainingError
from cafepick.export import drawn_sample, export
from cafepick.images import read_photo, write_image
from cafepick.jobs.calibrate import calibrate_on
from cafepick.jobs.evaluate import Evaluation, evaluate_source
from cafepick.jobs.gather import gather
from cafepick.jobs.seen import KEPT, learnt_prints, print_of
from cafepick.jobs.teach import Lesson, teach
from cafepick.scoring.omissions import SEEN_BEFORE
from cafepick.training.variety import COLLAPSED

SIZE = 32
RATE = 0.1


def silent(*_: object) -> None: ...


def small_recipe() -> Recipe:
    """All stages of the quick recipe, each as short as can be, the encoder's too."""
    recipe = named_recipe("quick", size=SIZE, channels=3)
    return replace(
        recipe,
        model=replace(recipe.model, width=8, latent=16),
        gan=replace(recipe.gan, steps=4, batch=8),
        encoder=replace(recipe.encoder, steps=4, batch=8),
        search=replace(recipe.search, steps=4, refine_steps=2, candidates=4),
    )


def taught(
    source: Path,
    model: Path,
    *,
    seed: int = 0,
    hold_back: float = 0.4,
    subject: SubjectKind = "beans",
    recipe: Recipe | None = None,
) -> Path:
    """Train on the photos of ``source``; return the model."""
    teach(
        Lesson(
            source=open_source(source, purpose="train"),
            model=model,
            run=model.with_suffix(".run"),
            crop=CropConfig(size=SIZE, subject=subject),
            recipe=recipe or small_recipe(),
            recipe_name="quick",
            hold_back=hold_back,
            seed=seed,
        ),
        progress=silent,
    )
    return model


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DemoData:
    """Four trays of good beans, one with defects."""
    return write_demo_data(tmp_path_factory.mktemp("drawn"), train_trays=4, test_trays=1, beans=14)


@pytest.fixture(scope="module")
def model(data: DemoData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return taught(data.train[0].parent, tmp_path_factory.mktemp("model") / "beans.cafepick")


def differences(one: Path, other: Path) -> list[str]:
    """Return the names of the tensors in which two models differ."""
    ours, theirs = load_artefact(one).tensors, load_artefact(other).tensors
    assert ours.keys() == theirs.keys()
    return [name for name in ours if not np.array_equal(ours[name], theirs[name])]


def test_the_same_seed_teaches_the_same_model_in_every_stage(data: DemoData, model: Path, tmp_path: Path) -> None:
    again = taught(data.train[0].parent, tmp_path / "again.cafepick")
    assert differences(model, again) == []
    stages = {name.partition(".")[0] for name in load_artefact(model).tensors}
    assert {
        "generator",
        "discriminator",
        "encoder",
        "decoder",
        "comparison",
        "usual",
        "appearance",
        "calibration",
    } <= stages
    other = taught(data.train[0].parent, tmp_path / "other.cafepick", seed=1)
    assert {name.partition(".")[0] for name in differences(model, other)} >= {"generator", "encoder", "calibration"}


def test_a_model_tells_how_varied_its_generator_draws(model: Path) -> None:
    facts = load_artefact(model).header["training"]
    assert 0 < facts["variety"] < COLLAPSED, "four steps teach no variety"


def test_a_model_tells_whether_a_light_of_its_own_set_its_threshold(
    data: DemoData, model: Path, tmp_path: Path
) -> None:
    training = load_artefact(model).header["training"]
    assert (training["alone"], len(learnt_prints({"training": training})), KEPT in training) == (0, 4, False)
    photos = tmp_path / "photos"
    photos.mkdir()
    shutil.copy(data.train[0], photos)
    evening = read_photo(data.train[1]) * np.array([1.0, 0.93, 0.8])
    write_image(photos / "evening.png", evening.astype(np.uint8))
    other = taught(photos, tmp_path / "other.cafepick")
    assert load_artefact(other).header["training"]["alone"] == 1


@pytest.mark.parametrize(
    ("stage", "left"),
    [("teach", ["log.csv", "curves.png", "samples/step_000004.png"]), ("restore", ["encoder_log.csv", "encoder.png"])],
)
def test_a_training_that_dies_at_a_checkpoint_leaves_all_that_belongs_to_it(
    data: DemoData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, left: list[str]
) -> None:
    """Who goes on from a checkpoint does not write again what came before it."""

    def save_and_die(run: Path, *args: object, **options: object) -> None:
        assert [name for name in left if not (run / name).is_file()] == []
        raise KeyboardInterrupt

    monkeypatch.setattr(f"cafepick.jobs.{stage}.save_checkpoint", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        taught(data.train[0].parent, tmp_path / "beans.cafepick")


def test_an_evaluation_tells_of_photos_kept_aside_and_they_may_calibrate(data: DemoData, tmp_path: Path) -> None:
    small, paper = small_recipe(), named_recipe("anogan", size=SIZE, channels=3)
    paper = replace(paper, model=small.model, gan=replace(paper.gan, steps=4, batch=8), search=small.search)
    folder = data.train[0].parent
    detector = Detector.load(taught(folder, tmp_path / "paper.cafepick", recipe=paper))
    job = Evaluation(source=open_source(folder.parent), detector=detector, out=tmp_path / "out", false_reject=RATE)
    metrics = evaluate_source(job, progress=silent).metrics
    assert metrics["subjects"]["good_photos"] == metrics["subjects"]["good_photos_seen"]
    (seen,) = (one for one in metrics["omitted"] if one["about"] == SEEN_BEFORE)
    assert seen["values"] == {"learnt": 4, "photos": 4}
    source = open_source(folder, purpose="train")
    of_photo = {print_of(read_photo(item.path)): item for item in source.items}
    kept = of_photo.keys() - learnt_prints(detector.facts, "training")
    assert 0 < len(kept) < 4
    those = replace(source, items=tuple(of_photo[one] for one in kept))
    ready, _ = calibrate_on(detector, those, progress=silent)
    assert learnt_prints(ready.facts, "calibration") == kept
    with pytest.raises(CalibrationError, match="are among those that the model learnt from"):
        calibrate_on(detector, source, progress=silent)


def test_too_few_subjects_are_refused_before_the_training(data: DemoData, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="at least 4 of them to learn from, got 2"):
        taught(data.train[0].parent, tmp_path / "few.cafepick", subject="whole")  # four photos, two of them kept aside
    assert not (tmp_path / "few.run").exists()


def test_defective_subjects_beside_the_good_ones_teach_nothing(data: DemoData, model: Path, tmp_path: Path) -> None:
    for path in data.train:
        target = tmp_path / "lot" / "good" / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    for label in ("black", "sour"):
        (tmp_path / "lot" / label).mkdir()
        shutil.copyfile(data.test[0], tmp_path / "lot" / label / "tray.jpg")
    assert differences(model, taught(tmp_path / "lot", tmp_path / "lot.cafepick")) == []


@pytest.mark.parametrize("method", ["fast", "refine", "exact"])
def test_each_method_gives_a_bean_one_score_whatever_surrounds_it(
    data: DemoData, model: Path, method: str, one_and_two_threads: Callable[[Callable[[], object]], list[object]]
) -> None:
    photos = [read_photo(path) for path in (*data.test, data.train[0])]

    def scores(detector: Detector, prepared: list) -> list[np.ndarray]:
        judged = detector.judge(prepared, false_reject=RATE)
        return [np.array([one.scores.score for one in verdicts if one.scores]) for verdicts in judged]

    def everything() -> list[np.ndarray]:
        detector = Detector.load(model, method=method)
        prepared = [detector.prepare(photo) for photo in photos]
        together = scores(detector, prepared)
        backwards = scores(detector, prepared[::-1])[::-1]
        alone = [scores(detector, [photo])[0] for photo in prepared]
        for one, two, three in zip(together, backwards, alone, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-4)
            np.testing.assert_allclose(one, three, rtol=1e-4)
        return together

    one_thread, two_threads = one_and_two_threads(everything)
    for one, two in zip(one_thread, two_threads, strict=True):  # type: ignore[call-overload]
        np.testing.assert_allclose(one, two, rtol=1e-4)


@pytest.fixture
def one_and_two_threads() -> Callable[[Callable[[], object]], list[object]]:
    """Run something with one thread of torch, then with two."""
    import torch

    def run(work: Callable[[], object]) -> list[object]:
        before, results = torch.get_num_threads(), []
        try:
            for threads in (1, 2):
                torch.set_num_threads(threads)
                results.append(work())
        finally:
            torch.set_num_threads(before)
        return results

    return run


def test_each_method_is_saved_with_its_own_threshold(data: DemoData, model: Path, tmp_path: Path) -> None:
    for method in ("fast", "refine", "exact"):
        before = Detector.load(model, method=method)
        before.save(tmp_path / "again.cafepick")
        after = Detector.load(tmp_path / "again.cafepick", method=method)
        photo = read_photo(data.test[0])
        ours, theirs = (one.inspect(photo, false_reject=RATE) for one in (before, after))
        assert [(v.scores, v.p_value, v.judgement) for v in ours] == [
            (v.scores, v.p_value, v.judgement) for v in theirs
        ]
    assert len({Detector.load(model, method=method).threshold(RATE) for method in ("fast", "refine", "exact")}) == 3


def woven(random: np.random.Generator, *, smeared: bool = False) -> np.ndarray:
    """(160, 160, 3) cloth of threads five pixels wide, of which a crop of 32 pixels shows nothing; or with a smear."""
    y, x = np.mgrid[:160, :160] + random.uniform(0, 20, (2, 1, 1))
    light = 110 + 60 * np.abs(np.sin(np.pi * np.where((x // 5 + y // 5) % 2, x, y) / 5))
    if smeared:
        light[100:130, 20:50] = cv2.GaussianBlur(light, (0, 0), 4)[100:130, 20:50]
    noisy = light[..., None] * np.array([1.0, 0.9, 0.8]) + random.normal(0, 3, (160, 160, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def cloth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 30 photos of good cloth."""
    folder, random = tmp_path_factory.mktemp("cloth"), np.random.default_rng(5)
    for number in range(30):
        write_image(folder / f"{number:02}.png", woven(random))
    return folder


@pytest.fixture(scope="module")
def cloth_model(cloth: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return taught(cloth, tmp_path_factory.mktemp("model") / "cloth.cafepick", subject="whole")


def test_what_is_too_fine_for_a_crop_is_told_by_a_closer_look(cloth_model: Path) -> None:
    random, detector = np.random.default_rng(6), Detector.load(cloth_model)
    assert (detector.crop.size, detector.crop.detail) == (SIZE, 160)
    assert detector.facts["training"]["alone"] == 0, "what is measured on a grid tells no light"
    good, smeared = (
        [detector.inspect(woven(random, smeared=spoiled), false_reject=RATE)[0] for _ in range(12)]
        for spoiled in (False, True)
    )
    scores = [[one.scores.score for one in some if one.scores is not None] for some in (good, smeared)]
    assert min(scores[1]) > max(scores[0])
    assert {one.judgement.value for one in smeared} == {"NG"}
    assert {one.why.key for one in smeared if one.why is not None} == {"area"}
    where = np.mean([one.evidence.anomaly_map for one in smeared if one.evidence is not None], axis=0)
    y, x = np.unravel_index(int(where.argmax()), where.shape)
    assert 100 <= 5 * y < 130
    assert 20 <= 5 * x < 50


def test_a_photo_too_small_for_the_closer_look_is_told(cloth_model: Path) -> None:
    random, detector = np.random.default_rng(8), Detector.load(cloth_model)
    assert detector.oddities(detector.prepare(woven(random))) == []
    small = np.ascontiguousarray(woven(random)[:, :90])
    (told,) = detector.oddities(detector.prepare(small))
    assert told == "the photo shows 90 pixels a side, good ones were seen with 160: take larger photos"


def test_an_exported_model_looks_as_closely(cloth_model: Path, tmp_path: Path) -> None:
    trained, random = Detector.load(cloth_model, precision="float32"), np.random.default_rng(7)
    export(trained, tmp_path / "cloth.onnx.cafepick", "onnx", drawn_sample(trained), source="drawn", progress=silent)
    exported = Detector.load(tmp_path / "cloth.onnx.cafepick")
    for photo in (woven(random), woven(random, smeared=True)):
        (ours,), (theirs,) = trained.inspect(photo, false_reject=RATE), exported.inspect(photo, false_reject=RATE)
        assert theirs.judgement is ours.judgement
        assert ours.scores is not None
        assert theirs.scores is not None
        assert theirs.scores.score == pytest.approx(ours.scores.score, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize(("appearance", "closely"), [(1.0, True), (0.0, False)])
def test_only_a_recipe_that_asks_for_the_appearance_looks_closely(
    cloth: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, appearance: float, closely: bool
) -> None:
    class AskedError(Exception): ...

    def gather(*_: object, closer: bool, **__: object) -> None:
        assert closer is closely
        raise AskedError

    monkeypatch.setattr("cafepick.jobs.teach.gather", gather)
    recipe = replace(small_recipe(), fusion=FusionConfig(appearance=appearance))
    with pytest.raises(AskedError):
        taught(cloth, tmp_path / "cloth.cafepick", subject="whole", recipe=recipe)


def test_how_closely_goes_by_the_size_of_the_photos(cloth: Path, tmp_path: Path) -> None:
    for number in range(9):
        write_image(
            tmp_path / f"{number:02}.png", read_photo(cloth / f"{number:02}.png")[:, : 60 if number < 5 else 160]
        )
    (tmp_path / "09.png").write_bytes(b"no photo")
    small, large = (open_source(folder, purpose="train") for folder in (tmp_path, cloth))
    config = CropConfig(size=SIZE, subject="whole")

    def looked(source: Source, config: CropConfig, *, closer: bool = True) -> int | None:
        return gather(source, config, closer=closer, progress=silent).config.detail

    assert looked(large, config) == 160
    assert looked(large, replace(config, centre=100)) == 96
    assert looked(large, replace(config, size=96)) is None
    assert looked(large, config, closer=False) is None
    assert looked(small, config) is None, "most of these show hardly more than a crop"


def test_a_model_whose_closer_look_is_not_what_it_learnt_is_refused(cloth_model: Path, tmp_path: Path) -> None:
    artefact = load_artefact(cloth_model)
    header = {**artefact.header, "crop": {**artefact.header["crop"], "detail": 128}}
    save_artefact(tmp_path / "other.cafepick", header, artefact.tensors)
    with pytest.raises(ArtefactError, match="another closer look"):
        Detector.load(tmp_path / "other.cafepick")
