"""The door: who may ask, from where, how fast and how much; and a disk that is full."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import httpx
import numpy as np
import pytest
from serve_process import Client, Served, code_of, taken_in, uploaded, wait_until
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from cafepick.errors import ConfigError
from cafepick.images import write_image
from cafepick.server.guard import Buckets, Guard
from cafepick.server.monitor import Monitor
from cafepick.server.session import COOKIE, SECONDS, Gate, path_within
from cafepick.server.settings import Limits, Settings

TOKEN = "correct horse battery"


def test_other_names_and_other_sites_are_refused(client: Client, served: Served) -> None:
    for host in ("evil.example", "localhost.evil.example", "", "127.0.0.1@evil.example", "[::1"):
        assert code_of(client.get("/health", headers={"Host": host})) == (400, "bad_host"), host
    for host in ("localhost", f"localhost:{served.port}", "127.0.0.1", "[::1]:8719"):
        assert client.get("/health", headers={"Host": host}).status_code == 200, host
    own = f"http://127.0.0.1:{served.port}"
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://127.0.0.1:{served.port + 1}"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        assert code_of(client.post("/photos", content=b"x", headers=headers)) == (403, "foreign_origin"), headers
    assert code_of(client.post("/photos", content=b"x", headers={"Origin": own})) == (415, "wrong_type")


def test_every_answer_carries_the_policy(client: Client, served: Served) -> None:
    for path in ("/api/v1/health", "/api/v1/nothing", "/", "/api/v1/openapi.json"):
        policy = httpx.get(served.url + path).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
    assert client.get("/health").headers["x-content-type-options"] == "nosniff"
    assert code_of(client.get("/nothing")) == (404, "not_found")
    assert code_of(client.delete("/health")) == (405, "wrong_method")


def test_a_token_is_needed_where_one_is_set(serve: Callable[..., Served]) -> None:
    server = serve("--token", TOKEN, "--limit", "logins=5", "--allow-host", "station.example")
    with server.client() as client:
        assert set(client.get("/health").json()) == {"status", "version"}
        assert code_of(client.get("/models")) == (401, "token_needed")
        assert code_of(client.get("/openapi.json")) == (401, "token_needed")
        assert client.get("/models", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
        assert "database" in client.get("/health", headers={"Authorization": f"Bearer {TOKEN}"}).json()
        assert code_of(client.get("/models", headers={"Authorization": "Bearer wrong"})) == (401, "token_needed")
        forged = {"cafepick_session": "99999999999.00.00"}
        assert httpx.get(f"{server.url}/api/v1/models", cookies=forged).status_code == 401
    with httpx.Client(base_url=server.url) as browser:
        sent = browser.get("/")
        assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=/")
        form = browser.get("/login", params={"lang": "ja"})
        assert "トークン" in form.text
        assert "<script" not in form.text
        wrong = browser.post("/login", data={"token": "guess", "next": "/"})
        assert wrong.status_code == 401
        right = browser.post("/login", data={"token": TOKEN, "next": "//evil.example"})
        assert (right.status_code, right.headers["location"]) == (303, "/")
        cookie = right.headers["set-cookie"].casefold()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert "secure" not in cookie
        behind_proxy = {"Host": "station.example", "Origin": "https://station.example"}
        proxied = httpx.post(f"{server.url}/login", headers=behind_proxy, data={"token": TOKEN})
        assert "secure" in proxied.headers["set-cookie"].casefold()
        assert browser.get("/api/v1/models").status_code == 200
        for _ in range(5):
            browser.post("/login", data={"token": "guess"})
        assert code_of(browser.post("/login", data={"token": TOKEN})) == (429, "too_many_requests")
        assert browser.get("/api/v1/models").status_code == 200, "guesses of others lock out who is signed in"


def test_beyond_loopback_a_token_is_made(serve: Callable[..., Served], tmp_path: Path) -> None:
    server = serve("--host", "0.0.0.0")
    (token,) = [line.split()[1] for line in server.log.read_text().splitlines() if line.startswith("token:")]
    assert len(token) > 20
    with server.client() as client:
        assert code_of(client.get("/models")) == (401, "token_needed")
        assert client.get("/models", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    again = [sys.executable, "-m", "cafepick.cli.app", "serve", "--port", "0", "--data", str(server.data)]
    ran = subprocess.run(again, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 1
    assert "another cafepick serve uses" in ran.stderr


def test_a_port_that_is_taken_is_told_in_words(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [
            sys.executable,
            "-m",
            "cafepick.cli.app",
            "serve",
            "--port",
            str(port),
            "--data",
            str(tmp_path / "d"),
        ]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 1
    assert f"port {port}: Address already in use" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "d").exists()


def test_limits_and_slow_clients(serve: Callable[..., Served], tmp_path: Path) -> None:
    limits = {
        "upload_bytes": 14_000_000,
        "body_bytes": 2000,
        "header_seconds": 1,
        "idle_seconds": 1,
        "pixels": 9_000_000,
    }
    server = serve(*(word for name, value in limits.items() for word in ("--limit", f"{name}={value}")))
    noise = np.random.default_rng(0).integers(0, 256, (2000, 2000, 3), np.uint8)
    write_image(tmp_path / "noise.png", noise)
    with server.client() as client:
        photo = uploaded(client, tmp_path / "noise.png")
        assert code_of(client.post("/photos", content=bytes(15_000_000))) == (413, "too_large")
        assert code_of(client.post("/photos", content=iter([bytes(8_000_000)] * 2))) == (413, "too_large")
        assert code_of(client.post("/checks", json={"photos": ["0" * 64] * 40})) == (413, "too_large")
        assert code_of(client.post("/checks", content=iter([b"{}"]))) == (411, "length_needed")
        assert code_of(client.post("/checks", content=b"{", headers={"Content-Type": "application/json"})) == (
            422,
            "invalid",
        )
    head = b"POST /api/v1/photos HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n"
    nothing, half_head, half_body, trickle = (
        connected(server, start) for start in (b"", head, head + b"\r\nabc", head)
    )
    slow = connected(server, f"GET /api/v1/photos/{photo}/file HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    began = time.monotonic()
    while time.monotonic() - began < 2.6:
        time.sleep(0.2)
        try:
            trickle.sendall(b"X-A: b\r\n")
        except OSError:
            break
    for one in (nothing, half_head, half_body, trickle):
        assert len(everything(one)) < 400, "a slow client was waited for"
    assert len(everything(slow)) < 11_000_000, "a client that takes nothing was waited for"
    with server.client() as client:
        assert client.get("/health").status_code == 200
    wait_until(lambda: not list((server.data / "tmp").iterdir()), seconds=5)


def test_one_address_cannot_take_all_connections(serve: Callable[..., Served]) -> None:
    server = serve("--limit", "connections_each=5")
    idle = [connected(server, b"GET /api/v1/health HTTP/1.1\r\n") for _ in range(5)]
    one_more = connected(server, b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert everything(one_more) == b""
    for client in idle:
        client.close()
    with server.client() as client:
        wait_until(lambda: answers(client))


def answers(client: Client) -> bool:
    try:
        return client.get("/health").status_code == 200
    except httpx.TransportError:
        return False


def test_strange_bodies_are_refused(client: Client) -> None:
    json = {"Content-Type": "application/json"}
    bodies = {400: (b"[" * 500_000, b'{"model": ' + b"9" * 10_000 + b"}")}
    bodies[422] = (b"no JSON", b"\xff\xfe", b"", b"null", b'{"model": NaN}')
    for status, body in ((status, body) for status, some in bodies.items() for body in some):
        assert code_of(client.post("/checks", content=body, headers=json)) == (status, "invalid"), body[:20]
    assert client.post("/checks", content=b"a=b").status_code == 422
    assert "no-store" in client.get("/checks").headers["cache-control"]


def connected(server: Served, start: bytes) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", server.port))
    client.sendall(start)
    client.settimeout(10)
    return client


def everything(client: socket.socket) -> bytes:
    """Read until the other side closes."""
    content = b""
    try:
        while part := client.recv(1 << 16):
            content += part
    except ConnectionError:
        pass
    client.close()
    return content


def test_a_full_disk_leaves_nothing_half_written(
    serve: Callable[..., Served], trays: list[Path], tmp_path: Path
) -> None:
    """The system's bound on the size of a file stands in for a disk without room: writing fails in the middle."""
    server = serve(file_size=2_000_000)
    write_image(tmp_path / "noise.png", np.random.default_rng(0).integers(0, 256, (1000, 1000, 3), np.uint8))
    with server.client() as client:
        full = client.post("/photos", content=(tmp_path / "noise.png").read_bytes())
        assert code_of(full) == (507, "disk_full")
        assert not list((server.data / "tmp").iterdir())
        assert not list(server.data.rglob("*.png"))
        assert client.get("/photos").json()["total"] == 0
        uploaded(client, trays[0])
    server.end()
    server = serve("--limit", f"free_bytes={10**16}")
    with server.client() as client:
        assert code_of(client.post("/photos", content=trays[1].read_bytes())) == (507, "disk_full")
        health = client.get("/health")
        assert (health.status_code, health.json()["status"]) == (503, "degraded")


