"""Plain tables on stdout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import typer


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
            yield f"{prefix}{key}", value
