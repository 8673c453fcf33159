"""``cafepick serve`` as a process of its own, and the calls that tests repeat."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from cafepick.data.demo import DrawnTray
from cafepick.images import write_image

Client = httpx.Client

TINY = ("model.width=8", "gan.batch=8", "gan.checkpoint_every=4", "search.steps=4", "encoder.steps=400")
"""Settings of a training that takes seconds; the encoder's steps are for the whole length of ``quick``."""


class Served:
    """One server process."""

    def __init__(self, data: Path, *words: object, file_size: int | None = None, port: int | None = None) -> None:
        """Start it and wait until it answers.

        Args:
            data: its folder.
            words: more of the command line.
            file_size: bytes that the system lets it write into one file; None: any.
            port: to answer on; None: one that is free.
        """
        self.data = data
        self.database = "postgresql" if "--database" in words else "sqlite"
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = data.parent / f"{data.name}.log"
        command = [sys.executable, "-m", "cafepick.cli.app", "serve", "--port", str(self.port), "--data", str(data)]
        if file_size is not None:
            command = ["prlimit", f"--fsize={file_size}", *command]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *map(str, words)],
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._wait()

    def client(self, **options: Any) -> Client:
        """Return a client of the API."""
        return Client(base_url=f"{self.url}/api/v1", timeout=60, **options)

    def kill(self) -> None:
        """End it as ``kill -9`` does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)

    def end(self) -> None:
        """End it as Ctrl-C does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
                raise

    def _wait(self) -> None:
        deadline = time.monotonic() + 120
        while True:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, f"no answer: {self.log.read_text()}"
            try:
                httpx.get(f"{self.url}/api/v1/health")
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return


@contextmanager
def serving(data: Path) -> Iterator[Callable[..., Served]]:
    """Start servers, with their data there unless they are told otherwise; all end at last."""
    started: list[Served] = []

    def start(*words: object, data: Path = data, **options: Any) -> Served:
        started.append(Served(data, *words, **options))
        return started[-1]

    yield start
    for server in started:
        server.end()


def photographed(trays: Sequence[DrawnTray], folder: Path) -> list[Path]:
    """Write trays as photos and return their paths."""
    paths = [folder / f"tray_{number}.jpg" for number in range(len(trays))]
    for path, tray in zip(paths, trays, strict=True):
        write_image(path, tray.photo)
    return paths


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def taken_in(client: Client, path: Path) -> str:
    """Upload a model and return its id."""
    answer = client.post("/models", params={"name": path.stem}, content=path.read_bytes())
    assert answer.status_code in (200, 201), answer.text
    return answer.json()["id"]


def uploaded(client: Client, path: Path) -> str:
    """Upload a photo and return its id."""
    answer = client.post("/photos", params={"name": path.name}, content=path.read_bytes())
    assert answer.status_code in (200, 201), answer.text
    return answer.json()["id"]


def checked(client: Client, model: str, path: Path, **options: Any) -> dict[str, Any]:
    """Check a photo and return the check."""
    query = {"model": model, "name": path.name, "wait": 55, **options}
    answer = client.post("/inspect", params=query, content=path.read_bytes(), timeout=150)
    assert answer.status_code in (200, 202), answer.text
    while answer.json()["state"] in ("queued", "running"):  # other tests keep the machine busy
        answer = client.get(f"/checks/{answer.json()['id']}", params={"wait": 30})
    assert answer.json()["state"] == "done", answer.text
    return answer.json()


def code_of(answer: httpx.Response) -> tuple[int, str]:
    """Return status and code of an error."""
    error = answer.json()["error"]
    assert error["message"]
    return answer.status_code, error["code"]


def wait_until(happened: Any, *, seconds: float = 150) -> Any:
    """Ask until the answer is true, and return it."""
    deadline = time.monotonic() + seconds
    while not (answer := happened()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)
    return answer
