"""English and Japanese: the same keys and fields, a sentence for every code and reason that the server knows."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from page_browser import Visitor
from serve_process import Served

from cafepick.scoring.fusion import APPEARANCE, COMPARISON, RECONSTRUCTION
from cafepick.scoring.reasons import COMPARATIVES
from cafepick.server import app
from cafepick.server.schemas import Stage

WORDS = app.PAGE / "js" / "words"
API = Path(__file__).parents[2] / "docs" / "api.md"
TABLE = re.compile(r'"((?:[a-zA-Z0-9_]+\.?)+)": "((?:[^"\\]|\\.)*)"')
CODE = re.compile(r"\bt\(\s*\"([a-z_.]+)\"")


def words(language: str) -> dict[str, str]:
    found = dict(TABLE.findall((WORDS / f"{language}.js").read_text(encoding="utf-8")))
    assert len(found) > 300
    return found


def stem(key: str) -> str:
    return re.sub(r"\.(one|other)$", "", key)


def fields(text: str) -> list[str]:
    return sorted(re.findall(r"\{(\w+)\}", text))


def test_both_languages_say_the_same_things() -> None:
    english, japanese = words("en"), words("ja")
    assert {*map(stem, english)} == {*map(stem, japanese)}
    different = [key for key in japanese if key in english and fields(japanese[key]) != fields(english[key])]
    assert not different
    same = {key for key, text in japanese.items() if english.get(key) == text}
    assert all(not re.search("[a-z]{4}", re.sub(r"\{\w+\}", "", japanese[key])) for key in same), same


def test_every_word_that_the_page_asks_for_is_there() -> None:
    known = {*map(stem, words("en"))}
    asked = {key for path in WORDS.parent.glob("*.js") for key in CODE.findall(path.read_text(encoding="utf-8"))}
    assert len(asked) > 150
    assert not asked - known


def test_every_word_is_asked_for() -> None:
    page = "".join(path.read_text(encoding="utf-8") for path in WORDS.parent.glob("*.js"))
    asked = set(re.findall(r"\"([a-zA-Z_.]+)\"", page))
    made = re.findall(r"`([a-z_]+\.[a-z_.*]+)`", re.sub(r"\$\{[^}]*\}", "*", page))  # keys that are put together
    patterns = [key.replace(".", r"\.").replace("*", r"\w*(\.\w+)?") for key in made]
    left = {*map(stem, words("en"))} - asked
    assert not {key for key in left if not any(re.fullmatch(pattern, key) for pattern in patterns)}


def test_every_code_reason_stage_and_part_of_the_server_has_words() -> None:
    known = words("en")
    rows = re.findall(r"^\| \d{3} \| ([^|]+) \|", API.read_text(encoding="utf-8"), re.MULTILINE)
    codes = {code for row in rows for code in re.findall(r"`(\w+)`", row)}
    assert len(codes) > 20
    assert not {f"error.{code}" for code in codes} - known.keys()
    assert not {f"why.{key}.{side}" for key in COMPARATIVES for side in ("low", "high")} - known.keys()
    assert not {f"training.stage.{stage}" for stage in get_args(Stage)} - known.keys()
    assert not {f"bean.part.{part}" for part in (RECONSTRUCTION, COMPARISON, APPEARANCE)} - known.keys()


def test_english_reasons_are_those_of_the_server() -> None:
    known = words("en")
    for key, sides in COMPARATIVES.items():
        for side, text in zip(("low", "high"), sides, strict=True):
            assert known[f"why.{key}.{side}"].casefold() == text


def test_the_browsers_language_comes_first_and_a_choice_is_kept(station: Served, visit: Callable[..., Visitor]) -> None:
    visitor = visit(station, locale="ja-JP")
    page = visitor.page
    assert page.get_by_role("heading", level=1).inner_text() == "トレーを検査"
    assert page.evaluate("document.documentElement.lang") == "ja"
    visitor.shoot("check-japanese")
    visitor.button("English").click()
    page.get_by_role("heading", name="Check a tray").wait_for()
    page.reload()
    page.get_by_role("heading", name="Check a tray").wait_for()
    assert page.evaluate("document.documentElement.lang") == "en"


def test_colours_follow_the_device_until_they_are_chosen(station: Served, visit: Callable[..., Visitor]) -> None:
    visitor = visit(station, color_scheme="dark")
    page = visitor.page

    def ground() -> int:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", colour)[:3]))

    assert ground() < 150
    page.get_by_role("button", name="Colours: as the device").click()
    assert ground() > 600, "light was chosen"
    page.reload()
    page.wait_for_selector("h1")
    assert ground() > 600, "the choice is kept"
    page.get_by_role("button", name="Colours: light").click()
    assert ground() < 150
