"""A download is whole and verified, or it is an error that says why and leaves nothing half-written."""

import hashlib
import random
import shutil
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from cafepick.data import fetch as module
from cafepick.data.fetch import RemoteFile, fetch
from cafepick.errors import DownloadError, OutputError
from web_server import Page, Server

BODY = random.Random(0).randbytes(200_000)
Recorded = list[tuple[str, int, int | None]]


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSE", 0.0)
    monkeypatch.setattr(module, "_CHUNK", 10_000)


def remote(*urls: str, body: bytes = BODY, known: bool = True) -> RemoteFile:
    digest = hashlib.sha256(body).hexdigest()
    return RemoteFile(name="file.bin", urls=urls, size=len(body) if known else None, sha256=digest if known else None)


def ignore(name: str, done: int, total: int | None) -> None:
    """Report to nobody."""


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def interrupted(folder: Path, url: str, *, after: int, version: str | None = '"v1"', body: bytes = BODY) -> None:
    """Leave in ``folder`` what an attempt that stopped ``after`` bytes leaves."""
    part = module._Part(folder / "file.bin.part", remote(url))
    part.path.write_bytes(body[:after])
    part.remember(url, version)


def test_a_file_is_fetched_with_its_progress(server: Server, tmp_path: Path):
    seen: Recorded = []
    path = fetch(remote(server.add("a", Page(BODY))), tmp_path / "new", report=lambda *step: seen.append(step))
    assert path.read_bytes() == BODY
    assert files_in(tmp_path / "new") == {"file.bin"}
    assert seen[0] == ("file.bin", 10_000, 200_000)
    assert seen[-1] == ("file.bin", 200_000, 200_000)
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


def test_what_is_there_and_right_is_not_asked_for(server: Server, tmp_path: Path):
    (tmp_path / "file.bin").write_bytes(BODY)
    fetch(remote(server.add("a", Page(BODY))), tmp_path, report=ignore)
    assert server.requests == []


@pytest.mark.parametrize("wrong", [b"", BODY[:-1], b"x" + BODY[1:]])
def test_what_is_there_and_wrong_is_replaced_only_by_the_right_file(server: Server, tmp_path: Path, wrong: bytes):
    (tmp_path / "file.bin").write_bytes(wrong)
    with pytest.raises(DownloadError, match="404"):
        fetch(remote(f"{server.url}/nothing"), tmp_path, report=ignore)
    assert (tmp_path / "file.bin").read_bytes() == wrong
    assert fetch(remote(server.add("a", Page(BODY))), tmp_path, report=ignore).read_bytes() == BODY


def test_an_interrupted_download_goes_on(server: Server, tmp_path: Path):
    url = server.add("a", Page(BODY))
    interrupted(tmp_path, url, after=150_000)
    assert fetch(remote(url), tmp_path, report=ignore).read_bytes() == BODY
    assert server.requests == [("/a", "bytes=150000-", '"v1"')]
    assert files_in(tmp_path) == {"file.bin"}


def test_a_complete_part_is_only_verified(server: Server, tmp_path: Path):
    url = server.add("a", Page(BODY))
    interrupted(tmp_path, url, after=200_000)
    assert fetch(remote(url), tmp_path, report=ignore).read_bytes() == BODY
    assert server.requests == []


def test_another_version_on_the_server_is_fetched_from_the_start(server: Server, tmp_path: Path):
    url = server.add("a", Page(BODY, etag='"v2"'))
    interrupted(tmp_path, url, after=1000, body=bytes(1000))
    assert fetch(remote(url), tmp_path, report=ignore).read_bytes() == BODY
    assert server.requests == [("/a", "bytes=1000-", '"v1"')]


def test_a_server_that_knows_no_ranges_sends_all_again(server: Server, tmp_path: Path):
    url = server.add("a", Page(BODY, ranges=False))
    interrupted(tmp_path, url, after=1000)
    assert fetch(remote(url), tmp_path, report=ignore).read_bytes() == BODY


def test_a_wrong_joint_is_noticed_and_fetched_anew(server: Server, tmp_path: Path):
    url = server.add("a", Page(BODY, etag=None))
    interrupted(tmp_path, url, after=1000, body=bytes(1000), version=None)
    assert fetch(remote(url), tmp_path, report=ignore).read_bytes() == BODY
    assert server.requests == [("/a", "bytes=1000-", None), ("/a", None, None)]


def test_a_part_that_is_too_long_is_dropped(server: Server, tmp_path: Path):
    url = server.add("a", Page(BODY))
    interrupted(tmp_path, url, after=250_000, body=bytes(250_000))
    assert fetch(remote(url), tmp_path, report=ignore).read_bytes() == BODY
    assert [asked for _, asked, _ in server.requests] == ["bytes=250000-", None]


def test_without_checksum_and_version_nothing_is_joined(server: Server, tmp_path: Path):
    url = server.add("a", Page(BODY, etag=None))
    interrupted(tmp_path, url, after=1000, version=None)
    assert fetch(remote(url, known=False), tmp_path, report=ignore).read_bytes() == BODY
    assert server.requests == [("/a", None, None)]


def test_weak_versions_do_not_join(server: Server, tmp_path: Path):
    url = server.add("a", Page(BODY, etag='W/"v1"', cut_after=50_000))
    with pytest.raises(DownloadError, match="the connection broke after 50000 of 200000 bytes"):
        fetch(remote(url, known=False), tmp_path, report=ignore)
    assert all(asked is None for _, asked, _ in server.requests)


