"""What an evaluation could not measure, and what should be known of its numbers, as keys that any language can say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

REASONS: Final = {
    "no_good": "there is no good subject",
    "no_defective": "there is no defective subject",
    "lone_photo": "all good or all defective subjects lie in one photo, so how photos differ is left out of them",
    "masks_mark_nothing": "the masks of {photos} photos mark no pixel as defect",
    "masks_mark_all": "the masks of {photos} photos mark every pixel as defect",
    "no_masks": "the source has no masks",
    "no_usable_mask": "no mask that could be used marks a defect",
    "without_mask": "{photos} photos with defects have no mask and are left out",
    "mask_unmarked": "the masks of {photos} photos with defects mark nothing, so they are left out, first {first}",
    "outlines_judged": "the annotated outlines themselves were judged (--use-outlines)",
    "no_outlines": "the source has no outlines",
    "whole_photos": "the model judges whole photos",
    "none_annotated": "no outline is annotated",
    "none_found": "no bean was found",
    "none_matched": "no bean found matches an annotated outline",
    "no_class_good": "none of the classes {classes} means good; name one that does with --good",
    "photos_not_there": "{photos} labelled photos are not in the source, first {first}",
    "beans_not_found": "{beans} labelled beans were not found, first bean {bean} of {first}",
    "masks_beside": "{masks} masks mark no bean of their photo, so all count as good, first that of {first}",
    "learnt_from": "{learnt} of {photos} photos are among those that the model learnt from or that set its threshold, "
    "so it looks better than it is",
    "only_taught": "training learns from good subjects only, so nothing says yet how many bad ones are found: check "
    "photos, correct the verdicts, and evaluate with the corrections",
}
"""Each in English; fields in braces are filled by ``Omission.values``."""

SEEN_BEFORE: Final = "seen_before"
"""What a remark is about that tells of photos which the model learnt from."""


class Omission(NamedTuple):
    """One number that is missing, or one thing to be known, and why."""

    about: str
    """The number, as ``metrics.json`` names it, or what else the remark concerns."""
    reason: str
    """A key of ``REASONS``."""
    values: Mapping[str, int | str] = {}
    """For the fields of the reason."""

    @property
    def text(self) -> str:
        """The reason in English."""
        return REASONS[self.reason].format(**self.values)

    def as_json(self) -> dict[str, Any]:
        """Return an entry of ``omitted`` in ``metrics.json``."""
        return {"about": self.about, "reason": self.reason, "values": dict(self.values), "text": self.text}
