"""Fifty clients at once for a minute: does an answer fail, and is a record lost when the server is then killed?

    python benchmarks/serve_load.py [--clients 50] [--seconds 60] [--model beans.cafepick] [--database URL]
                                    [--json benchmarks/results/serve_load.json]

The script starts ``cafepick serve`` on loopback, has it teach a tiny model (unless one is given), and lets clients do
in a loop what people at sorting tables do: upload a photo of their own, have it judged (by ``/checks`` and by
``/inspect`` in turn), look at pictures, lots and the history, change the note and upload more until the verdicts are
there, correct a bean, mark the check as reviewed. When the time is over the server is killed as by ``kill -9``, with
checks in its queue, and started again. Then all that it had acknowledged is asked for: each photo byte for byte, each
check judged, each correction and note as it was said.

The loops end by their own clock, and only 127.0.0.1 is asked. An error is any answer but those that ``docs/api.md``
gives for the call when all is well; 429 and 503 count as errors too. Times are those of clients that share the cores
with the server and with whatever else ran, so the load average stands beside them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np

from cafepick import __version__
from cafepick.data.demo import draw_tray
from cafepick.files import write_json

API = "/api/v1"
TINY = ["model.width=8", "gan.batch=8", "search.steps=4"]
PATIENCE = 900.0
"""Seconds that the checks left in the queue may take after the restart."""


@dataclass
class Books:
    """What the server acknowledged, kept by the clients; one lock for all."""

    photos: set[str] = field(default_factory=set)
    checks: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Check -> lot, photo, and what was said of it."""
    errors: list[str] = field(default_factory=list)
    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Call -> time of each answer."""
    lock: threading.Lock = field(default_factory=threading.Lock)


class Server:
    """``cafepick serve`` as a process of its own."""

    def __init__(self, data: Path, database: str | None) -> None:
        self._command = [sys.executable, "-m", "cafepick.cli.app", "serve", "--data", str(data)]
        self._command += ["--database", database] if database else []
        self._log = data.with_suffix(".log")

    def start(self) -> None:
        """Start it on a free port, and wait until it answers."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen([*self._command, "--port", str(port)], stdout=log, stderr=log)
        self.url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 120
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the server does not start: {self._log.read_text()[-2000:]}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}{API}/health").status_code == 200
        except httpx.TransportError:
            return False

    def end(self, number: int) -> None:
        """Send a signal and wait for the end."""
        self.process.send_signal(number)
        self.process.wait(600)