def test_a_connection_that_keeps_breaking_is_taken_up_again(server: Server, tmp_path: Path):
    url = server.add("a", Page(BODY, cut_after=60_000))
    assert fetch(remote(url), tmp_path, report=ignore).read_bytes() == BODY
    assert [asked for _, asked, _ in server.requests] == [None, "bytes=60000-", "bytes=120000-", "bytes=180000-"]


def test_a_connection_that_breaks_without_a_byte_is_given_up_and_the_part_kept(server: Server, tmp_path: Path):
    url = server.add("a", Page(BODY, cut_after=0))
    interrupted(tmp_path, url, after=70_000)
    message = (
        r"could not download file\.bin; 70000 bytes are kept .*/a: the connection broke after 70000 of 200000 bytes"
    )
    with pytest.raises(DownloadError, match=message):
        fetch(remote(url), tmp_path, report=ignore)
    assert files_in(tmp_path) == {"file.bin.part", "file.bin.part.json"}
    server.pages["/a"].cut_after = None
    assert fetch(remote(url), tmp_path, report=ignore).read_bytes() == BODY
    assert server.requests[-1][1] == "bytes=70000-"


def test_ctrl_c_keeps_the_part(server: Server, tmp_path: Path):
    def stop(name: str, done: int, total: int | None) -> None:
        if done >= 50_000:
            raise KeyboardInterrupt("stop")

    url = server.add("a", Page(BODY))
    with pytest.raises(KeyboardInterrupt, match="stop"):
        fetch(remote(url), tmp_path, report=stop)
    assert "file.bin" not in files_in(tmp_path)
    assert fetch(remote(url), tmp_path, report=ignore).read_bytes() == BODY
    assert server.requests[-1] == ("/a", "bytes=50000-", '"v1"')


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (Page(BODY, status=404), "the server answered 404 Not Found"),
        (Page(BODY, status=503), "the server answered 503 Service Unavailable"),
        (Page(b"<html>sorry</html>"), "the server offers 18 bytes, the file has 200000"),
        (Page(BODY[:-1] + b"x"), "what came is not the expected file .*it was deleted"),
        (Page(BODY[:-1], says_length=False), "what came is not the expected file"),
        (Page(BODY + BODY, says_length=False), "what came is not the expected file"),
    ],
)
def test_each_failure_names_the_address_and_leaves_nothing(server: Server, tmp_path: Path, page: Page, reason: str):
    url = server.add("a", page)
    with pytest.raises(DownloadError, match=rf"could not download file\.bin\. {url}: .*{reason}.*put the file into"):
        fetch(remote(url), tmp_path, report=ignore)
    assert files_in(tmp_path) <= {"file.bin.part.json"}


def test_the_next_mirror_helps_and_goes_on_with_the_part(server: Server, tmp_path: Path):
    gone, broken = f"{server.url}/gone", server.add("broken", Page(BODY, cut_after=0))
    good = server.add("good", Page(BODY, etag='"other"'))
    interrupted(tmp_path, broken, after=90_000)
    assert fetch(remote(gone, broken, good), tmp_path, report=ignore).read_bytes() == BODY
    assert server.requests[-1] == ("/good", "bytes=90000-", None)


def test_all_mirrors_are_told(server: Server, tmp_path: Path):
    wrong = server.add("wrong", Page(bytes(len(BODY))))
    with pytest.raises(DownloadError, match=r"/gone: the server answered 404 .*/wrong: what came is not the expected"):
        fetch(remote(f"{server.url}/gone", wrong), tmp_path, report=ignore)


def test_a_server_that_sends_another_part_than_asked(server: Server, tmp_path: Path):
    url = server.add("a", Page(BODY, wrong_start=5))
    interrupted(tmp_path, url, after=1000)
    with pytest.raises(
        DownloadError, match="the server sent the bytes from 1005 on, asked for were those from 1000 on"
    ):
        fetch(remote(url), tmp_path, report=ignore)


def test_a_file_of_unknown_length_and_checksum_is_refused(server: Server, tmp_path: Path):
    url = server.add("a", Page(BODY, says_length=False))
    with pytest.raises(DownloadError, match="the server does not say how long the file is"):
        fetch(remote(url, known=False), tmp_path, report=ignore)


def test_a_silent_server_is_left(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_TIMEOUT", 0.1)
    with pytest.raises(DownloadError, match=r"/a: (the connection broke|no connection) \(.*timed out\)"):
        fetch(remote(server.add("a", Page(BODY, silent=True))), tmp_path, report=ignore)


def test_no_network(tmp_path: Path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/a"
        with pytest.raises(DownloadError, match=rf"{url}: no connection \(.*refused.*Check the network"):
            fetch(remote(url), tmp_path, report=ignore)


def test_a_full_disk_is_told_before_the_download(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    with pytest.raises(OutputError, match=r"has 0\.0 GiB free, .*free some space or name another place"):
        fetch(remote(server.add("a", Page(BODY))), tmp_path, report=ignore)
    assert files_in(tmp_path) == set()


def test_a_damaged_note_costs_only_the_resumption(server: Server, tmp_path: Path):
    url = server.add("a", Page(BODY))
    interrupted(tmp_path, url, after=1000)
    (tmp_path / "file.bin.part.json").write_text("{")
    assert fetch(remote(url, known=False), tmp_path, report=ignore).read_bytes() == BODY
    assert server.requests == [("/a", None, None)]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "data").touch()
    with pytest.raises(OutputError, match=r"cannot make the folder .*data.*choose another place"):
        fetch(remote("http://127.0.0.1:9/file.bin"), tmp_path / "data" / "mnist", report=ignore)
