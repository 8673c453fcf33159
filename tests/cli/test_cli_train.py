"""``train``, ``calibrate`` and ``info`` on real files; a run that was stopped or killed goes on as if never."""

from __future__ import annotations

import errno
import json
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from cli_commands import CAFEPICK, ONE_THREAD, TINY, Run

from cafepick.artefact import load_artefact
from cafepick.cli.train import summary
from cafepick.config import CropConfig, named_recipe
from cafepick.data.demo import DemoData, write_demo_data
from cafepick.data.sources import Source
from cafepick.jobs.teach import Lesson, Taught


def train_command(photos: DemoData, model: Path, *more: object) -> list[str]:
    return [*CAFEPICK, "train", str(photos.folder / "train"), "--model", str(model), *TINY, *map(str, more)]


def weights(model: Path) -> dict[str, bytes]:
    return {name: tensor.tobytes() for name, tensor in load_artefact(model).tensors.items()}


def test_a_model_its_curves_samples_and_facts(taught: Path, photos: DemoData) -> None:
    artefact = load_artefact(taught)
    facts = artefact.header["training"]
    assert facts["recipe"] == "quick"
    assert facts["photos"] == 4
    assert facts["subjects"] + facts["held_back"] == pytest.approx(100, abs=6)
    assert artefact.header["crop"]["subject"] == "beans"
    assert artefact.header["crop"]["scale"] == "relative"
    run = taught.with_suffix(".run")
    assert (run / "curves.png").is_file()
    assert (run / "oddest.png").is_file()
    assert len((run / "oddest.csv").read_text().splitlines()) == 1 + facts["subjects"] + facts["held_back"]
    assert sorted(path.name for path in (run / "samples").iterdir()) == [
        "step_000004.png",
        "step_000008.png",
        "step_000012.png",
    ]
    assert len((run / "log.csv").read_text().splitlines()) == 13


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_run_that_was_struck_goes_on_to_the_same_model(
    blow: signal.Signals, taught: Path, photos: DemoData, tmp_path: Path
) -> None:
    model = tmp_path / "beans.cafepick"
    run = model.with_suffix(".run")
    process = subprocess.Popen(train_command(photos, model), env=ONE_THREAD, stderr=subprocess.PIPE, text=True)
    wait_for(run / "checkpoint.safetensors", process)
    process.send_signal(blow)
    process.communicate(timeout=120)
    struck = process.returncode
    if struck != 0:  # it may have been quicker than the blow
        assert struck == {signal.SIGKILL: -9}.get(blow, 130)
        assert not model.exists()
        subprocess.run(train_command(photos, model, "--resume", run), env=ONE_THREAD, check=True, capture_output=True)
    assert weights(model) == weights(taught)
    assert (run / "log.csv").read_bytes() == (taught.with_suffix(".run") / "log.csv").read_bytes()


def test_a_ctrl_c_while_the_encoder_learns_loses_nothing(photos: DemoData, tmp_path: Path) -> None:
    model = tmp_path / "beans.cafepick"
    run = model.with_suffix(".run")
    command = train_command(photos, model, "--set", "encoder.steps=20000")
    process = subprocess.Popen(command, env=ONE_THREAD, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    next(line for line in process.stderr if "training the encoder" in line)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 130
    assert (run / "encoder.safetensors").is_file(), "its steps are lost"
    reached = len((run / "encoder_log.csv").read_text().splitlines()) - 1
    again = subprocess.Popen([*command, "--resume", str(run)], env=ONE_THREAD, stderr=subprocess.PIPE, text=True)
    assert again.stderr is not None
    line = next(line for line in again.stderr if "training the encoder" in line)
    again.send_signal(signal.SIGINT)
    again.communicate(timeout=120)
    assert int(re.search(r"encoder: (\d+)/", line)[1]) > reached  # type: ignore[index]


def test_a_training_is_not_overwritten_by_chance(run: Run, taught: Path, photos: DemoData) -> None:
    folder = taught.with_suffix(".run")
    before = {path: path.read_bytes() for path in (taught, *folder.rglob("*.*")) if path.is_file()}
    ran = run(*train_command(photos, taught)[len(CAFEPICK) :])
    assert ran.status == 1
    assert f"go on with it by  --resume {folder}, delete {folder} to begin anew" in ran.err
    assert "finding beans" not in ran.err
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGTERM])
def test_a_first_ctrl_c_while_beans_are_found_is_honoured(
    blow: signal.Signals, photos: DemoData, tmp_path: Path
) -> None:
    lot = tmp_path / "lot"
    lot.mkdir()
    for number in range(150):
        shutil.copyfile(photos.train[number % 4], lot / f"{number}.jpg")
    model = tmp_path / "beans.cafepick"
    command = [*CAFEPICK, "train", str(lot), "--model", str(model), *TINY]
    process = subprocess.Popen(command, env=ONE_THREAD, stderr=subprocess.PIPE, text=True)
    wait_for(model.with_suffix(".run"), process)
    process.send_signal(blow)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert re.search("stopped while (looking for sheets|finding beans): no step was trained yet", err)
    assert "150/150" not in err, "all photos were searched before it stopped"
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == [lot]


