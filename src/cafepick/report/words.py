"""What the report says, in the language asked for, and how it writes numbers: never more exact than they are."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

from cafepick.report.english import ENGLISH
from cafepick.report.japanese import JAPANESE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cafepick.config import SubjectKind
    from cafepick.report.results import Measured

Language = Literal["en", "ja"]

TEXTS: Final[dict[Language, dict[str, str]]] = {"en": ENGLISH, "ja": JAPANESE}
NOUNS: Final = ("good", "bad", "things", "unit")
"""Fields that every text may use."""


class Words:
    """The texts of one language, for one kind of subject."""

    def __init__(self, language: Language, subject: SubjectKind = "beans") -> None:
        self.language: Language = language
        self.subject: SubjectKind = subject
        self._texts = TEXTS[language]
        kind = "images" if subject == "whole" else "beans"
        self._nouns = {noun: self._texts[f"{kind}.{noun}"] for noun in NOUNS}

    def __call__(self, key: str, **fields: object) -> str:
        """Return the text called ``key`` with its fields filled in: plain text, still to be escaped."""
        return self._texts[key].format(**self._nouns, **fields)

    def joined(self, names: Iterable[str]) -> str:
        """Return a list of names as one text."""
        return self("list.separator").join(names)

    def __contains__(self, key: str) -> bool:
        return key in self._texts

    def percent(self, share: float) -> str:
        """Write a share as per cent."""
        return self("percent", number=hundredths(share))

    def rate(self, share: float) -> str:
        """Write a share that somebody chose, such as a promised rate, as it was chosen."""
        return self("percent", number=f"{100 * share:.4g}")

    def per_hundred(self, share: float) -> str:
        """Say how many of 100 that is, with a verb where the language wants one."""
        if share in (0, 1):
            return self("hundred.all" if share else "hundred.none")
        count = nearest(100 * share)
        key = {0: "few", 1: "one", 100: "most"}.get(count, "many")
        return self(f"hundred.{key}", n=count)

    def spread(self, measured: Measured, *, percent: bool = False) -> str:
        """Write the interval of a measure, empty where there is none."""
        if measured.low is None or measured.high is None:
            return ""
        write = hundredths if percent else decimal
        numbers = self("range", low=write(measured.low), high=write(measured.high))
        return self("percent", number=numbers) if percent else numbers

    def with_spread(self, measured: Measured | None, *, percent: bool = False) -> str:
        """Write a measure with its interval in brackets."""
        if measured is None:
            return self("missing")
        value = self.percent(measured.value) if percent else decimal(measured.value)
        spread = self.spread(measured, percent=percent)
        return self("measured", value=value, spread=spread) if spread else value

    def duration(self, seconds: float) -> str:
        """Write a time in its two largest units."""
        minutes, rest = divmod(round(seconds), 60)
        hours, minutes_left = divmod(minutes, 60)
        if hours:
            return self("duration.hours", h=hours, m=minutes_left)
        return self("duration.minutes", m=minutes, s=rest) if minutes else self("duration.seconds", s=rest)


def moment(text: str) -> str:
    """Write a date of ISO 8601 for people; whatever is none stays as it is."""
    try:
        return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M %Z}".rstrip()
    except ValueError:
        return text


def hundredths(share: float) -> str:
    """Write 100 times a share; what is not quite 0 or 100 never looks as if it were."""
    number = 100 * share
    if 0 < number < 0.05:
        return "<0.1"
    return ">99.9" if 99.95 <= number < 100 else f"{number:.1f}"


def decimal(value: float) -> str:
    """Write an AUROC or the like: three decimals, and 1 only where it is 1."""
    return ">0.999" if 0.9995 <= value < 1 else f"{value:.3f}"


def score(value: float) -> str:
    """Write an anomaly score: three digits at least, thousands apart."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def nearest(number: float) -> int:
    """Round half up, as people do."""
    return math.floor(number + 0.5)
