"""What was not measured, and why, in the language of the report; ``scoring/omissions.py`` has the reasons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cafepick.report.words import Words


class Remark(NamedTuple):
    """One entry of ``omitted`` in ``metrics.json``; all but ``text`` may be unknown to this version."""

    text: str
    """In English."""
    about: str = ""
    reason: str = ""
    values: tuple[tuple[str, object], ...] = ()


def read_remark(raw: object) -> Remark:
    """Read an entry; a bare sentence is one, too."""
    if not isinstance(raw, Mapping):
        return Remark(str(raw))
    entry: dict[str, Any] = dict(raw)
    values = entry.get("values")
    fields = tuple(values.items()) if isinstance(values, Mapping) else ()
    text, about, reason = (str(entry.get(key, "")) for key in ("text", "about", "reason"))
    return Remark(text, about, reason, fields)


def in_words(remarks: Iterable[Remark], words: Words) -> list[tuple[str, str, str | None]]:
    """Say each reason once, after all that it concerns.

    Returns:
        What it concerns, which may be empty, the reason, and its language where that is not the report's.
    """
    concerned: dict[tuple[str, str | None], list[str]] = {}
    for remark in remarks:
        key = f"omitted.about.{remark.about}"
        concerned.setdefault(_reason(remark, words), []).append(words(key) if key in words else remark.about)
    return [
        (_beginning(words.joined(name for name in names if name)), reason, language)
        for (reason, language), names in concerned.items()
    ]


def _beginning(text: str) -> str:
    return text[:1].upper() + text[1:]


def _reason(remark: Remark, words: Words) -> tuple[str, str | None]:
    """Return the reason, and its language where that is not the report's."""
    try:
        return words(f"omitted.{remark.reason}", **{str(name): value for name, value in remark.values}), None
    except (KeyError, IndexError, TypeError):  # of another version, or damaged
        return remark.text, "en"
