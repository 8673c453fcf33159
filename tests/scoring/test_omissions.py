"""Reasons as keys: each can be filled and said in every language of the report."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import cafepick
from cafepick.report.words import TEXTS, Words
from cafepick.scoring import omissions
from cafepick.scoring.evaluation import RANKING
from cafepick.scoring.omissions import REASONS, Omission

MAKERS = ("jobs/evaluate.py", "jobs/truth.py", "scoring/evaluation.py", "server/models.py")
PARTLY = (
    *("false_reject.realised", "promise.realised", "classes.auroc", "miss_rate", "promise.missed", "classes"),
    *("finding", "finding.recall", "finding.precision", "finding.median_iou"),
)
"""Numbers that are named apart from the reason why they are missing."""


def test_a_reason_is_filled_and_is_plain_json():
    entry = Omission("labels", "beans_not_found", {"beans": 2, "bean": 9, "first": "a.jpg"}).as_json()
    assert json.loads(json.dumps(entry)) == entry
    assert entry["text"] == "2 labelled beans were not found, first bean 9 of a.jpg"


def test_a_reason_that_nobody_knows_is_a_mistake():
    with pytest.raises(KeyError, match="no_mask"):
        Omission("pixel", "no_mask").as_json()


@pytest.mark.parametrize("reason", REASONS)
def test_the_report_says_every_reason_in_japanese(reason):
    values = dict.fromkeys(re.findall(r"{(\w+)}", REASONS[reason]), "7")
    said = Words("ja")(f"omitted.{reason}", **values)
    assert re.search("[ぁ-んァ-ヶ一-龠]", said)
    assert said.count("7") == len(values)


def test_the_report_has_a_name_for_all_that_is_ever_missing():
    """What it concerns stands right behind ``Omission(``, in quotes or by a name, or in ``RANKING`` and ``PARTLY``."""
    source = Path(cafepick.__file__).parent
    code = "".join((source / name).read_text() for name in MAKERS)
    named = set(re.findall(r'Omission\(\s*"([\w.]+)"', code)) | {*RANKING, *PARTLY}
    named |= {getattr(omissions, name) for name in re.findall(r"Omission\(\s*([A-Z_]+)\b", code)}
    assert {"pixel", "labels", "masks", "good", "intervals", "seen_before", "found"} <= named
    for texts in TEXTS.values():
        assert {f"omitted.about.{name}" for name in named} <= texts.keys()
