"""A whole training keeps its promises: the same seed teaches the same model, and good subjects alone teach it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cafepick.artefact import load_artefact
from cafepick.config import CropConfig, Recipe, SubjectKind, named_recipe
from cafepick.data.demo import DemoData, write_demo_data
from cafepick.data.sources import open_source
from cafepick.detector import Detector
from cafepick.errors import CalibrationError, TrainingError
from cafepick.images import read_photo
from cafepick.jobs.calibrate import calibrate_on
from cafepick.jobs.evaluate import Evaluation, evaluate_source
from cafepick.jobs.seen import learnt_prints, print_of
from cafepick.jobs.teach import Lesson, teach
from cafepick.scoring.omissions import SEEN_BEFORE

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
