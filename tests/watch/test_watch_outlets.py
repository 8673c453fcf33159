"""Results arrive whole, and a slow or absent receiver never makes the work wait."""

from __future__ import annotations

import json
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from outlet_parts import free_port, result, wait_for

from cafepick.errors import ConfigError, OutputError
from cafepick.watch.outlets import Background, JsonLines
from cafepick.watch.webhook import Webhook


class Inbox(BaseHTTPRequestHandler):
    """A web server that keeps what is posted, after some answers of another kind."""

    taken: ClassVar[list[dict]] = []
    answers: ClassVar[list[int]] = []
    logins: ClassVar[list[str | None]] = []
    moved: ClassVar[str | None] = None
    drips: ClassVar[int] = 0
    posts = 0
    delay = 0.0

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).posts += 1
        self.logins.append(self.headers["Authorization"])
        time.sleep(self.delay)
        status = self.answers.pop(0) if self.answers else 200
        if status == 200:
            self.taken.extend(body["beans"])
        self.send_response(status)
        self.send_header("Content-Length", str(self.drips))
        if self.moved is not None:
            self.send_header("Location", self.moved)
        self.end_headers()
        with suppress(OSError):  # nobody reads it
            for _ in range(self.drips):
                self.wfile.write(b"x")
                time.sleep(0.2)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def inbox() -> Iterator[tuple[type[Inbox], str]]:
    """The server's class, and its address."""
    Inbox.taken, Inbox.answers, Inbox.posts, Inbox.delay, Inbox.moved, Inbox.drips = [], [], 0, 0.0, None, 0
    Inbox.logins = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Inbox)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Inbox, f"http://127.0.0.1:{server.server_address[1]}/beans"
    server.shutdown()
    server.server_close()


def test_lines_are_there_at_once_and_a_file_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "new" / "beans.jsonl"
    for first in (1, 3):
        lines = JsonLines(path)
        lines.write(result(first))
        assert len(path.read_text().splitlines()) == first, "not there before the file is closed"
        lines.write(result(first + 1))
        lines.close()
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["bean"] for row in rows] == [1, 2, 3, 4]
    assert rows[0] == {
        "bean": 1,
        "verdict": "NG",
        "p_value": 0.004,
        "score": 12.5,
        "view_p_values": [0.001, 0.004],
        "box": [10, 20, 30, 40],
        "frame": 7,
        "sightings": 9,
        "seconds": 1.2,
        "velocity": [4000, -1.5],
        "exit": {"seconds": 1.25, "seconds_sd": 0.0002, "x": 639.5, "y": 120, "place_sd": 0.4, "unix": None},
        "latency_ms": 12.3,
        "in_time": None,
    }


def test_half_a_line_of_a_killed_run_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "beans.jsonl"
    path.write_text('{"bean": 1}\n{"bean": 2, "verd')
    lines = JsonLines(path)
    lines.write(result(3))
    lines.close()
    assert json.loads(path.read_text().splitlines()[2])["bean"] == 3


def test_a_full_disk_is_told_and_leaves_no_half_a_line(
    tmp_path: Path, files_of_at_most: Callable[[int], AbstractContextManager[None]]
) -> None:
    path = tmp_path / "beans.jsonl"
    lines = JsonLines(path)
    lines.write(result(1))
    whole = path.read_bytes()
    with files_of_at_most(len(whole) + 100), pytest.raises(OutputError, match=r"beans\.jsonl: .*free some space"):
        lines.write(result(2))
    assert path.read_bytes() == whole
    lines.write(result(3))
    lines.close()
    assert [json.loads(line)["bean"] for line in path.read_text().splitlines()] == [1, 3]


