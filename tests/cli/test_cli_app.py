"""What all commands share: one message an error, the extra to install, the README's promises about help."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cli_commands import CAFEPICK, ONE_THREAD, TINY, Run

from cafepick import __version__
from cafepick.cli.app import EXTRA_OF
from cafepick.cli.options import opened
from cafepick.cli.progress import progress
from cafepick.data.demo import DemoData

COMMANDS = ("demo", "download", "train", "detect", "evaluate", "calibrate", "info")


def test_every_command_has_help_in_words(run: Run) -> None:
    said = run("--help").out
    assert all(command in said for command in COMMANDS)
    for command in COMMANDS:
        ran = run(command, "--help")
        assert (ran.status, "Usage" in ran.out) == (0, True)


@pytest.mark.parametrize(
    ("limit", "kept"), [(1, [0]), (2, [0, 5]), (4, [0, 2, 5, 7]), (10, [*range(10)]), (99, [*range(10)])]
)
def test_a_limit_is_spread_over_the_source(tmp_path: Path, limit: int, kept: list[int]) -> None:
    for number in range(10):
        (tmp_path / f"{number}.jpg").touch()
    found = opened(str(tmp_path), limit)
    assert [item.name for item in found.items] == [f"{number}.jpg" for number in kept]


def test_help_answers_at_once() -> None:
    """Less than 0.4 s; the processor's time, so that a busy machine does not count."""
    resource = pytest.importorskip("resource", reason="only Unix tells the time of a child")
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*CAFEPICK, "--help"], env=ONE_THREAD, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(spent) < 0.4


def test_help_imports_nothing_heavy() -> None:
    heavy = ("numpy", "cv2", "PIL", "torch", "safetensors", "rich.progress", "rich.live", "fastapi", "sqlalchemy")
    check = f"import sys, cafepick.cli.app; sys.exit(', '.join(sys.modules.keys() & set({heavy})))"
    assert (
        subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False).stderr.strip() == ""
    )


def test_the_version_is_told(run: Run) -> None:
    assert run("--version").out.strip() == f"cafepick {__version__}"


def test_wrong_usage_ends_with_2(run: Run) -> None:
    assert run("detect", "somewhere").status == 2


@pytest.mark.parametrize("package", ["torch", "matplotlib", "lightning_fabric"])
def test_a_missing_extra_is_named(package: str, photos: DemoData, tmp_path: Path) -> None:
    """A stand-in for an installation without the package: importing it fails as it would there."""
    blocked = f"import sys; sys.modules[{package!r}] = None; from cafepick.cli.app import main; main()"
    words = ["train", str(photos.folder / "train"), "--model", str(tmp_path / "m.cafepick"), *TINY]
    ran = subprocess.run(
        [sys.executable, "-c", blocked, *words], env=ONE_THREAD, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert f"needs {package}" in ran.stderr
    assert f"pip install 'cafepick[{EXTRA_OF[package]}]'" in ran.stderr


def test_tensorboard_gets_the_curves(photos: DemoData, tmp_path: Path) -> None:
    model = tmp_path / "m.cafepick"
    command = [*CAFEPICK, "train", str(photos.folder / "train"), "--model", str(model), *TINY, "--tensorboard"]
    subprocess.run(command, env=ONE_THREAD, check=True, capture_output=True)
    assert list((tmp_path / "m.run" / "tensorboard").glob("events.*"))


def test_progress_into_a_file_says_rate_and_time_left(capfd: pytest.CaptureFixture[str]) -> None:
    with progress() as report:
        for done in range(1, 4):
            report("working", done, 3)
    lines = capfd.readouterr().err.splitlines()
    assert lines[-1].startswith("working: 3/3, ")
    assert lines[-1].endswith("/s, 0 s left")