def test_a_database_without_room_takes_nothing_by_half_and_goes_on_when_there_is_room(
    serve: Callable[..., Served], trays: list[Path], tiny_model: Path
) -> None:
    server = serve()
    with server.client() as client:
        model, photo = taken_in(client, tiny_model), uploaded(client, trays[0])
        wish = {"model": model, "photos": [photo], "note": "x" * 5000}
        before = client.post("/checks", json={**wish, "photos": [photo] * 5}).json()["checks"]
        wait_until(lambda: client.get(f"/checks/{before[0]['id']}").json()["state"] == "done")
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        assert code_of(client.post("/checks", json=wish)) == (507, "disk_full")
        assert client.get("/checks").json()["total"] == 5
        assert client.get("/photos").json()["total"] == 1
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, unlimited)
        assert client.post("/checks", json=wish).status_code == 202
        for check in client.get("/checks").json()["checks"]:
            over = wait_until(lambda one=check: over_of(client, one["id"]))
            assert over["state"] == "done" or over["error"]["code"] == "disk_full", over


def over_of(client: Client, check: str) -> dict[str, Any] | None:
    found = client.get(f"/checks/{check}").json()
    return None if found["state"] in ("queued", "running") else found


def test_other_computers_are_held_to_a_rate(tmp_path: Path) -> None:
    limits = Limits(rate=1, burst=3)
    settings = Settings(data=tmp_path, host="0.0.0.0", token=TOKEN, limits=limits)
    guard = Guard(PlainTextResponse("in"), settings=settings, gate=Gate(TOKEN), monitor=Monitor())

    async def ask(address: str, times: int) -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=guard, client=(address, 5))
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://station", headers=headers) as client:
            return [await client.get("/api/v1/models") for _ in range(times)]

    def asked(address: str, times: int) -> list[httpx.Response]:
        with ThreadPoolExecutor(1) as aside:  # a browser test before this one leaves its loop running in this thread
            return aside.submit(anyio.run, ask, address, times).result()

    answers = asked("192.0.2.7", 4)
    assert [one.status_code for one in answers] == [200, 200, 200, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert "default-src 'none'" in answers[-1].headers["content-security-policy"]
    assert [one.status_code for one in asked("192.0.2.8", 1)] == [200], "one computer slows down another"
    assert {one.status_code for one in asked("127.0.0.1", 9)} == {200}


def test_a_cookie_ends_with_its_time_and_with_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    def admits(gate: Gate, cookie: str) -> bool:
        return gate.admits(Request({"type": "http", "headers": [(b"cookie", f"{COOKIE}={cookie}".encode())]}))

    cookie = Gate(TOKEN).cookie()
    assert admits(Gate(TOKEN), cookie)
    assert not admits(Gate("another token"), cookie)
    until, salt, mac = cookie.split(".")
    assert not admits(Gate(TOKEN), f"{int(until) + 1}.{salt}.{mac}")
    assert not admits(Gate(TOKEN), f"{until}.{salt}.{mac[:-1]}")
    assert not admits(Gate(TOKEN), "")
    late = time.time() + SECONDS + 1
    monkeypatch.setattr(time, "time", lambda: late)
    assert not admits(Gate(TOKEN), cookie)


def test_beyond_loopback_nothing_runs_without_a_token(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "station.example"):
        with pytest.raises(ConfigError, match="needs a token"):
            Settings(data=tmp_path, host=host)
    with pytest.raises(ConfigError, match="at least 8 characters"):
        Settings(data=tmp_path, host="0.0.0.0", token="short")
    for host in ("127.0.0.1", "localhost", "::1", "127.0.0.2"):
        assert Settings(data=tmp_path, host=host).loopback


def test_limits_are_read_strictly() -> None:
    assert Limits.of(["queue=7", "rate=0"]) == Limits(queue=7, rate=0)
    for word, said in (("queu=7", "as in queue=100"), ("queue=many", "whole number"), ("queue=0", "must be 1 or more")):
        with pytest.raises(ConfigError, match=said):
            Limits.of([word])


def test_buckets_let_a_burst_through_and_then_a_rate() -> None:
    buckets = Buckets(rate=1000.0, burst=3)
    assert [buckets.take("a") == 0 for _ in range(4)] == [True, True, True, False]
    assert buckets.take("b") == 0
    assert 0 < buckets.look("a") <= 0.001
    time.sleep(0.002)
    assert buckets.take("a") == 0


@pytest.mark.parametrize("wanted", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "/\r\nA: b"])
def test_nobody_is_sent_elsewhere(wanted: str) -> None:
    assert path_within(wanted) == "/"
    assert path_within("/history?lot=A") == "/history?lot=A"
