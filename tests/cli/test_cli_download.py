"""``cafepick download`` and the seed's ``python download.py`` say what they do."""

import hashlib
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import typer
from cli_commands import ONE_THREAD, Run
from typer.testing import CliRunner

from cafepick.cli import download as module
from cafepick.data import download as data
from cafepick.data.fetch import RemoteFile, Report
from cafepick.errors import DownloadError
from web_server import Page, running_server

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


PAIR = {"images.gz": b"i" * 300_000, "labels.gz": b"l" * 1_000}


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> None:
    """``mnist`` is two small files of known checksums, whose public addresses do not answer."""
    files = tuple(
        RemoteFile(name=name, urls=("http://127.0.0.1:9/",), size=len(body), sha256=hashlib.sha256(body).hexdigest())
        for name, body in PAIR.items()
    )
    monkeypatch.setitem(data.DATASETS, "mnist", data.Dataset(files=files))


@pytest.mark.usefixtures("pair")
@pytest.mark.parametrize(
    ("page", "said"),
    [
        (Page(b"", status=404), "the server answered 404"),
        (Page(PAIR["images.gz"], cut_after=0), "the connection broke"),
        (Page(b"x" * 300_000), "what came is not the expected file"),
        (Page(b"short"), "the server offers 5 bytes, the file has 300000"),
    ],
    ids=["not found", "cut off", "another checksum", "another length"],
)
def test_what_a_server_does_wrong_is_said_and_the_next_attempt_succeeds(
    run: Run, tmp_path: Path, page: Page, said: str
) -> None:
    with running_server() as server:
        for name, body in PAIR.items():
            server.add(name, Page(body))
        server.add("images.gz", page)
        command = ("download", "mnist", "--data-dir", tmp_path, "--mirror", f"{server.url}/")
        ran = run(*command)
        assert ran.status == 1
        assert said in ran.err
        assert "Check the network and run the command again" in ran.err
        assert not (tmp_path / "mnist" / "images.gz").exists()
        server.add("images.gz", Page(PAIR["images.gz"]))
        ran = run(*command)
    assert (ran.status, ran.out) == (0, f"mnist: done, 2 files in {tmp_path / 'mnist'}\n")
    assert {path.name: path.read_bytes() for path in (tmp_path / "mnist").iterdir()} == PAIR


@pytest.mark.usefixtures("pair")
def test_a_connection_that_breaks_again_and_again_is_taken_up_each_time(run: Run, tmp_path: Path) -> None:
    with running_server() as server:
        for name, body in PAIR.items():
            server.add(name, Page(body, cut_after=200_000))
        ran = run("download", "mnist", "--data-dir", tmp_path, "--mirror", server.url)
        ranges = [wanted for path, wanted, _ in server.requests if path == "/images.gz"]
    assert ran.status == 0, ran.err
    assert ranges == [None, "bytes=200000-"]
    assert (tmp_path / "mnist" / "images.gz").read_bytes() == PAIR["images.gz"]


def test_a_mirror_is_a_web_address(run: Run, tmp_path: Path) -> None:
    ran = run("download", "mnist", "--data-dir", tmp_path, "--mirror", "file:///etc")
    assert (ran.status, "begins with http:// or https://" in ran.err) == (1, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.data
def test_the_seed_command_fetches_the_real_digits(data_dir: Path, tmp_path: Path) -> None:
    """All but the training images, which lie here packed anew: their checksum must be refused."""
    names = ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz", "train-labels-idx1-ubyte.gz"]
    with running_server() as server:
        for name in (*names, "train-images-idx3-ubyte.gz"):
            server.add(name, Page((data_dir / "mnist" / name).read_bytes()))
        command = [sys.executable, str(Path(__file__).parents[2] / "download.py"), "mnist", "--mirror", server.url]
        ran = subprocess.run(command, cwd=tmp_path, env=ONE_THREAD, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stdout.startswith("$ cafepick download mnist --mirror http://127.0.0.1:")
    assert "could not download train-images-idx3-ubyte.gz" in ran.stderr
    assert [path.name for path in (tmp_path / "data" / "mnist").iterdir()] == []
