"""A folder of drawn photos, a model taught from it by the real command, and a way to run commands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cli_commands import CAFEPICK, ONE_THREAD, TINY, Ran, Run

from cafepick.cli.app import main
from cafepick.data.demo import DemoData, write_demo_data


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command line in this process."""

    def run_(*words: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["cafepick", *map(str, words)])
        status: object = 0
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
        said = capsys.readouterr()
        if isinstance(status, str):  # sys.exit prints a text and exits with 1
            return Ran(1, said.out, said.err + status)
        return Ran(int(str(status)), said.out, said.err)

    return run_


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> DemoData:
    """Four drawn trays of good beans and two mixed ones."""
    return write_demo_data(tmp_path_factory.mktemp("photos"), train_trays=4, test_trays=2, beans=25)


@pytest.fixture(scope="session")
def taught(photos: DemoData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that the real command taught; quick, so it knows little."""
    model = tmp_path_factory.mktemp("taught") / "beans.cafepick"
    command = [*CAFEPICK, "train", str(photos.folder / "train"), "--model", str(model), *TINY]
    ran = subprocess.run(command, check=False, env=ONE_THREAD, capture_output=True, text=True, timeout=240)
    assert ran.returncode == 0, ran.stderr
    return model
