"""For everyone: axe-core finds no barrier, the keyboard reaches everything, a phone shows all of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from page_browser import LAPTOP, PHONE, Visitor
from serve_process import Served, checked, uploaded

VIEWS = ("check", "teach", "history", "result")
WAYS: dict[str, dict[str, Any]] = {
    "laptop-light": {**LAPTOP, "color_scheme": "light"},
    "laptop-dark": {**LAPTOP, "color_scheme": "dark"},
    "phone-light": {**PHONE, "color_scheme": "light"},
    "phone-dark-japanese": {**PHONE, "color_scheme": "dark", "locale": "ja-JP"},
}


@pytest.fixture(scope="module")
def checks(station: Served, mixed_tray: Path, good_trays: list[Path]) -> list[dict[str, Any]]:
    """Four checks in three lots, the first of them corrected."""
    with station.client() as client:
        model = client.get("/models").json()["models"][0]["id"]
        made = [
            checked(client, model, path, lot=lot, false_reject=0.2)
            for path, lot in zip((mixed_tray, *good_trays), ("A12", "A12", "B3", "C7"), strict=True)
        ]
        odd = next(one for one in made[0]["verdicts"] if one["verdict"] == "NG")
        client.put(f"/checks/{made[0]['id']}/beans/{odd['bean']}/correction", json={"correction": "fine"})
    return made


def at(view: str, checks: list[dict[str, Any]]) -> str:
    return f"/#/check/{checks[0]['id']}" if view == "result" else f"/#/{view}"


def ready(visitor: Visitor, view: str) -> None:
    selector = {"check": ".start", "teach": ".model", "history": ".rows li", "result": ".tray .plate"}[view]
    visitor.page.locator(selector).first.wait_for()


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("way", WAYS)
def test_axe_finds_no_barrier_and_nothing_sticks_out(
    station: Served, visit: Callable[..., Visitor], checks: list[dict[str, Any]], view: str, way: str
) -> None:
    visitor = visit(station, at(view, checks), **WAYS[way])
    ready(visitor, view)
    assert not visitor.barriers()
    assert visitor.overflow() <= 0
    visitor.shoot(f"{view}-{way}", whole=True)


@pytest.mark.parametrize("way", ["laptop-light", "phone-dark-japanese"])
def test_axe_finds_no_barrier_in_an_open_bean(
    station: Served, visit: Callable[..., Visitor], checks: list[dict[str, Any]], way: str
) -> None:
    visitor = visit(station, at("result", checks), **WAYS[way])
    visitor.page.locator(".pick").first.click()
    assert visitor.is_loaded(".pictures img")
    visitor.page.locator(".bean-panel summary").click()
    assert not visitor.barriers()
    assert visitor.overflow() <= 0
    visitor.shoot(f"bean-{way}")


def test_axe_finds_no_barrier_where_beans_are_unticked(
    station: Served, visit: Callable[..., Visitor], good_trays: list[Path]
) -> None:
    visitor = visit(station, "/#/teach")
    visitor.give(good_trays[0])
    visitor.page.locator(".lesson-photo .photo").wait_for()
    visitor.button("Look closer").click()
    visitor.page.locator("dialog .photo").wait_for()
    assert not visitor.barriers()
    visitor.button("Leave all out").click()
    visitor.button("Done").click()
    assert visitor.page.locator(".lesson-photo .hint").inner_text().startswith("0 good")


def test_a_tray_is_read_with_the_keyboard_alone(
    station: Served, visit: Callable[..., Visitor], checks: list[dict[str, Any]]
) -> None:
    visitor = visit(station, at("result", checks))
    page = visitor.page
    ready(visitor, "result")
    focused = "document.activeElement.dataset.bean"
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate(focused):
            break
    assert page.evaluate(focused) == "1", "the tray is one stop, at its first bean"
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("Bean 1: ")
    page.keyboard.press("End")
    last = page.evaluate(focused)
    assert last == str(checks[0]["verdicts"][-1]["bean"])
    page.keyboard.press("ArrowUp")
    above = page.evaluate(focused)
    boxes = {str(one["bean"]): one["box"] for one in checks[0]["verdicts"]}
    assert boxes[above]["y"] < boxes[last]["y"]
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.textContent") == f"Bean {above}"
    page.keyboard.press("Escape")
    assert page.evaluate(focused) == above


def test_skipping_to_the_content_and_tabs(station: Served, visit: Callable[..., Visitor]) -> None:
    visitor = visit(station, "/#/check")
    page = visitor.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    assert page.get_by_role("heading", name="Check a tray").is_visible()
    page.get_by_role("link", name="History").press("Enter")
    page.get_by_role("heading", name="History").wait_for()
    assert page.evaluate("document.activeElement.tagName") == "H1", "readers hear where they are"
    assert page.title() == "History · cafepick"


def test_fingers_can_hit_every_control(
    station: Served, visit: Callable[..., Visitor], checks: list[dict[str, Any]]
) -> None:
    visitor = visit(station, at("result", checks), **PHONE)
    ready(visitor, "result")
    sizes = visitor.page.evaluate(
        """[...document.querySelectorAll('button, a, input, select, summary')]
        .filter((one) => one.offsetParent && !one.closest('.unseen') && !one.matches('.unseen, .skip, [type=checkbox]'))
        .map((one) => [one.textContent || one.type, one.getBoundingClientRect()])
        .map(([words, { width, height }]) => [words, Math.min(width, height)])"""
    )
    assert len(sizes) > 10
    assert not [one for one in sizes if one[1] < 40]


def test_a_photo_of_the_server_is_not_asked_for_twice(
    station: Served, visit: Callable[..., Visitor], checks: list[dict[str, Any]], good_trays: list[Path]
) -> None:
    """The page is quiet: what never changes is kept by the browser."""
    visitor = visit(station, at("history", checks))
    ready(visitor, "history")
    visitor.requests.clear()
    visitor.page.get_by_role("link", name="Check", exact=True).click()
    visitor.page.get_by_role("heading", name="Check a tray").wait_for()
    with station.client() as client:
        uploaded(client, good_trays[0])
    assert len(visitor.requests) < 20
