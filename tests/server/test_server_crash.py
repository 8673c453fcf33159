"""``kill -9`` in the middle of a batch: every check that was recorded is judged after the next start."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from postgres_server import Postgres
from serve_process import Client, Served, code_of, taken_in, uploaded, wait_until


def history(client: Client, batch: str) -> list[dict[str, Any]]:
    return client.get("/checks", params={"batch": batch, "limit": 200}).json()["checks"]


def states(client: Client, batch: str) -> list[str]:
    return [check["state"] for check in history(client, batch)]


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_nothing_recorded_is_lost(
    database: str, serve: Callable[..., Served], trays: list[Path], tiny_model: Path, request: pytest.FixtureRequest
) -> None:
    words: list[str] = []
    if database == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        words = ["--database", postgres.database("crash")]
    server = serve(*words)
    with server.client() as client:
        model = taken_in(client, tiny_model)
        photos = [uploaded(client, path) for path in trays]
        batch = client.post("/checks", json={"model": model, "photos": photos * 3, "lot": "crash"}).json()["batch"]
        wait_until(lambda: "done" in states(client, batch))
        wait_until(lambda: "running" in states(client, batch))
        corrected = next(one["id"] for one in history(client, batch) if one["state"] == "done")
        bean = next(one for one in client.get(f"/checks/{corrected}").json()["verdicts"] if one["p_value"])["bean"]
        said = client.put(f"/checks/{corrected}/beans/{bean}/correction", json={"correction": "bad"})
        assert said.status_code == 200
    half = socket.create_connection(("127.0.0.1", server.port))
    half.sendall(b"POST /api/v1/photos HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\nhalf a photo")
    wait_until(lambda: list((server.data / "tmp").iterdir()))
    server.kill()
    half.close()
    server = serve(*words)
    with server.client() as client:
        wait_until(lambda: set(states(client, batch)) == {"done"})
        assert len(states(client, batch)) == 9
        kept = {one["bean"]: one["correction"] for one in client.get(f"/checks/{corrected}").json()["verdicts"]}
        assert kept[bean] == "bad"
        assert client.get("/photos").json()["total"] == 3
        checks = client.get("/checks", params={"batch": batch}).json()["checks"]
        for check in checks:
            full = client.get(f"/checks/{check['id']}").json()
            assert len(full["verdicts"]) == pytest.approx(40, abs=3)
            assert client.get(f"/checks/{check['id']}/beans/{full['verdicts'][0]['bean']}/panel").status_code == 200
    assert not list((server.data / "tmp").iterdir())


def test_a_database_that_goes_away_is_waited_for(
    postgres: Postgres, serve: Callable[..., Served], trays: list[Path], tiny_model: Path
) -> None:
    server = serve("--database", postgres.database("away"))
    with server.client() as client:
        model = taken_in(client, tiny_model)
        photos = [uploaded(client, path) for path in trays]
        batch = client.post("/checks", json={"model": model, "photos": photos * 2}).json()["batch"]
        wait_until(lambda: "done" in states(client, batch))
        postgres.halt()
        try:
            health = client.get("/health")
            assert (health.status_code, health.json()["database_ok"]) == (503, False)
            assert "cafepick_trainings_running NaN" in client.get("/metrics").text
            assert code_of(client.get("/checks")) == (503, "busy")
            assert code_of(client.post("/photos", content=trays[0].read_bytes())) == (503, "busy")
            time.sleep(1)  # the judge comes to its next photo
        finally:
            postgres.start()
        wait_until(lambda: client.get("/health").status_code == 200)
        wait_until(lambda: set(states(client, batch)) == {"done"})
    assert not list((server.data / "tmp").iterdir())


def test_a_photo_that_kills_the_server_is_given_up(
    serve: Callable[..., Served], trays: list[Path], tiny_model: Path
) -> None:
    server = serve()
    with server.client() as client:
        model, photo = taken_in(client, tiny_model), uploaded(client, trays[0])
        check = client.post("/checks", json={"model": model, "photos": [photo]}).json()["checks"][0]["id"]
        wait_until(lambda: client.get(f"/checks/{check}").json()["state"] == "done")
    server.end()
    import sqlite3

    with sqlite3.connect(server.data / "cafepick.db") as database:  # as three starts would leave it
        database.execute("UPDATE checks SET state = 'running', attempts = 3, beans = NULL")
    database.close()
    server = serve()
    with server.client() as client:
        wait_until(lambda: client.get(f"/checks/{check}").json()["state"] == "failed")
        assert "take it again" in client.get(f"/checks/{check}").json()["error"]["message"]


def test_a_full_queue_is_told_before_anything_is_recorded(
    serve: Callable[..., Served], trays: list[Path], tiny_model: Path
) -> None:
    server = serve("--limit", "queue=4", "--limit", "batch=20")
    with server.client() as client:
        model, photo = taken_in(client, tiny_model), uploaded(client, trays[0])
        five = client.post("/checks", json={"model": model, "photos": [photo] * 5})
        assert code_of(five) == (503, "busy")
        assert int(five.headers["retry-after"]) > 0
        assert client.get("/checks").json()["total"] == 0
        assert client.post("/checks", json={"model": model, "photos": [photo] * 4}).status_code == 202
        assert code_of(client.post("/inspect", params={"model": model}, content=trays[0].read_bytes())) == (503, "busy")
        too_many = {"model": model, "photos": [photo] * 21}
        assert code_of(client.post("/checks", json=too_many)) == (422, "invalid")
        began = time.monotonic()
        waited = client.get(f"/checks/{client.get('/checks').json()['checks'][0]['id']}", params={"wait": 30})
        assert waited.json()["state"] == "done"
        assert time.monotonic() - began < 30
