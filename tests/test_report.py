"""The report: what it says is true, complete in both languages, safe, and readable without anything else."""

from __future__ import annotations

import copy
import math
import re
import string
import xml.etree.ElementTree as ET
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cafepick.errors import OutputError
from cafepick.images import write_image
from cafepick.report import write_report
from cafepick.report.charts import precision_in_use
from cafepick.report.distribution import ClassScores, distribution, is_wide, scores_by_class
from cafepick.report.gallery import MOST_SHOWN
from cafepick.report.markup import element, escape, picture
from cafepick.report.reasons import reason_in_words
from cafepick.report.results import Measured, read_results
from cafepick.report.sections import headline
from cafepick.report.trust import Check, Grade, checks, overall
from cafepick.report.words import NOUNS, TEXTS, Words
from cafepick.scoring.omissions import Omission
from cafepick.scoring.reasons import COMPARATIVES
from cafepick.types import Judgement, Mistake, Reason, SubjectRow

THRESHOLD = 100.0


def between(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high}


METRICS: dict[str, Any] = {
    "schema": 1,
    "cafepick": "0.1.0",
    "command": ["cafepick", "evaluate", "my trays", "--model", "beans.cafepick"],
    "source": "my trays",
    "model": "9f2c" * 16,
    "date": "2025-11-23T21:40:00+00:00",
    "training": {"source": "healthy", "recipe": "standard", "gan": {"loss": "bce"}, "seed": 7, "seconds": 3912.4},
    "calibration": {"source": "kept aside", "subjects": 312, "history": [{"source": "first lot", "subjects": 120}]},
    "versions": {"torch": "2.13.0+cpu", "machine": "x86_64, 2 cores"},
    "subjects": {"good": 400, "defect": 100, "cut": 12, "unreadable": [{"image": "a.jpg", "reason": "is truncated"}]},
    "auroc": between(0.962, 0.947, 0.976),
    "average_precision": between(0.9, 0.86, 0.93),
    "f1_max": {"value": 0.84, "threshold": 93.2},
    "parts": {"residual": between(0.95, 0.93, 0.97), "discrimination": between(0.93, 0.9, 0.95)},
    "threshold": THRESHOLD,
    "false_reject": {"promised": 0.02, "upper_bound": 0.033, "realised": between(0.021, 0.0078, 0.0365)},
    "miss_rate": between(0.09, 0.04, 0.15),
    "promise": [
        {"rate": 0.01, "upper_bound": 0.02, "realised": between(0.03, 0.02, 0.05)},
        {
            "rate": 0.05,
            "upper_bound": 0.07,
            "realised": between(0.04, 0.02, 0.06),
            "missed": between(0.077, 0.03, 0.13),
        },
    ],
    "classes": {
        "black": {"subjects": 60, "auroc": between(1.0, 1.0, 1.0), "missed": between(0.0, 0.0, 0.0)},
        "insect": {"subjects": 40, "auroc": between(0.92, 0.88, 0.95), "missed": between(0.225, 0.1, 0.35)},
    },
    "roc": {"false_reject": [0.0, 0.0, 0.5, 1.0], "found": [0.0, 0.8, 1.0, 1.0]},
    "precision_recall": {"recall": [0.5, 0.9, 1.0], "precision": [1.0, 0.9, 0.2]},
    "pixel": {"auroc": 0.931, "aupro": 0.782, "images": 40},
    "finding": {"recall": 0.991, "median_iou": 0.874, "annotated": 612, "not_found": {"sour": 5}},
    "omitted": ["the class parchment has no masks"],
}
NULLS: dict[str, Any] = dict.fromkeys(METRICS) | {"omitted": ["there are no labels"]}


def metrics_with(**changes: Any) -> dict[str, Any]:
    return copy.deepcopy(METRICS) | changes


def row(label: str | None, score: float | None, name: str = "photo.jpg") -> SubjectRow:
    judgement = Judgement.CUT if score is None else Judgement.NG if score > THRESHOLD else Judgement.OK
    return SubjectRow(name, 3, label, score, score, score, None if score is None else 0.5, judgement)