def test_where_nothing_can_be_written_is_said_at_the_beginning(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*choose another place"):
        JsonLines(tmp_path / "file" / "beans.jsonl")


def test_a_webhook_gets_every_bean_even_if_the_server_stumbles(inbox: tuple[type[Inbox], str]) -> None:
    server, url = inbox
    server.answers[:] = [503, 429]
    with Background(Webhook(url), pauses=(0.02, 0.02, 0.02)) as sender:
        for bean in range(1, 251):
            sender.put(result(bean))
    assert [row["bean"] for row in server.taken] == list(range(1, 251))
    assert server.posts < 50, "beans that wait go together"
    assert sender.counts() == {"delivered": 250, "failed": 0, "discarded": 0, "waiting": 0}


def test_what_a_server_refuses_is_not_sent_again(inbox: tuple[type[Inbox], str]) -> None:
    server, url = inbox
    server.answers[:] = [404] * 10
    with Background(Webhook(url), pauses=(0.02,) * 5) as sender:
        sender.put(result(1))
    assert server.posts == 1
    assert sender.counts()["failed"] == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_takes_no_results_and_is_said(
    status: int, inbox: tuple[type[Inbox], str], caplog: pytest.LogCaptureFixture
) -> None:
    server, url = inbox
    server.answers[:], server.moved = [status] * 5, "/elsewhere"
    with Background(Webhook(url), pauses=(0.02,)) as sender:
        sender.put(result(1))
    assert (sender.delivered, sender.failed, server.posts) == (0, 1, 1)
    there = url.replace("/beans", "/elsewhere")
    assert f"the server answers {status} to '{there}': give that address" in caplog.text


def test_the_rest_of_an_answer_is_not_waited_for(inbox: tuple[type[Inbox], str]) -> None:
    server, url = inbox
    server.drips = 100
    began = time.monotonic()
    Webhook(url).send([{"bean": 1}])
    assert time.monotonic() - began < 3
    assert server.taken == [{"bean": 1}]


def test_an_absent_server_is_told_of_once_and_when_it_is_back(
    inbox: tuple[type[Inbox], str], caplog: pytest.LogCaptureFixture
) -> None:
    server, url = inbox
    server.answers[:] = [503] * 4
    with Background(Webhook(url), pauses=(0.02,) * 5) as sender:
        sender.put(result(1))
        assert wait_for(lambda: sender.delivered == 1)
        sender.put(result(2))
    assert caplog.messages == ["webhook: the server answers 503; trying again", "webhook: takes results again"]


def test_a_slow_or_absent_server_never_makes_the_work_wait(inbox: tuple[type[Inbox], str]) -> None:
    server, url = inbox
    server.delay = 1.0
    slow = Background(Webhook(url), most=20)
    absent = Background(Webhook(f"http://127.0.0.1:{free_port()}/"), pauses=(0.01,), most=20)
    for sender in (slow, absent):
        began = time.monotonic()
        for bean in range(500):
            sender.put(result(bean))
        assert time.monotonic() - began < 0.9
        assert sender.discarded >= 380
    slow.close(patience=10)
    absent.close(patience=3)
    assert server.taken[-1]["bean"] == 499, "the newest are kept"
    counts = absent.counts()
    assert counts["delivered"] == 0
    assert counts["failed"] + counts["discarded"] == 500


def test_the_end_does_not_wait_for_ever() -> None:
    sender = Background(Webhook(f"http://127.0.0.1:{free_port()}/"), pauses=(60.0,))
    sender.put(result(1))
    began = time.monotonic()
    sender.close(patience=0.1)
    assert time.monotonic() - began < 3
    assert sum(sender.counts().values()) == 1, "what is on its way is not forgotten"
    assert wait_for(lambda: sender.failed == 1)


class Fragile:
    """A receiver that fails in a way that nobody has thought of."""

    name = "fragile"

    def send(self, results: Sequence[dict[str, Any]]) -> None:
        if results[0]["bean"] == 1:
            raise KeyError("never thought of")

    def close(self) -> None:
        raise KeyError("nor of this")


def test_whatever_a_receiver_raises_the_next_results_are_sent(caplog: pytest.LogCaptureFixture) -> None:
    with Background(Fragile()) as sender:
        sender.put(result(1))
        assert wait_for(lambda: sender.failed == 1)
        sender.put(result(2))
    assert sender.counts() == {"delivered": 1, "failed": 1, "discarded": 0, "waiting": 0}
    assert caplog.messages == [
        "fragile: KeyError: 'never thought of'; these 1 results are lost",
        "fragile: cannot be closed: 'nor of this'",
    ]


def test_user_and_password_are_sent_and_never_told(
    inbox: tuple[type[Inbox], str], caplog: pytest.LogCaptureFixture
) -> None:
    server, url = inbox
    server.answers[:] = [401]
    with Background(Webhook(url.replace("//", "//line:b%40ans@"))) as sender:
        sender.put(result(1))
    assert server.logins == [f"Basic {b64encode(b'line:b@ans').decode()}"]
    assert caplog.messages == ["webhook: the server answers 401; it will not take these 1 results"]


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://host/x", "host:80", "http://", "file:///etc/passwd", "http://[::1", "http://host:port/x"),
        *("http://host:65536/", "http://host:0/", f"http://{'x' * 64}/", "http://a..b/", "http://me:se/cret@host/"),
    ],
)
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="begins with http") as refused:
        Webhook(url)
    assert "cret" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["http://host/bohnen/größe", "http://host/a b", "http://host/\n", "http://me:secrét@host/"]
)
def test_an_address_with_signs_that_cannot_be_sent_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="ASCII without spaces") as refused:
        Webhook(url)
    assert "secr" not in str(refused.value)


@pytest.mark.parametrize("url", ["http://[::1]:8000/beans", "https://user@host", "http://host:65535/a%20b?c=%C3%A9"])
def test_addresses_that_can_be_used_are_taken(url: str) -> None:
    Webhook(url)
