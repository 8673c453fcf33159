"""A PostgreSQL server of the tests' own, on a socket in a folder of its own; nothing else is touched."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

USER = "postgres"
"""The server refuses to run as root, so Debian's user runs it there."""


def postgres_binaries() -> Path | None:
    """Return the folder of the newest installed PostgreSQL."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    there = shutil.which("initdb")
    return Path(there).parent if there else None


class Postgres:
    """A running server."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self._as = {"user": USER, "group": USER, "extra_groups": []} if os.geteuid() == 0 else {}
        self._folder = Path(tempfile.mkdtemp(prefix="pg"))  # pytest's folders are closed to other users
        if self._as:
            shutil.chown(self._folder, USER, USER)
        self._folder.chmod(0o755)
        self._run("initdb", "-D", str(self._folder / "data"), "-U", USER, "-A", "trust", "--no-sync", "-E", "UTF8")
        self.start()

    def start(self) -> None:
        """Start it, or start it again."""
        settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={self._folder}", "-c", "fsync=off"]
        self._process = subprocess.Popen(
            [str(self._binaries / "postgres"), "-D", str(self._folder / "data"), *settings],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self._as,
        )
        deadline = time.monotonic() + 90
        while subprocess.run([self._binaries / "pg_isready", "-h", self._folder, "-q"], check=False).returncode:
            assert time.monotonic() < deadline, "PostgreSQL does not start"
            time.sleep(0.05)

    def database(self, name: str) -> str:
        """Make an empty database and return its URL."""
        self._run("createdb", "-h", str(self._folder), "-U", USER, name)
        return f"postgresql://{USER}@/{name}?host={self._folder}"

    def halt(self) -> None:
        """Stop it at once, whoever is connected; ``start`` brings it back."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)

    def stop(self) -> None:
        """Stop it and remove its folder."""
        self.halt()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, program: str, *words: str) -> None:
        command = [str(self._binaries / program), *words]
        subprocess.run(command, check=True, capture_output=True, cwd="/", **self._as)