def rows(seed: int = 0) -> list[SubjectRow]:
    random = np.random.default_rng(seed)
    middles = {"good": (70, 400), "insect": (120, 40), "black": (200, 60)}
    named = [row(label, float(s)) for label, (m, n) in middles.items() for s in random.normal(m, 15, n)]
    return [*named, row("good", None), row(None, 50.0)]


def mistakes_of(subjects: list[SubjectRow]) -> list[Mistake]:
    panel = np.random.default_rng(0).integers(0, 256, (32, 128, 3), np.uint8)
    wrong = [r for r in subjects if r.label and (r.label == "good") is (r.verdict is Judgement.NG)]
    return [Mistake(r, panel) for r in wrong if r.verdict in (Judgement.NG, Judgement.OK)]


@pytest.fixture
def report(tmp_path: Path) -> Callable[..., str]:
    """Write a report and return its text."""

    def write(metrics: dict[str, Any] = METRICS, subjects: list[SubjectRow] | None = None, **options: Any) -> str:
        judged = rows() if subjects is None else subjects
        pictured = options.pop("mistakes", mistakes_of(judged))
        write_report(tmp_path / "report.html", metrics, judged, pictured, **options)
        return (tmp_path / "report.html").read_text(encoding="utf-8")

    return write


class Page(HTMLParser):
    """Collects what the tests ask of a page, and fails where tags do not balance."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.seen.append((tag, dict(attrs)))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.texts)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.seen if name == tag]


LANGUAGES = pytest.mark.parametrize("language", ["en", "ja"])
CONTENTS = pytest.mark.parametrize("metrics", [METRICS, NULLS, {}], ids=["full", "null", "empty"])


class TestPage:
    @LANGUAGES
    @CONTENTS
    def test_is_well_formed_with_unique_ids_and_links_that_lead_somewhere(self, report, metrics, language) -> None:
        text = report(metrics, language=language)
        ET.fromstring(text)
        page = Page(text)
        ids = [attributes["id"] for _, attributes in page.seen if "id" in attributes]
        assert len(ids) == len(set(ids))
        assert {a["href"] for a in page.all("a")} <= {f"#{i}" for i in ids}
        named = " ".join(v for _, a in page.seen if (v := a.get("aria-labelledby")))
        assert set(named.split()) <= set(ids)
        assert page.all("html") == [{"lang": language}]

    @LANGUAGES
    def test_loads_nothing_and_runs_nothing(self, report, language) -> None:
        text = report(language=language)
        page = Page(text)
        assert "http:" not in text
        assert "https:" not in text
        assert not re.search(r"@import|url\(|<script|\son\w+=", text)
        sources = [v for _, a in page.seen for k in ("src", "href") if (v := a.get(k))]
        assert all(v.startswith(("data:", "#")) for v in sources)
        policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv"))
        assert policy is not None
        assert policy.startswith("default-src 'none'; img-src data:")

    @LANGUAGES
    def test_pictures_and_plots_are_told_in_words(self, report, language) -> None:
        text = report(language=language)
        page = Page(text)
        assert all(image["alt"] for image in page.all("img"))
        for drawing in ET.fromstring(text).iter("svg"):
            told = drawing.find("title") is not None and drawing.find("desc") is not None
            assert told or drawing.get("aria-hidden") == "true"

    def test_has_a_style_for_dark_screens_and_for_paper(self, report) -> None:
        text = report()
        assert "prefers-color-scheme: dark" in text
        assert "@media print" in text
        assert "break-inside: avoid" in text

    def test_equal_input_gives_equal_pages(self, report) -> None:
        assert report() == report()

    def test_a_folder_that_cannot_be_written_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(OutputError, match="cannot write"):
            write_report(tmp_path / "file" / "report.html", METRICS, [], [])


class TestTexts:
    def test_both_languages_have_the_same_texts_with_the_same_fields(self) -> None:
        english, japanese = TEXTS["en"], TEXTS["ja"]
        assert list(english) == list(japanese)
        for key, text in english.items():
            assert fields(text) == fields(japanese[key]), key

    def test_no_text_is_empty_and_japanese_is_japanese(self) -> None:
        for key, text in TEXTS["ja"].items():
            if len(re.sub(r"{\w+}", "", text)) > 12:
                assert re.search("[ぁ-んァ-ヶ一-龠]", text), key
        empty = {key for texts in TEXTS.values() for key, text in texts.items() if not text}
        assert empty == {"beans.unit", "images.unit", "sentence.separator"}

    def test_where_photos_are_judged_the_page_speaks_of_images(self, report) -> None:
        text = Page(report(metrics_with(subject="whole"))).text
        assert "Of 100 good images, about 2 are rejected" in text
        assert "bean 3" not in text
        assert "good beans" not in text


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name} - set(NOUNS)


class TestReasons:
    @pytest.mark.parametrize("key", [*COMPARATIVES, "area", "combination"])
    @pytest.mark.parametrize("high", [False, True])
    def test_each_reason_is_said_in_either_language(self, key: str, *, high: bool) -> None:
        reason = Reason(key, high, 0.97)
        english, japanese = (reason_in_words(reason, Words(language)) for language in ("en", "ja"))
        assert not re.search("[ぁ-ん]", english)
        assert re.search("[ぁ-ん]", japanese)
        assert key == "combination" or ("97 %" in english and "97.0%" in japanese)

    def test_more_than_all_good_ones_is_said_so(self) -> None:
        assert reason_in_words(Reason("lightness", high=False, share=1.0), Words("ja")) == "どの良い豆よりも暗い"
        whole = Words("ja", "whole")
        assert reason_in_words(Reason("lightness", high=True, share=0.9), whole) == "正常な画像の90.0%よりも明るい"

    def test_a_rejected_subject_is_shown_with_its_reason(self, tmp_path: Path) -> None:
        mistake = Mistake(row("good", 300.0), np.zeros((8, 32, 3), np.uint8), Reason("size", high=True, share=0.98))
        for language, said in (("en", "why: larger than 98 % of good ones"), ("ja", "理由：良い豆の98.0%よりも大きい")):
            write_report(tmp_path / "r.html", METRICS, [mistake.row], [mistake], language=language)
            assert said in Page((tmp_path / "r.html").read_text(encoding="utf-8")).text.replace("\u2060", "")


class TestHeadline:
    @pytest.mark.parametrize(
        ("rejected", "missed", "expected"),
        [
            (0.021, 0.09, "Of 100 good beans, about 2 are rejected by mistake; of 100 bad beans, about 9 are missed."),
            (
                0.025,
                0.095,
                "Of 100 good beans, about 3 are rejected by mistake; of 100 bad beans, about 10 are missed.",
            ),
            (0.012, 0.0, "Of 100 good beans, about 1 is rejected by mistake; of 100 bad beans, none was missed."),
            (0.004, 1.0, "Of 100 good beans, fewer than 1 is rejected by mistake; of 100 bad beans, all were missed."),
            (0.0, 0.997, "Of 100 good beans, none was rejected by mistake; of 100 bad beans, more than 99 are missed."),
        ],
    )
    def test_says_how_many_of_100(self, rejected, missed, expected) -> None:
        changed = metrics_with(false_reject={"promised": 0.02, "realised": {"value": rejected}}, miss_rate=missed)
        assert headline(read_results(changed), Words("en")) == expected

    def test_says_it_in_japanese(self) -> None:
        told = headline(read_results(METRICS), Words("ja")).replace("\u2060", "")
        assert told == "良い豆100粒のうち、誤ってはじかれるのは約2粒。欠点豆100粒のうち、見逃されるのは約9粒。"

    def test_says_what_was_not_measured(self) -> None:
        assert headline(read_results(metrics_with(miss_rate=None)), Words("en")).endswith("missed was not measured.")
        assert headline(read_results(metrics_with(false_reject=None)), Words("en")).startswith("Of 100 bad beans")
        assert headline(read_results(NULLS), Words("en")).endswith("was not measured.")

    def test_the_interval_is_rounded_outwards(self, report) -> None:
        text = Page(report()).text
        assert "it would probably be 0 to 4 of 100 (95\u00a0% interval 0.8 to 3.6\u00a0%)" in text
        assert "it would probably be 4 to 15 of 100 (95\u00a0% interval 4.0 to 15.0\u00a0%)" in text

    def test_the_picture_crosses_out_as_many(self, report) -> None:
        page = ET.fromstring(report())
        struck = [len(svg.findall("ellipse[@class='struck']")) for svg in page.iter("svg") if svg.findall("ellipse")]
        assert struck == [2, 9]


class TestNumbers:
    def test_an_interval_without_width_is_left_out(self) -> None:
        assert {c.name: c.auroc for c in read_results(METRICS).classes}["black"] == Measured(1.0)

    @pytest.mark.parametrize("broken", [math.nan, math.inf, "0.9", True, [0.9], {}])
    def test_what_is_no_number_counts_as_not_measured(self, broken) -> None:
        assert read_results(metrics_with(auroc={"value": broken})).auroc is None

    def test_classes_are_listed_by_how_much_is_missed(self) -> None:
        assert [c.name for c in read_results(METRICS).classes] == ["insect", "black"]

    @pytest.mark.parametrize(
        ("share", "written"), [(0, "0.0"), (0.0002, "<0.1"), (0.021, "2.1"), (0.9999, ">99.9"), (1, "100.0")]
    )
    def test_a_share_never_looks_like_none_or_all_when_it_is_not(self, share, written) -> None:
        assert Words("en").percent(share) == f"{written}\u00a0%"
        assert Words("ja").percent(share) == f"{written}%"

    def test_the_precision_in_use_follows_from_both_rates(self) -> None:
        assert precision_in_use(read_results(METRICS)) == pytest.approx(91 / (91 + 8.4))
        assert precision_in_use(read_results(NULLS)) is None

    def test_every_measure_reaches_the_page(self, report) -> None:
        text = Page(report()).text
        for number in (
            "0.962",
            "0.947 to 0.976",
            "0.900",
            "0.840",
            "93.2",
            "22.5",
            "0.931",
            "0.782",
            "0.991",
            "612",
            "sour 5",
            "7.7",
        ):
            assert number in text, number

    @LANGUAGES
    def test_blocks_of_pixels_are_told(self, report, language) -> None:
        said = Words(language)("pixel.in_blocks", side=4)
        assert said in Page(report(metrics_with(pixel={"auroc": 0.9, "block": 4}), language=language)).text
        assert said[:20] not in report(metrics_with(pixel={"auroc": 0.9, "block": 1}), language=language)


class TestTrust:
    @staticmethod
    def grades(**changes: Any) -> list[Grade]:
        return [check.grade for check in checks(read_results(metrics_with(**changes)), Words("en"))]

    def test_a_good_model_is_called_sound(self) -> None:
        assert set(self.grades()) == {Grade.SOUND}

    @pytest.mark.parametrize(
        ("realised", "grade"),
        [
            (between(0.03, 0.01, 0.05), Grade.SOUND),
            (between(0.04, 0.02, 0.06), Grade.CARE),
            (between(0.08, 0.05, 0.1), Grade.BROKEN),
            (between(0.16, 0.02, 0.6), Grade.CARE),
            (between(0.17, 0.02, 0.6), Grade.BROKEN),  # more than five times the bound
            (None, Grade.UNKNOWN),
        ],
    )
    def test_the_promise_is_held_against_its_bound(self, realised, grade) -> None:
        promise = {"promised": 0.02, "upper_bound": 0.033, "realised": realised}
        assert self.grades(false_reject=promise)[0] is grade

    def test_one_bean_of_few_breaks_no_promise(self) -> None:
        promise = {"promised": 0.01, "upper_bound": 0.017, "realised": between(0.091, 0.016, 0.38)}
        assert self.grades(false_reject=promise, subjects={"good": 11, "defect": 100})[0] is Grade.CARE

    @LANGUAGES
    @pytest.mark.parametrize(("seen", "grade"), [(9, Grade.UNKNOWN), (8, Grade.SOUND), (None, Grade.SOUND)])
    def test_photos_that_it_has_seen_say_nothing_of_the_promise(self, language, seen, grade) -> None:
        subjects = {"good": 400, "good_photos": 9, "good_photos_seen": seen, "defect": 100}
        results = read_results(metrics_with(subjects=subjects))
        check = checks(results, Words(language))[0]
        assert check.grade is grade
        assert (check.sentence == Words(language)("promise.seen")) is (grade is Grade.UNKNOWN)

    @LANGUAGES
    def test_a_wide_interval_is_put_down_to_few_photos_where_beans_are_many(self, language) -> None:
        promise = {"promised": 0.02, "upper_bound": 0.033, "realised": between(0.04, 0.02, 0.06)}

        def said(good: int, photos: int | None) -> str:
            subjects = {"good": good, "good_photos": photos, "defect": 100}
            results = read_results(metrics_with(false_reject=promise, subjects=subjects))
            return checks(results, Words(language))[0].sentence

        beans = {"en": "With so few beans", "ja": "テストした豆が少ないため"}[language]
        photos = {"en": "the 656 good beans lie in only 9 photos", "ja": "良い豆656粒は9枚の写真にしか"}[language]
        assert photos in said(656, 9)
        assert beans not in said(656, 9)
        assert beans in said(40, 9)
        assert beans in said(656, None)  # of an older version

    @pytest.mark.parametrize(("share", "grade"), [(0.1, Grade.SOUND), (0.3, Grade.CARE), (0.6, Grade.BROKEN)])
    def test_a_model_that_misses_much_is_not_to_be_relied_on(self, share, grade) -> None:
        assert self.grades(miss_rate=share)[1] is grade

    def test_where_there_is_one_class_it_is_not_called_the_worst(self) -> None:
        changed = metrics_with(miss_rate=0.3, classes={"insect": {"subjects": 40, "missed": {"value": 0.3}}})
        said = checks(read_results(changed), Words("en"))[1].sentence
        assert said == "It misses 30.0\u00a0% of the bad beans, all of the class insect."

    def test_one_class_that_is_missed_calls_for_care(self) -> None:
        assert self.grades(classes={"insect": {"subjects": 40, "missed": {"value": 0.3}}})[1] is Grade.CARE

    @pytest.mark.parametrize(("low", "grade"), [(0.91, Grade.SOUND), (0.7, Grade.CARE), (0.48, Grade.BROKEN)])
    def test_the_lower_end_of_the_auroc_counts(self, low, grade) -> None:
        assert self.grades(auroc=between(0.95, low, 0.97))[2] is grade

    def test_few_beans_call_for_care(self) -> None:
        assert self.grades(calibration={"subjects": 40})[3] is Grade.CARE
        assert self.grades(subjects={"good": 400, "defect": 12})[4] is Grade.CARE
        assert self.grades(subjects={"good": 400, "defect": 0})[4] is Grade.UNKNOWN

    @LANGUAGES
    @pytest.mark.parametrize(
        ("alone", "source", "told"),
        [(1, "kept aside in training", True), (0, "kept aside in training", False), (1, "evening", False)],
    )
    def test_a_threshold_of_an_unknown_light_calls_for_care(self, language, alone, source, told) -> None:
        known = {"source": source, "subjects": 312}
        changed = metrics_with(training={"photos": 3, "alone": alone}, calibration=known)
        check = checks(read_results(changed), Words(language))[3]
        said = {"en": "in a light that no other good photo showed", "ja": "ほかのどの良い写真とも違う光"}[language]
        assert (check.grade is Grade.CARE, said in check.sentence) == (told, told)

    @LANGUAGES
    def test_photos_that_the_model_learnt_from_call_for_care(self, report, language) -> None:
        seen = Omission("seen_before", "learnt_from", {"learnt": 7, "photos": 9}).as_json()
        changed = metrics_with(omitted=[seen])
        assert self.grades(omitted=[seen])[5] is Grade.CARE
        text = Page(report(changed, language=language)).text
        said = Words(language)("omitted.learnt_from", learnt=7, photos=9)
        assert text.count(said) == 1
        assert Words(language)("trust.care") in text
        assert Words(language)("omitted") not in text  # nothing else was left out
        newer = report(metrics_with(omitted=[seen | {"reason": "of a newer version"}]), language=language)
        assert ('<span lang="en">7 of 9 photos' in newer) or language == "en"

    def test_the_worst_check_decides(self) -> None:
        sound, care, broken, unknown = (Check(grade, "") for grade in Grade)
        assert overall([sound] * 5) is Grade.SOUND
        assert overall([sound] * 4 + [care]) is Grade.CARE
        assert overall([sound] * 4 + [unknown]) is Grade.CARE
        assert overall([sound, care, broken, unknown, unknown]) is Grade.BROKEN
        assert overall([sound, sound, unknown, unknown, unknown]) is Grade.UNKNOWN
        assert overall([sound, sound, unknown, unknown, unknown, care]) is Grade.UNKNOWN  # the sixth measures nothing

    def test_says_what_is_missed_most_and_how_it_was_calibrated(self, report) -> None:
        text = Page(report()).text
        assert "It misses 9.0\u00a0% of the bad beans, most of all insect (23 of 100)." in text
        assert "312 good beans that training never saw" in text
        assert "promised to reject 2\u00a0% of the good beans by mistake and rejected 2.1\u00a0%" in text
        assert "cut by the edge of the photo: 12" in text


class TestMissing:
    @LANGUAGES
    def test_a_page_without_measures_says_so(self, report, language) -> None:
        text = Page(report(NULLS, [], language=language)).text
        said = TEXTS[language]
        for key in ("missing", "trust.unknown", "made.none", "training.none", "omitted"):
            assert said[key] in text
        assert "there are no labels" in text
        assert "None" not in text
        assert "nan" not in text

    def test_what_is_missing_is_told_in_the_language_of_the_report(self, report) -> None:
        lone = [Omission(name, "no_defective").as_json() for name in ("auroc", "miss_rate")]
        foreign = {"about": "pixel", "reason": "of_tomorrow", "values": {"n": 1}, "text": "told by a later version"}
        damaged = {"about": "masks", "reason": "masks_beside", "values": [], "text": "only the English is left"}
        metrics = metrics_with(omitted=[*lone, foreign, damaged, "a bare sentence"])
        english, japanese = (Page(report(metrics, language=language)).text for language in ("en", "ja"))
        assert re.search(r"AUROC, bad beans missed:\s+there is no defective subject", english)
        assert re.search(r"AUROC、見逃し：\s*欠点豆が1粒もありません", japanese)
        assert "there is no defective subject" not in japanese
        for words in ("told by a later version", "only the English is left", "a bare sentence"):
            assert words in english
            assert words in japanese

    @pytest.mark.parametrize("key", sorted(METRICS))
    def test_any_one_measure_may_be_missing(self, report, key) -> None:
        ET.fromstring(report(metrics_with(**{key: None})))

    def test_training_curves_that_cannot_be_read_are_named(self, report, tmp_path: Path) -> None:
        assert "there is no photo" in report(training_curves=tmp_path / "curves.png")

    def test_training_curves_are_part_of_the_page(self, report, tmp_path: Path) -> None:
        write_image(tmp_path / "curves.png", np.full((90, 160, 3), 200, np.uint8))
        before = len(Page(report()).all("img"))
        assert len(Page(report(training_curves=tmp_path / "curves.png")).all("img")) == before + 1


HOSTILE = "</title><script>alert('x')</script>\"&{n}\x00\ud800"


class TestSafety:
    @LANGUAGES
    def test_names_and_labels_never_become_markup(self, report, language) -> None:
        metrics = metrics_with(
            source=HOSTILE,
            command=["cafepick", HOSTILE],
            training={HOSTILE: HOSTILE},
            versions={"a": {HOSTILE: [HOSTILE]}},
            classes={HOSTILE: METRICS["classes"]["insect"]},
            omitted=[HOSTILE],
            subjects=METRICS["subjects"] | {"unreadable": [{"image": HOSTILE, "reason": HOSTILE}]},
        )
        subjects = [row(HOSTILE, 50.0, HOSTILE), row("good", 150.0, HOSTILE)]
        text = report(metrics, subjects, language=language)
        ET.fromstring(text)
        assert not Page(text).all("script")
        assert Page(text).text.count("alert('x')") >= 8

    @given(st.text())
    def test_any_text_comes_back_as_it_went_in(self, text: str) -> None:
        parsed = ET.fromstring(element("p", text, title=text))
        expected = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff\ud800-\udfff]", "\ufffd", text)
        assert (parsed.text or "") == re.sub("\r\n?", "\n", expected)

    def test_markup_is_escaped_once(self) -> None:
        assert escape(escape("a & b")) == "a &amp; b"


class TestGallery:
    def test_shows_the_worst_of_either_direction_and_how_many_there_are(self, report) -> None:
        subjects = [row("good", 101.0 + n, f"good-{n}.jpg") for n in range(20)]
        subjects += [row("sour", 99.0 - n, f"sour-{n}.jpg") for n in range(15)]
        page = Page(report(METRICS, subjects, mistakes=mistakes_of(subjects)[::-1]))
        assert len(page.all("img")) == 2 * MOST_SHOWN
        shown = re.findall(r"(?:good|sour)-\d+\.jpg", " ".join(page.texts))
        assert shown == [f"good-{n}.jpg" for n in range(19, 7, -1)] + [f"sour-{n}.jpg" for n in range(14, 2, -1)]
        assert "12 of 20 shown." in page.text
        assert "12 of 15 shown." in page.text

    def test_says_when_there_are_no_mistakes_or_no_pictures_of_them(self, report) -> None:
        none = Page(report(METRICS, [row("good", 50.0), row("sour", 150.0)])).text
        assert "None of the good beans in this test was rejected." in none
        assert "None of the bad beans in this test was missed." in none
        assert (
            "No pictures were kept of the 1 mistakes" in Page(report(METRICS, [row("good", 150.0)], mistakes=[])).text
        )

    def test_a_page_with_large_noisy_pictures_stays_small(self, report) -> None:
        subjects = [row("good", 101.0 + n) for n in range(12)]
        panel = np.random.default_rng(0).integers(0, 256, (512, 2560, 3), np.uint8)
        assert len(report(METRICS, subjects, mistakes=[Mistake(r, panel) for r in subjects])) < 6_000_000

    @pytest.mark.parametrize("shape", [(8, 32, 3), (8, 32, 1), (8, 32), (1, 5000, 3), (5000, 1, 3)])
    def test_pictures_of_any_shape(self, shape) -> None:
        assert "data:image/webp;base64," in picture(np.zeros(shape, np.uint8), "")

    def test_the_labels_that_count_as_good_are_those_of_the_evaluation(self, report) -> None:
        subjects = [row("Healthy", 150.0, "one.jpg"), row("good", 50.0, "two.jpg"), row("sour", 150.0, "three.jpg")]
        pictured = [Mistake(r, np.zeros((8, 32, 3), np.uint8)) for r in subjects]
        text = Page(report(metrics_with(good=["healthy"]), subjects, mistakes=pictured)).text
        rejected, missed = text.index("Rejected by mistake:"), text.index("Missed: the")
        assert rejected < text.index("one.jpg") < missed < text.index("two.jpg")
        assert "three.jpg" not in text


class TestPlots:
    @given(
        st.dictionaries(
            st.text(max_size=40),
            st.lists(st.floats(-1e12, 1e12, allow_subnormal=False), min_size=1, max_size=60),
            min_size=1,
            max_size=4,
        ),
        st.none() | st.floats(-1e12, 1e12, allow_subnormal=False),
    )
    def test_any_scores_can_be_drawn(self, classes, threshold) -> None:
        arrays = [ClassScores(name, name == "good", np.asarray(values)) for name, values in classes.items()]
        drawn = distribution(arrays, threshold, Words("en"))
        ET.fromstring(drawn)
        assert not re.search(r"[\"M ](nan|inf)", drawn)

    @pytest.mark.parametrize("count", [20, 500])
    def test_mistakes_are_drawn_on_their_side_of_the_threshold(self, count) -> None:
        scores = np.random.default_rng(0).normal(100, 20, count)
        scores[0] = THRESHOLD  # the threshold itself is OK
        drawing = ET.fromstring(distribution([ClassScores("good", True, scores)], THRESHOLD, Words("en")))
        limit = float(drawing.find("line[@class='threshold']").get("x1"))
        starts = {
            kind: [float(x) for x in re.findall(r"M([\d.]+)", drawing.find(f"path[@class='{kind}']").get("d"))]
            for kind in ("right", "wrong")
        }
        reach = 2.5 if count == 20 else 0  # a path of dots starts at their left edge
        assert max(starts["right"]) + reach <= limit + 0.1
        assert min(starts["wrong"]) + reach >= limit - 0.1

    def test_good_comes_first_and_cut_or_unlabelled_beans_are_left_out(self) -> None:
        by_class = {c.name: c.values for c in scores_by_class(rows(), read_results(METRICS))}
        assert list(by_class) == ["good", "insect", "black"]
        assert len(by_class["good"]) == 400

    def test_scores_far_apart_get_a_logarithmic_scale(self) -> None:
        near = [ClassScores("good", True, np.array([90.0, 100, 110]))]
        far = [*near, ClassScores("stone", False, np.array([5000.0]))]
        assert not is_wide(near, 100)
        assert is_wide(far, 100)
        assert not is_wide(far, -1)

    def test_many_classes_are_cut_short_and_the_page_says_so(self, report) -> None:
        subjects = [row("good", 50.0)] + [row(f"class {n}", 150.0) for n in range(40)]
        assert "Only the 16 largest of 41 classes are drawn." in report(METRICS, subjects)

    def test_a_broken_promise_has_another_shape_and_another_word(self, report) -> None:
        page = ET.fromstring(report())
        plot = next(svg for svg in page.iter("svg") if svg.get("aria-labelledby", "").startswith("promises"))
        assert len(plot.findall("path[@class='broken']")) == 1
        assert len(plot.findall("path[@class='kept']")) == 1
        assert [e.text for e in page.iter("span") if e.get("class") in ("yes", "no")] == ["no", "yes"]

    def test_long_curves_stay_short(self, report) -> None:
        steps = np.linspace(0, 1, 100_000)
        text = report(metrics_with(roc={"false_reject": steps.tolist(), "found": np.sqrt(steps).tolist()}), [])
        assert len(text) < 150_000


def test_how_it_was_made_is_told(report) -> None:
    text = Page(report()).text
    for fact in (
        "cafepick evaluate 'my trays' --model beans.cafepick",
        "2025-11-23 21:40 UTC",
        "9f2c" * 16,
        "loss = bce",
        "1 h 5 min",
        "source = first lot",
        "2.13.0+cpu",
        "x86_64, 2 cores",
        "is truncated",
    ):
        assert fact in text, fact