class Client:
    """One person at a table."""

    def __init__(self, number: int, url: str, model: str, photos: list[bytes], books: Books) -> None:
        self._number, self._model, self._photos, self._books = number, model, photos, books
        self._random = random.Random(number)
        self._http = httpx.Client(base_url=f"{url}{API}", timeout=120)
        self._turn = self._notes = 0

    def work(self, until: float) -> None:
        """Go round and round until the clock says stop."""
        with self._http:
            while time.monotonic() < until:
                self._turn += 1
                try:
                    self._round(until)
                except httpx.HTTPError as error:
                    with self._books.lock:
                        self._books.errors.append(f"{type(error).__name__}: {error}")

    def _round(self, until: float) -> None:
        content = self._photos[self._turn % len(self._photos)] + f"{self._number}/{self._turn}".encode()
        lot = f"table {self._number}"
        check = self._inspected(content, lot) if self._turn % 2 else self._queued(content, lot)
        while check and check["state"] in ("queued", "running") and time.monotonic() < until:
            self._look(lot, check["photo"]["id"])
            self._write(check)
            check = self._ask("GET check", f"/checks/{check['id']}", params={"wait": 1})
        if check and check["state"] == "done":
            self._correct(check)

    def _inspected(self, content: bytes, lot: str) -> dict[str, Any] | None:
        query = {"model": self._model, "lot": lot, "wait": 1, "name": "tray.jpg"}
        check = self._ask("POST inspect", "/inspect", good=(200, 202), params=query, content=content)
        return self._noted(check, content, lot)

    def _queued(self, content: bytes, lot: str) -> dict[str, Any] | None:
        photo = self._ask("POST photo", "/photos", good=(201,), params={"name": "tray.jpg"}, content=content)
        if photo is None:
            return None
        with self._books.lock:
            self._books.photos.add(photo["id"])
        wish = {"model": self._model, "photos": [photo["id"]], "lot": lot}
        batch = self._ask("POST checks", "/checks", good=(202,), json=wish)
        return self._noted(batch["checks"][0], content, lot) if batch and batch["checks"] else None

    def _noted(self, check: dict[str, Any] | None, content: bytes, lot: str) -> dict[str, Any] | None:
        if check is not None:
            digest = hashlib.sha256(content).hexdigest()
            with self._books.lock:
                self._books.photos.add(digest)
                self._books.checks[check["id"]] = {"lot": lot, "photo": digest, "said": {}, "note": None}
        return check

    def _correct(self, check: dict[str, Any]) -> None:
        entry = self._books.checks[check["id"]]
        judged = [one for one in check["verdicts"] if one["p_value"] is not None]
        if judged:
            bean, said = self._random.choice(judged)["bean"], self._random.choice(("fine", "bad"))
            url = f"/checks/{check['id']}/beans/{bean}"
            if self._ask("PUT correction", f"{url}/correction", method="PUT", json={"correction": said}):
                entry["said"][bean] = said
            self._ask("GET panel", f"{url}/panel")
        patch = {"note": f"seen in round {self._turn}", "reviewed": True}
        if self._ask("PATCH check", f"/checks/{check['id']}", method="PATCH", json=patch):
            entry["note"] = patch["note"]

    def _write(self, check: dict[str, Any]) -> None:
        """Change the note of a check that waits, and bring one more photo."""
        self._notes += 1
        note = f"note {self._notes}"
        if self._ask("PATCH check", f"/checks/{check['id']}", method="PATCH", json={"note": note}):
            self._books.checks[check["id"]]["note"] = note
        content = self._photos[0] + f"{self._number}: {note}".encode()
        photo = self._ask("POST photo", "/photos", good=(201,), params={"name": "one more"}, content=content)
        if photo:
            with self._books.lock:
                self._books.photos.add(photo["id"])

    def _look(self, lot: str, photo: str) -> None:
        self._ask("GET thumbnail", f"/photos/{photo}/thumbnail")
        self._ask("GET history", "/checks", params={"lot": lot, "limit": 20})
        self._ask("GET lots", "/lots")
        self._ask("GET health", "/health")

    def _ask(
        self, name: str, url: str, *, good: tuple[int, ...] = (200,), method: str | None = None, **more: Any
    ) -> Any:
        """Return the answer's JSON (or True for a picture); None after an error, which is noted."""
        began = time.monotonic()
        answer = self._http.request(method or name.split(maxsplit=1)[0], url, **more)
        took = time.monotonic() - began
        with self._books.lock:
            self._books.seconds[name].append(took)
            if answer.status_code not in good:
                self._books.errors.append(f"{name}: {answer.status_code} {answer.text[:200]}")
                return None
        return answer.json() if answer.headers["content-type"].startswith("application/json") else True


def teach(http: httpx.Client, photos: list[bytes]) -> str:
    """Teach a tiny model and return its id."""
    ids = [{"id": http.post("/photos", content=content).json()["id"]} for content in photos]
    wish = {"name": "tiny", "photos": ids, "recipe": "quick", "size": 32, "steps": 12, "hold_back": 0.4}
    training = http.post("/trainings", json={**wish, "settings": TINY}).json()["id"]
    while (found := http.get(f"/trainings/{training}").json())["state"] in ("queued", "running"):
        time.sleep(0.5)
    if found["state"] != "done":
        raise SystemExit(f"teaching failed: {found['error']}")
    return found["model"]


def drawn_photos(number: int) -> list[bytes]:
    """Draw trays of 12 beans, 400 x 300, as JPEG."""
    trays = [draw_tray(np.random.default_rng((5, seed)), width=400, height=300, beans=12) for seed in range(number)]
    return [cv2.imencode(".jpg", tray.photo[..., ::-1])[1].tobytes() for tray in trays]


