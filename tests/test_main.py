"""The seed's five commands, and what each becomes."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from pathlib import Path
from types import ModuleType

import pytest

from cafepick.errors import CafepickError, CheckpointError, SourceError

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def seed_main() -> ModuleType:
    spec = importlib.util.spec_from_file_location("seed_main", ROOT / "main.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def translated(seed_main: ModuleType, line: str) -> list[str]:
    flags = seed_main.parser().parse_args(shlex.split(line))
    seed_main.check(flags, seed_main.parser())
    return [shlex.join(command) for command in seed_main.commands(flags)]


MNIST = "mnist --data-dir data/mnist"
ANOGAN = "--subject whole --recipe anogan"
CELEBA = "--model checkpoint/celebA.cafepick"
JPG = "--pattern '*.jpg'"
EYES = "--pattern '*_cropped.png'"
LENGTH = "--epochs 25 --samples samples"
SETTINGS = "--set gan.batch=64 --set gan.learning_rate=0.0002 --set gan.beta1=0.5"


@pytest.mark.parametrize(
    ("seed", "here"),
    [
        (
            "--dataset mnist --input_height=28 --output_height=28 --train",
            f"train {MNIST} --model checkpoint/mnist.cafepick {ANOGAN} --size 28 {LENGTH} {SETTINGS}",
        ),
        (
            "--dataset celebA --input_height=108 --train --crop",
            f"train data/celebA {CELEBA} {ANOGAN} --size 64 {LENGTH} {JPG} --crop 108 {SETTINGS}",
        ),
        (
            '--dataset=eyes --input_fname_pattern="*_cropped.png" --train',
            f"train data/eyes --model checkpoint/eyes.cafepick {ANOGAN} --size 64 {LENGTH} {EYES} {SETTINGS}",
        ),
        (
            "--dataset NAME --input_height=108 --crop --anomaly_test",
            "detect 'test_data/*.jpg' --model checkpoint/NAME.cafepick --out test_data/test_result --panels all",
        ),
        (
            "--dataset mnist --anomaly_test",
            f"detect {MNIST} --limit 100 --model checkpoint/mnist.cafepick --out test_data/test_result --panels all",
        ),
    ],
)
def test_the_seeds_commands(
    seed_main: ModuleType, seed: str, here: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert translated(seed_main, seed) == [here]


def test_other_flags_find_their_place(seed_main: ModuleType) -> None:
    line = "--dataset eyes --train --epoch 3 --train_size 200 --batch_size 32 --learning_rate 1e-4 --beta1 0.9"
    (command,) = translated(seed_main, f"{line} --checkpoint_dir c --sample_dir s --output_height 32")
    for part in (
        "--epochs 3",
        "--limit 200",
        "gan.batch=32",
        "gan.learning_rate=0.0001",
        "gan.beta1=0.9",
        "--model c/eyes.cafepick",
        "--samples s",
        "--size 32",
    ):
        assert part in command


def test_another_search_is_calibrated_before_it_judges(seed_main: ModuleType) -> None:
    calibrate, detect = translated(
        seed_main,
        "--dataset eyes --anomaly_test --test_epoch 50 --test_learning_rate 0.1 --test_dir t --test_result_dir r",
    )
    assert calibrate == (
        "calibrate --model checkpoint/eyes.cafepick --set search.steps=50 --set search.learning_rate=0.1"
    )
    assert detect == "detect 't/*.jpg' --model checkpoint/eyes.cafepick --out r --panels all"


def test_a_training_that_was_begun_goes_on(
    seed_main: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (command,) = translated(seed_main, "--dataset eyes --train")
    assert "--resume" not in command
    (tmp_path / "checkpoint" / "eyes.run").mkdir(parents=True)
    (tmp_path / "checkpoint" / "eyes.run" / "checkpoint.safetensors").touch()
    (command,) = translated(seed_main, "--dataset eyes --train")
    assert "--resume checkpoint/eyes.run" in command


@pytest.mark.parametrize(("ends", "status", "count"), [((3, 0), 3, 2), ((1, 0), 1, 1), ((0, 0), 0, 2)])
def test_photos_that_cannot_be_read_do_not_keep_the_next_command_from_running(
    seed_main: ModuleType, monkeypatch: pytest.MonkeyPatch, ends: tuple[int, ...], status: int, count: int
) -> None:
    ran = []

    def cafepick() -> None:
        ran.append(sys.argv)
        sys.exit(ends[len(ran) - 1])

    monkeypatch.setattr("cafepick.cli.app.main", cafepick)
    monkeypatch.setattr(sys, "argv", ["main.py", "--dataset", "eyes", "--train", "--anomaly_test"])
    with pytest.raises(SystemExit, match=str(status)):
        seed_main.main()
    assert len(ran) == count


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            CheckpointError("other settings"),
            r"other settings\n.* --checkpoint_dir, or delete c/eyes\.run to begin anew$",
        ),
        (SourceError("no photos"), "^error: no photos$"),
    ],
)
def test_a_training_that_cannot_go_on_says_what_this_script_can_do(
    seed_main: ModuleType, monkeypatch: pytest.MonkeyPatch, error: CafepickError, said: str
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr("cafepick.cli.app.app", fail)
    monkeypatch.setattr(sys, "argv", ["main.py", "--dataset", "eyes", "--train", "--checkpoint_dir", "c"])
    with pytest.raises(SystemExit, match=said):
        seed_main.main()


@pytest.mark.parametrize("value", ["=True", " true", "", "=1"])
def test_flags_are_set_as_tensorflow_read_them(seed_main: ModuleType, value: str) -> None:
    assert len(translated(seed_main, f"--dataset eyes --train{value} --crop=False")) == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--dataset eyes", "nothing to do: give --train"),
        ("--dataset eyes --train --output_height 64 --output_width 32", "--output_width must be 64, got 32"),
        ("--dataset eyes --train --crop --input_width 100", "--input_width must be 108, got 100"),
        ("--dataset eyes --train=maybe", "expected True or False, got 'maybe'"),
    ],
)
def test_what_cannot_be_done_is_said(
    seed_main: ModuleType, line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        translated(seed_main, line)
    assert message in capsys.readouterr().err
