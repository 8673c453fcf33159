"""How everything was made: training curves, data, seed, versions, command, machine."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from cafepick.errors import PhotoError
from cafepick.images import read_photo
from cafepick.report.markup import Html, element, join, picture
from cafepick.report.tables import section
from cafepick.report.words import moment

if TYPE_CHECKING:
    from pathlib import Path

    from cafepick.report.words import Words

LONGEST: Final = 2000
"""Letters of one fact; longer ones are cut off."""


def training(curves: Path | None, words: Words) -> Html:
    """Show the training curves, or say why not."""
    if curves is None:
        shown = element("p", words("training.none"))
    else:
        try:
            image = picture(read_photo(curves), words("training.alt"), lossless=True)
            shown = element(
                "figure", image, element("figcaption", element("p", words("training.caption"))), class_="photo"
            )
        except PhotoError as error:
            shown = element("p", words("training.unreadable", reason=error))
    return section("training", words("training"), shown)


def made(metrics: Mapping[str, Any], words: Words) -> Html:
    """List the facts of the evaluation, the training, the calibration and the programs."""
    evaluation = {
        key: metrics.get(key) for key in ("source", "command", "date", "model", "method", "cafepick", "machine")
    }
    groups = [
        _group("evaluation", {key: value for key, value in evaluation.items() if value is not None}, words),
        *(_group(key, metrics.get(key), words) for key in ("training", "calibration", "versions")),
    ]
    return section("made", words("made"), element("div", *groups, class_="columns"))


def _group(name: str, facts: object, words: Words) -> Html:
    title = element("h3", words(f"made.{name}"))
    if not isinstance(facts, Mapping) or not facts:
        return element("div", title, element("p", words("made.none"), class_="missing"))
    lines: list[Html] = []
    for key, value in facts.items():
        text = words(f"made.{key}") if f"made.{key}" in words else str(key)
        lines += [element("dt", text), element("dd", _fact(key, value, words))]
    return element("div", title, element("dl", *lines))


def _fact(key: str, value: Any, words: Words) -> Html:
    """Write one fact as a person would."""
    if value is None or value in ([], {}, ""):
        return join([words("made.no_history" if key == "history" and value == [] else "made.none")])
    if key == "seconds" and isinstance(value, int | float):
        return join([words.duration(value)])
    if key == "date":
        return join([moment(str(value))])
    if key == "command" and isinstance(value, list | tuple):
        return element("code", _short(shlex.join(map(str, value))))
    if key == "history" and isinstance(value, list | tuple):
        return join((_settings(entry) for entry in value), element("br"))
    return _settings(value)


def _settings(value: Any) -> Html:
    if not isinstance(value, Mapping):
        return join([_short(_plain(value))])
    pairs = [f"{key} = {_plain(inner)}" for key, inner in value.items()]
    return join((element("span", _short(pair)) for pair in pairs), " · ")


def _plain(value: Any) -> str:
    """Write a value as JSON would, text as it is and numbers in four digits."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_plain, value))}]"
    return json.dumps(value, ensure_ascii=False, default=str)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
