"""How the server is to run, and what it refuses."""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from cafepick.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the server refuses, so that no client can take all of it; ``docs/api.md`` says what each bounds."""

    upload_bytes: int = 40_000_000
    model_bytes: int = 500_000_000
    pixels: int = 60_000_000
    body_bytes: int = 1_000_000
    batch: int = 500
    photos_per_training: int = 2000
    queue: int = 10_000
    drawing: int = 64
    rate: int = 50
    """Requests a second from one address beyond loopback; 0 for no limit."""
    burst: int = 200
    logins: int = 10
    connections: int = 400
    connections_each: int = 300
    header_seconds: int = 15
    body_seconds: int = 300
    idle_seconds: int = 20
    free_bytes: int = 200_000_000

    def __post_init__(self) -> None:
        for one in fields(self):
            least = 0 if one.name in ("rate", "free_bytes") else 1
            if getattr(self, one.name) < least:
                raise ConfigError(f"--limit {one.name} must be {least} or more, got {getattr(self, one.name)}")

    @classmethod
    def of(cls, words: Sequence[str]) -> Limits:
        """Read ``NAME=VALUE`` words.

        Raises:
            ConfigError: a word has another form, the name is unknown, or the value no whole number in range.
        """
        known = [one.name for one in fields(cls)]
        values: dict[str, int] = {}
        for word in words:
            name, _, value = word.partition("=")
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1) or known
                raise ConfigError(f"there is no limit {name!r}: --limit takes NAME=VALUE, as in {near[0]}=100")
            if not value.isdecimal():
                raise ConfigError(f"--limit {name} needs a whole number, got {value!r}")
            values[name] = int(value)
        return cls(**values)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the server is to run."""

    data: Path
    """Folder of photos, models, runs and, by default, the database."""
    host: str = "127.0.0.1"
    port: int = 8719
    database: str | None = None
    """SQLAlchemy URL, or one that begins with ``postgresql://``; None: an SQLite file in ``data``."""
    token: str | None = None
    """What clients must show; None: nothing, which is allowed on loopback only."""
    device: str = "auto"
    workers: int = 1
    """Photos judged at once."""
    allow_hosts: tuple[str, ...] = ()
    """Names besides localhost that a Host header may have on loopback."""
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not is_loopback(self.host) and not self.token:
            raise ConfigError(f"--host {self.host} lets other computers in, so it needs a token: add --token")
        if self.token is not None and len(self.token) < 8:
            raise ConfigError(f"--token needs at least 8 characters, got {len(self.token)}: choose a longer one")
        if self.workers < 1:
            raise ConfigError(f"--workers must be 1 or more, got {self.workers}")

    @property
    def loopback(self) -> bool:
        """Whether only programs of this computer can connect."""
        return is_loopback(self.host)

    @property
    def database_url(self) -> str:
        """URL for SQLAlchemy, with the driver that the extras install."""
        if self.database is None:
            return f"sqlite:///{self.data.resolve() / 'cafepick.db'}"
        for name in ("postgresql://", "postgres://"):
            if self.database.startswith(name):
                return "postgresql+psycopg://" + self.database.removeprefix(name)
        return self.database


def is_loopback(host: str) -> bool:
    """Tell whether an address or name means this computer only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
