"""What goes wrong is said in plain words, with what to do; and nobody gets in who may not."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from page_browser import PHONE, SERVER_GONE, Visitor
from playwright.sync_api import expect
from serve_process import Served

TOKEN = "a long enough token"


def test_a_damaged_photo_and_a_file_that_is_none(
    station: Served, visit: Callable[..., Visitor], tmp_path: Path
) -> None:
    damaged, text, odd = tmp_path / "damaged.jpg", tmp_path / "notes.txt", tmp_path / "odd.png"
    damaged.write_bytes(b"\xff\xd8\xff\xe0 and nothing more")
    text.write_text("no photo")
    odd.write_text("no photo either")
    visitor = visit(station)
    visitor.expect_wrong(r"(status|console).*(415|422)")
    page = visitor.page
    visitor.give(text)
    page.get_by_text("There was no photo in what you dropped").wait_for()
    visitor.give(damaged)
    page.get_by_role("alert").filter(has_text="corrupt").wait_for()
    visitor.give(odd, damaged)
    expect(page.locator(".failure .what")).to_have_text(
        ["odd.png could not be checked", "damaged.jpg could not be checked"]
    )
    visitor.shoot("trouble")


def test_a_file_that_is_too_large_is_not_sent(
    serve: Callable[..., Served], visit: Callable[..., Visitor], good_trays: list[Path]
) -> None:
    visitor = visit(serve("--limit", "upload_bytes=10000"), "/#/teach")
    visitor.give(good_trays[0])
    visitor.page.get_by_text("MB are allowed").wait_for()
    assert not [one for one in visitor.requests if one.startswith("POST")]


def test_one_bad_photo_of_two_is_named_beside_the_result(
    station: Served, visit: Callable[..., Visitor], tmp_path: Path, good_trays: list[Path]
) -> None:
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(b"\xff\xd8\xff\xe0 and nothing more")
    visitor = visit(station, locale="ja-JP")
    visitor.expect_wrong(r"(status|console).*(415|422)")
    visitor.give(damaged, good_trays[1])
    visitor.page.wait_for_selector(".summary", timeout=60_000)
    alert = visitor.page.get_by_role("alert").filter(has_text="damaged.jpg")
    assert "JPEG か PNG" in alert.inner_text() or "壊れ" in alert.inner_text()


def test_the_server_goes_and_comes_back(serve: Callable[..., Served], visit: Callable[..., Visitor]) -> None:
    server = serve()
    visitor = visit(server)
    visitor.expect_wrong(SERVER_GONE)
    page = visitor.page
    server.end()
    page.get_by_role("link", name="History").click()
    page.get_by_text("The server does not answer. Look whether cafepick serve still runs.").first.wait_for()
    visitor.shoot("unreachable")
    serve(data=server.data, port=server.port)
    page.locator("#offline").wait_for(state="hidden")
    page.get_by_text("No check yet").wait_for()  # what was wanted is shown at last


def test_what_is_not_there(station: Served, visit: Callable[..., Visitor]) -> None:
    visitor = visit(station, "/#/nowhere")
    visitor.expect_wrong(r"(status|console).*404")
    page = visitor.page
    page.get_by_text("The address is wrong").wait_for()
    page.goto(f"{station.url}/#/check/{'0' * 32}")
    page.get_by_role("alert").filter(has_text="There is no such check").wait_for()


def test_a_photo_without_beans(station: Served, visit: Callable[..., Visitor], tmp_path: Path) -> None:
    import numpy as np

    from cafepick.images import write_image

    path = tmp_path / "paper.png"
    write_image(path, np.full((300, 400, 3), 235, np.uint8))
    visitor = visit(station)
    visitor.give(path)
    visitor.page.get_by_text("No bean found").wait_for(timeout=60_000)
    visitor.page.get_by_text("Spread the beans on plain paper").wait_for()
    visitor.page.get_by_role("link", name="Teach").click()
    visitor.give(path)
    visitor.page.get_by_text("No whole bean found").wait_for()


def test_a_cancelled_training_says_so_and_can_be_forgotten(
    serve: Callable[..., Served], visit: Callable[..., Visitor], good_trays: list[Path]
) -> None:
    server = serve()
    visitor = visit(server, "/#/teach")
    page = visitor.page
    visitor.button("Start teaching").click()
    assert page.get_by_role("alert").inner_text() == "Add two photos of good beans at least."
    visitor.give(*good_trays[:2])
    page.locator(".lesson-photo .photo").nth(1).wait_for()
    page.get_by_label("Name", exact=True).fill("Long")
    visitor.button("Start teaching").click()
    page.get_by_role("heading", name="Teaching Long").wait_for()
    visitor.button("Cancel training").click()
    page.get_by_role("dialog").get_by_role("button", name="Back").click()
    visitor.button("Cancel training").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel training").click()
    page.get_by_role("heading", name="The training was cancelled").wait_for(timeout=60_000)
    visitor.button("Forget this training").click()
    page.get_by_role("dialog").get_by_role("button", name="Forget this training").click()
    page.get_by_role("heading", name="Teach a bean").wait_for()
    with server.client() as client:
        assert client.get("/trainings").json()["total"] == 0


def test_the_camera_takes_a_photo_that_is_checked(station: Served, visit: Callable[..., Visitor]) -> None:
    visitor = visit(station, permissions=["camera"], **PHONE)
    page = visitor.page
    visitor.button("Use camera").click()
    shutter = page.get_by_role("button", name="Take photo")
    page.wait_for_selector(".shutter:enabled")
    visitor.shoot("camera-phone")
    assert not visitor.barriers()
    shutter.click()
    page.wait_for_url(re.compile("#/check/[0-9a-f]{32}$"), timeout=60_000)
    assert re.match(r"camera-.*\.jpg", page.locator("h1").inner_text())


def test_a_refused_camera_says_what_to_do(station: Served, visit: Callable[..., Visitor]) -> None:
    visitor = visit(station, permissions=[])
    visitor.button("Use camera").click()
    visitor.page.get_by_text("or choose a photo instead").wait_for()
    visitor.button("Cancel").click()
    assert not visitor.page.get_by_role("dialog").count()


@pytest.mark.parametrize(("locale", "enter"), [("en-GB", "Sign in"), ("ja-JP", "サインイン")])
def test_a_server_with_a_token_asks_for_it_and_leads_back(
    serve: Callable[..., Served], visit: Callable[..., Visitor], locale: str, enter: str
) -> None:
    server = serve("--token", TOKEN)
    visitor = visit(server, "/#/history", locale=locale)
    visitor.expect_wrong(r"(status|console).*401")
    page = visitor.page
    page.wait_for_url(re.compile("/login"))
    if locale == "ja-JP":
        page.get_by_role("link", name="日本語").click()
    assert not visitor.barriers()
    page.locator("#token").fill("a wrong token")
    page.get_by_role("button", name=enter, exact=True).click()
    page.get_by_role("alert").wait_for()
    visitor.shoot(f"login-{locale}")
    page.locator("#token").fill(TOKEN)
    page.get_by_role("button", name=enter, exact=True).click()
    page.locator("#tabs").wait_for()
    page.locator("#leave button").click()
    page.locator("#token").wait_for()


def test_the_page_is_served_with_its_policy_and_without_anything_inline(station: Served) -> None:
    answer = httpx.get(station.url)
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", answer.text)
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", answer.text)
