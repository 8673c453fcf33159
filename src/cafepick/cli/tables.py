"""Plain tables on stdout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import typer

LONGEST: Final = 200
"""Text of a table's field, in characters; a longer one is cut."""


def print_facts(title: str, facts: Mapping[str, object]) -> None:
    """Print nested facts as aligned lines, one section for each mapping."""
    typer.echo(title)
    rows = list(_flatten(facts, ""))
    width = max((len(key) for key, _ in rows), default=0)
    for key, value in rows:
        typer.echo(f"  {key:<{width}}  {value}")


def _flatten(facts: Mapping[str, object], prefix: str) -> Iterator[tuple[str, object]]:
    for key, value in facts.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _short(value)


def _short(value: object) -> object:
    """Cut a text that no person reads, such as the prints of thousands of photos."""
    if isinstance(value, str) and len(value) > LONGEST:
        return f"{value[: LONGEST // 2]}... ({len(value):,} characters)"
    return value
