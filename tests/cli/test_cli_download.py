"""``cafepick download`` and the seed's ``python download.py`` say what they do."""

import runpy
import sys
from pathlib import Path
from types import ModuleType

import pytest
import typer
from typer.testing import CliRunner

from cafepick.cli import download as module
from cafepick.data import download as data
from cafepick.data.fetch import RemoteFile, Report
from cafepick.errors import DownloadError

HERE = {"mnist": b"digits", "celebA": b"faces"}


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    """The command with data sets of one small file each, fetched from nowhere."""

    def fetch(remote: RemoteFile, folder: Path, *, report: Report) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / remote.name).write_bytes(b"content")
        report(remote.name, 3_500_000, 7_000_000)
        report(remote.name, 7_000_000, 7_000_000)
        return folder / remote.name

    monkeypatch.setattr(data, "fetch", fetch)
    for name, note in (("mnist", None), ("lsun", "how to use it")):
        remote = RemoteFile(name="file.bin", urls=("http://127.0.0.1/",), size=None, sha256=None)
        monkeypatch.setitem(data.DATASETS, name, data.Dataset(files=(remote,), note=note))
    app = typer.Typer()
    app.command()(module.download)
    return app


def test_each_data_set_gets_its_folder_and_a_line(app: typer.Typer, tmp_path: Path):
    result = CliRunner().invoke(app, ["mnist", "lsun", "--data-dir", str(tmp_path)], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"mnist: done, 1 files in {tmp_path / 'mnist'}",
        f"lsun: done, 1 files in {tmp_path / 'lsun'}",
        "how to use it",
    ]
    assert "file.bin: 7.0 of 7.0 MB" in result.stderr
    again = CliRunner().invoke(app, ["mnist", "--data-dir", str(tmp_path)])
    assert again.stdout == f"mnist: already there, 1 files in {tmp_path / 'mnist'}\n"


def test_a_misspelt_name_is_told_before_anything_is_fetched(app: typer.Typer, tmp_path: Path):
    result = CliRunner().invoke(app, ["mnist", "lsnu", "--data-dir", str(tmp_path)])
    assert isinstance(result.exception, DownloadError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("total", "rate", "line"),
    [
        (2_000_000, 500_000.0, "a: 1.0 of 2.0 MB, 0.5 MB/s, 2 s left"),
        (None, 500_000.0, "a: 1.0 MB, 0.5 MB/s"),
        (2_000_000, 0.0, "a: 1.0 of 2.0 MB"),
    ],
)
def test_lines_say_rate_and_time_left(total: int | None, rate: float, line: str):
    assert module._line("a", 1_000_000, total, rate) == line


def test_a_terminal_shows_a_bar_with_rate(app: typer.Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    result = CliRunner().invoke(app, ["mnist", "--data-dir", str(tmp_path)], catch_exceptions=False)
    assert "file.bin" in result.stderr
    assert "7.0/7.0 MB" in result.stderr


def test_the_seed_command_names_the_command_that_it_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    ran: list[list[str]] = []
    cli = ModuleType("cafepick.cli.app")
    monkeypatch.setattr(cli, "main", lambda: ran.append(list(sys.argv)), raising=False)
    monkeypatch.setitem(sys.modules, "cafepick.cli.app", cli)
    monkeypatch.setattr(sys, "argv", ["download.py", "mnist", "celebA", "lsun"])
    runpy.run_path(str(Path(__file__).parents[2] / "download.py"), run_name="__main__")
    assert ran == [["cafepick", "download", "mnist", "celebA", "lsun"]]
    assert capsys.readouterr().out == "$ cafepick download mnist celebA lsun\n"