def lost_records(http: httpx.Client, books: Books) -> list[str]:
    """Ask for all that was acknowledged; return what is not as it was."""
    lost = [
        f"photo {digest}"
        for digest in sorted(books.photos)
        if hashlib.sha256(http.get(f"/photos/{digest}/file").content).hexdigest() != digest
    ]
    for key, entry in books.checks.items():
        answer = http.get(f"/checks/{key}")
        check: dict[str, Any] = answer.json() if answer.status_code == 200 else {"state": "missing"}
        said = {one["bean"]: one["correction"] for one in check.get("verdicts", ()) if one["correction"]}
        whole = check["state"] == "done" and (check["lot"], check["photo"]["id"]) == (entry["lot"], entry["photo"])
        if not whole or said != entry["said"] or (entry["note"] and check["note"] != entry["note"]):
            lost.append(f"check {key}: {check['state']} {check.get('error')} {said} for {entry}")
    return lost


def wait_for_all(http: httpx.Client, checks: int) -> float:
    """Wait until nothing is queued any more; return the seconds."""
    began = time.monotonic()
    while any(http.get("/checks", params={"state": state}).json()["total"] for state in ("queued", "running")):
        if time.monotonic() - began > PATIENCE:
            raise SystemExit(f"of {checks} checks some are not judged after {PATIENCE:.0f} s")
        time.sleep(0.5)
    return time.monotonic() - began


def times_of(books: Books) -> dict[str, dict[str, float]]:
    """Return how long the answers took, seconds."""
    return {
        name: {
            "answers": len(seconds),
            **{f"p{share}": round(float(np.percentile(seconds, share)), 4) for share in (50, 95, 99)},
            "longest": round(max(seconds), 4),
        }
        for name, seconds in sorted(books.seconds.items())
    }


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Do all that the top of this file says."""
    server, books, photos = Server(folder / "data", options.database), Books(), drawn_photos(6)
    server.start()
    try:
        with httpx.Client(base_url=f"{server.url}{API}", timeout=120) as http:
            if options.model:
                model = http.post("/models", content=options.model.read_bytes()).json()["id"]
            else:
                model = teach(http, photos)
        load, began = os.getloadavg(), time.monotonic()
        clients = [Client(number, server.url, model, photos, books) for number in range(options.clients)]
        threads = [threading.Thread(target=one.work, args=(began + options.seconds,)) for one in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        lasted = time.monotonic() - began
        with httpx.Client(base_url=f"{server.url}{API}", timeout=120) as http:
            judged = http.get("/checks", params={"state": "done"}).json()["total"]
        server.end(signal.SIGKILL)
        server.start()
        with httpx.Client(base_url=f"{server.url}{API}", timeout=120) as http:
            waited = wait_for_all(http, len(books.checks))
            total = http.get("/checks").json()["total"]
            lost = lost_records(http, books)
    finally:
        if server.process.poll() is None:
            server.end(signal.SIGINT)
    answers = sum(len(seconds) for seconds in books.seconds.values())
    return {
        "cafepick": __version__,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": {"processor": _processor(), "cores": os.cpu_count(), "python": platform.python_version()},
        "load_average_before": [round(one, 2) for one in load],
        "database": "postgresql" if options.database else "sqlite",
        "model": options.model.name if options.model else "tiny, taught by the script",
        "clients": options.clients,
        "seconds": round(lasted, 1),
        "answers": answers,
        "answers_a_second": round(answers / lasted, 1),
        "errors": len(books.errors),
        "error_examples": [f"{count} x {text}" for text, count in Counter(books.errors).most_common(5)],
        "photos_acknowledged": len(books.photos),
        "checks_acknowledged": len(books.checks),
        "checks_recorded": total,
        "checks_judged_when_killed": judged,
        "corrections_acknowledged": sum(len(entry["said"]) for entry in books.checks.values()),
        "records_lost": len(lost),
        "lost_examples": lost[:5],
        "seconds_to_judge_the_rest_after_the_restart": round(waited, 1),
        "answer_seconds": times_of(books),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--database")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cafepick-load") as folder:
        result = measure(options, Path(folder))
    print(json.dumps(result, indent=1))
    if options.json:
        write_json(options.json, result)
    return 1 if result["errors"] or result["records_lost"] else 0


if __name__ == "__main__":
    sys.exit(main())