def test_a_first_ctrl_c_while_calibrating_is_honoured(taught: Path, new_lot: Path, tmp_path: Path) -> None:
    model = tmp_path / "copy.cafepick"
    model.write_bytes(taught.read_bytes())
    slow = ("--set", "search.steps=1000", "--set", "search.patience=1000")
    process = subprocess.Popen(
        [*CAFEPICK, "calibrate", str(new_lot), "--model", str(model), *slow],
        env=ONE_THREAD,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    while "cutting crops: 4/4" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert f": {model} is as it was" in err
    assert "100/100" not in err
    assert model.read_bytes() == taught.read_bytes()
    assert list(tmp_path.iterdir()) == [model]


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert process.poll() in (None, 0), "training ended early"
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.005)


def test_other_settings_do_not_take_up_a_run(run: Run, taught: Path, photos: DemoData, tmp_path: Path) -> None:
    command = train_command(
        photos, tmp_path / "m.cafepick", "--set", "gan.batch=4", "--resume", taught.with_suffix(".run")
    )
    ran = run(*command[len(CAFEPICK) :])
    assert ran.status == 1
    assert "gan.batch was 8, is 4" in ran.err


@pytest.fixture(scope="module")
def new_lot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of good beans that no model was trained on; more beans than ``taught`` kept aside."""
    lot = write_demo_data(tmp_path_factory.mktemp("lot"), seed=1, train_trays=4, test_trays=1, beans=25)
    return lot.folder / "train"


def test_a_run_without_a_checkpoint_is_not_taken_up(run: Run, photos: DemoData, tmp_path: Path) -> None:
    for folder in (tmp_path / "nowhere.run", tmp_path / "empty.run"):
        ran = run(*train_command(photos, tmp_path / "m.cafepick", "--resume", folder)[len(CAFEPICK) :])
        assert ran.status == 1
        assert f"there is no checkpoint {folder}/checkpoint.safetensors: train without --resume first" in ran.err
        assert "finding beans" not in ran.err, "it was refused only after the work had begun"
        assert not (tmp_path / "nowhere.run").exists()
        (tmp_path / "empty.run").mkdir(exist_ok=True)


def test_a_training_that_found_nothing_leaves_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "lot").mkdir()
    (tmp_path / "lot" / "a.jpg").write_bytes(b"no photo")
    ran = run("train", tmp_path / "lot", "--model", tmp_path / "m.cafepick", *TINY)
    assert (ran.status, "no subject in" in ran.err) == (1, True)
    assert list(tmp_path.iterdir()) == [tmp_path / "lot"]


def test_calibrating_anew_replaces_the_threshold_and_keeps_the_record(
    run: Run, taught: Path, new_lot: Path, tmp_path: Path
) -> None:
    model = tmp_path / "copy.cafepick"
    model.write_bytes(taught.read_bytes())
    ran = run("calibrate", new_lot, "--model", model, "--set", "search.steps=2")
    assert ran.status == 0, ran.err
    assert re.search(r"of 100 good subjects [\d.]+ are rejected by mistake on average, at most [\d.]+ ", ran.out)
    header = load_artefact(model).header
    assert header["search"]["steps"] == 2
    assert len(header["calibration"]["history"]) == 1
    assert header["calibration"]["subjects"] > header["calibration"]["history"][0]["subjects"]


def test_calibrating_in_a_new_light_makes_it_known(run: Run, quick_model: Path, new_lot: Path, tmp_path: Path) -> None:
    model = tmp_path / "copy.cafepick"
    model.write_bytes(quick_model.read_bytes())
    (tmp_path / "copy.run").symlink_to(quick_model.with_suffix(".run"))
    ran = run("calibrate", new_lot, "--model", model)  # of four photos
    assert ran.status == 0, ran.err
    assert "their light is not learnt: that takes 5 photos or more" in ran.out
    more = write_demo_data(tmp_path / "more", seed=2, train_trays=6, test_trays=1, beans=25).folder / "train"
    assert "what is usual in their light is learnt from them too" in run("calibrate", more, "--model", model).out
    before, after = (load_artefact(file).tensors["appearance.light.counts"] for file in (quick_model, model))
    assert len(after) > len(before)
    ran = run("calibrate", "--model", model)
    assert "the light of the calibration before is forgotten" in ran.out
    assert len(load_artefact(model).tensors["appearance.light.counts"]) == len(before)
    assert "light" not in run("calibrate", "--model", model).out


def test_photos_that_the_model_learnt_from_do_not_calibrate_it(
    run: Run, taught: Path, photos: DemoData, new_lot: Path, tmp_path: Path
) -> None:
    model = tmp_path / "copy.cafepick"
    model.write_bytes(taught.read_bytes())
    ran = run("calibrate", photos.folder / "train", "--model", model)
    assert ran.status == 1
    assert f"4 of the 4 photos in {photos.folder / 'train'} are among those that the model" in ran.err
    mixed = tmp_path / "mixed"  # a copy under another name among new photos
    shutil.copytree(new_lot, mixed)
    copies = [shutil.copy(photo, mixed / "good" / f"copy_{number}.jpg") for number, photo in enumerate(photos.train)]
    ran = run("calibrate", mixed, "--model", model)
    assert ran.status == 1
    assert f"{len(copies)} of the 8 photos" in ran.err
    assert model.read_bytes() == taught.read_bytes()


def test_calibrating_without_photos_takes_those_kept_aside(run: Run, taught: Path, tmp_path: Path) -> None:
    model = tmp_path / "copy.cafepick"
    model.write_bytes(taught.read_bytes())
    assert "name a folder of good photos" in run("calibrate", "--model", model).err
    (tmp_path / "copy.run").symlink_to(taught.with_suffix(".run"))
    assert run("calibrate", "--model", model).status == 0
    assert weights(model) == weights(taught)
    ours, theirs = (load_artefact(file).tensors for file in (model, taught))
    assert ours.keys() == theirs.keys()  # thresholds and scales among them: nothing has changed
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def test_subjects_of_another_training_do_not_calibrate(run: Run, taught: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    model = tmp_path / "copy.cafepick"
    model.write_bytes(taught.read_bytes())
    (tmp_path / "copy.run").mkdir()
    kept = load_file(taught.with_suffix(".run") / "held_back.safetensors")
    save_file(
        {name: array[::-1].copy() for name, array in kept.items()}, tmp_path / "copy.run" / "held_back.safetensors"
    )
    ran = run("calibrate", "--model", model)
    assert (ran.status, "belongs to another training" in ran.err) == (1, True)
    assert weights(model) == weights(taught)


def test_info_tells_what_the_file_holds(run: Run, taught: Path, tmp_path: Path) -> None:
    ran = run("info", taught, "--samples", tmp_path / "samples.png")
    assert ran.status == 0
    assert "training.recipe" in ran.out
    assert max(map(len, ran.out.splitlines())) < 300
    assert (tmp_path / "samples.png").is_file()
    assert json.loads(run("info", taught, "--json").out) == load_artefact(taught).header


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--recipe", "magic"), "choose one of"),
        (("--size", "8"), "--size must lie in"),
        (("--set", "gan.lr=1"), "unknown setting gan.lr"),
        (("--steps", "0"), "--steps must be above 0"),
        (("--crop", "64", "--subject", "beans"), "--subject whole"),
        (("--config", "nowhere.toml"), "cannot read the config file"),
        (("--hold-back", "1.5"), "must lie between 0 and 1"),
        (("--epochs", "0"), "--epochs must be above 0"),
        (("--device", "tpu"), "--device must be auto"),
        (("--run", __file__), "cannot make the folder"),
        (("--set", "model.size=32"), "set them with --size and --channels"),
    ],
)
def test_unusable_settings_are_refused(
    run: Run, photos: DemoData, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    ran = run("train", photos.folder / "train", "--model", tmp_path / "m.cafepick", *words)
    assert ran.status == 1
    assert message in ran.err
    assert "finding beans" not in ran.err, "it was refused only after the work had begun"


def test_a_folder_is_no_name_for_a_model(run: Run, photos: DemoData) -> None:
    ran = run("train", photos.folder / "train", "--model", ".")
    assert (ran.status, "is a directory" in ran.err) == (2, True)


def test_a_model_that_cannot_be_written_is_refused_before_the_work(run: Run, photos: DemoData, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ran = run("train", photos.folder / "train", "--model", tmp_path / "file" / "m.cafepick", "--run", tmp_path / "run")
    assert (ran.status, "m.cafepick: Not a directory" in ran.err) == (1, True)
    assert "finding beans" not in ran.err
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_model_that_cannot_be_replaced_is_not_calibrated(
    run: Run, taught: Path, new_lot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("cafepick.files.TemporaryFile", refuse)
    ran = run("calibrate", new_lot, "--model", taught)
    assert (ran.status, f"cannot write {taught}: Permission denied" in ran.err) == (1, True)
    assert "finding beans" not in ran.err


def test_calibrating_takes_settings_of_the_search_only(run: Run, taught: Path) -> None:
    ran = run("calibrate", "--model", taught, "--set", "gan.steps=5")
    assert (ran.status, "--set changes the search of a trained model" in ran.err) == (1, True)


def test_calibrating_does_not_change_what_the_networks_learnt_to_measure(run: Run, quick_model: Path) -> None:
    before = quick_model.read_bytes()
    ran = run("calibrate", "--model", quick_model, "--set", "search.differences=plain")
    assert ran.status == 1
    assert "measure standardised differences and search.differences asks for plain ones" in ran.err
    assert quick_model.read_bytes() == before


def test_one_photo_is_too_few_to_keep_some_aside(run: Run, photos: DemoData, tmp_path: Path) -> None:
    ran = run("train", photos.train[0], "--model", tmp_path / "m.cafepick")
    assert (ran.status, "at least 2 photos" in ran.err) == (1, True)


def test_digits_are_learnt_from_mnist(run: Run, data_dir: Path, tmp_path: Path) -> None:
    model, mnist = tmp_path / "eight.cafepick", ("mnist", "--normal", "8", "--data-dir", data_dir / "mnist")
    ran = run("train", *mnist, "--model", model, "--size", "28", "--limit", "60", *TINY[:2], *TINY[4:])
    assert ran.status == 0, ran.err
    assert load_artefact(model).header["crop"] == {
        "subject": "whole",
        "size": 28,
        "channels": 1,
        "scale": "fixed",
        "zoom": 1.0,
        "sheet": "none",
        "centre": None,
        "detail": None,
    }
    ran = run("detect", *mnist, "--model", model, "--out", tmp_path / "out", "--limit", "5", "--false-reject", "0.2")
    assert ran.status == 0, ran.err
    assert len((tmp_path / "out" / "scores.csv").read_text().splitlines()) == 6


def told(
    folder: Path, *, recipe: str = "quick", photos: int = 300, alone: tuple[str, ...] = (), variety: float | None = None
) -> str:
    """What the command says of a training that came out so."""
    lesson = Lesson(
        source=Source("photos", folder, ()),
        model=folder / "beans.cafepick",
        run=folder / "beans.run",
        crop=CropConfig(),
        recipe=named_recipe(recipe, size=64, channels=3),
        recipe_name=recipe,
    )
    taught = Taught(
        finished=True,
        step=1,
        steps=1,
        subjects=400,
        held_back=200,
        aside=("a.jpg", "b.jpg"),
        alone=alone,
        photos=photos,
        cut=0,
        empty=(),
        failures=(),
        crop=lesson.crop,
        variety=variety,
    )
    return summary(taught, lesson)


@pytest.mark.parametrize(("photos", "warned"), [(3, True), (9, True), (10, False), (300, False)])
def test_few_photos_are_called_few(photos: int, warned: bool, tmp_path: Path) -> None:
    assert ("photos are few" in told(tmp_path, photos=photos)) == warned


@pytest.mark.parametrize("alone", [(), ("b.jpg",), ("a.jpg", "b.jpg")])
def test_a_threshold_from_an_unknown_light_is_told(alone: tuple[str, ...], tmp_path: Path) -> None:
    told_so = f"the light of {', '.join(alone)} is like that of none learnt from"
    assert (told_so in told(tmp_path, alone=alone)) == bool(alone)


def test_the_photos_that_set_the_threshold_are_named_where_they_are_few(tmp_path: Path) -> None:
    said = told(tmp_path, photos=5)
    assert "learnt from 400 good subjects in 3 photos\n" in said
    assert "200 in a.jpg, b.jpg were kept aside" in said


@pytest.mark.parametrize(("variety", "warned"), [(None, False), (0.0, True), (0.05, True), (0.3, False), (1.1, False)])
def test_a_generator_that_draws_the_same_over_and_over_is_told(
    variety: float | None, warned: bool, tmp_path: Path
) -> None:
    assert ("the same over and over" in told(tmp_path, variety=variety)) == warned


def test_what_to_do_about_it_goes_by_what_needs_the_generator(tmp_path: Path) -> None:
    quick, paper = (told(tmp_path, recipe=recipe, variety=0.05) for recipe in ("quick", "anogan"))
    assert "over and over, 5% as varied as the good ones: --method exact tells little" in quick
    assert "scores tell little; train longer (--steps), or take --recipe standard" in paper
