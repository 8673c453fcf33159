"""Why a subject is NG, in words: the part that finds it least like a good one, and what that part saw."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from cafepick.scoring.fusion import APPEARANCE
from cafepick.types import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from cafepick.scoring.appearance import Appearance

TELLING: Final = 2.5
"""A descriptor is named as the reason from so many standard deviations."""

LEAST_AREA: Final = 0.005
"""Share of a subject that is named as the reason at least; "0.0 % of it" would say nothing."""

ALL: Final = 0.9995
"""Share of good subjects that is called all of them."""

COMPARATIVES: Final = {
    "size": ("smaller", "larger"),
    "length": ("rounder", "longer"),
    "boxiness": ("outline more pointed", "outline more angular"),
    "solidity": ("outline more broken", "outline smoother"),
    "misfit": ("outline more oval", "outline less oval"),
    "roughness": ("outline smoother", "outline rougher"),
    "wave": ("outline more even", "outline more misshapen"),
    "pattern": ("pattern more even", "pattern more lopsided"),
    "outline": ("outline more symmetric", "outline more lopsided"),
    "lightness_with": ("paler parts less coloured", "paler parts more coloured"),
    "redness_with": ("redder parts greyer", "redder parts yellower"),
    "lightness": ("darker", "paler"),
    "redness": ("greener", "redder"),
    "yellowness": ("greyer", "yellower"),
    "rim": ("rim darker or greyer", "rim paler or more coloured"),
    "uneven": ("rim more even", "rim more uneven"),
    "slope": ("smoother", "rougher"),
    "bend": ("smoother", "rougher"),
    "inner": ("smoother", "rougher"),
    "texture": ("smoother", "rougher"),
    "dark_spots": ("fewer dark spots", "more dark spots"),
    "pale_spots": ("fewer pale spots", "more pale spots"),
}
"""What a low and a high value of a descriptor mean, by the beginning of its name; the longest that fits counts."""


def in_words(reason: Reason) -> str:
    """Say a reason in English."""
    if reason.key == "area":
        return f"{'pale' if reason.high else 'dark'} area, {_percent(reason.share)} of it, unlike good ones"
    if reason.key == "combination":
        return "unusual combination of size, shape and colour"
    others = "all good ones" if reason.share >= ALL else f"{_percent(reason.share)} of good ones"
    return f"{COMPARATIVES[reason.key][reason.high]} than {others}"


def in_short(reason: Reason) -> str:
    """Say in English what is odd, without how odd it is."""
    return COMPARATIVES[reason.key][reason.high] if reason.key in COMPARATIVES else f"unusual {reason.key}"


def reason_of(
    p_values: Mapping[str, float],
    names: Sequence[str],
    descriptors: NDArray[np.float64],
    appearance: Appearance,
    area: Callable[[], Reason],
) -> Reason:
    """Choose the leading reason.

    Args:
        p_values: of the parts, by name.
        names: of the descriptors; none where they are projected and have no names.
        descriptors: of the subject; those after the names tell the light.
        appearance: what they are like for good subjects.
        area: gives what the anomaly map shows, if that is asked for.
    """
    leading = min(p_values, key=lambda name: (p_values[name], name != APPEARANCE))
    if leading != APPEARANCE:
        return area()
    if not names:
        return Reason("combination") if appearance.places is None else area()  # its map shows what a closer look finds
    odd = appearance.oddest(descriptors)
    if abs(odd.deviations) < TELLING:
        return Reason("combination")
    high = odd.deviations > 0
    return Reason(comparative_of(names[odd.place]), high, odd.below if high else 1 - odd.below)


def area_of(
    image: NDArray[np.uint8],
    reconstruction: NDArray[np.uint8],
    segmentation: NDArray[np.bool_],
    subject: NDArray[np.bool_],
) -> Reason:
    """Describe what differs between crop and reconstruction, both (size, size, C), where the segmentation is True.

    Less than ``LEAST_AREA`` of the subject is no area: then no single place is the reason.
    """
    where = segmentation & subject
    share = float(where.sum() / max(subject.sum(), 1))
    if share < LEAST_AREA:
        return Reason("combination")
    paler = float(image[where].mean()) > float(reconstruction[where].mean())
    return Reason("area", paler, share)


@lru_cache(maxsize=256)  # there are as many names as descriptors, and each NG asks
def comparative_of(name: str) -> str:
    """Return the key of ``COMPARATIVES`` that speaks of a descriptor."""
    return max((key for key in COMPARATIVES if name.startswith(key)), key=len)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share > 0.99 or share < 0.01 else f"{100 * share:.0f} %"
