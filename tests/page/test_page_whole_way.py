"""Teach, check, correct, look it up again: as a person does it, on drawn trays and on real ones."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from page_browser import PHONE, SERVER_GONE, Visitor
from playwright.sync_api import expect
from serve_process import TINY, Served, photographed, taken_in

from cafepick.data.demo import DrawnTray

pytestmark = pytest.mark.timeout(900)  # a server that is busy otherwise is slow, not wrong

SETTINGS = "\n".join(TINY)


def fill_in(visitor: Visitor, name: str, *, steps: int) -> None:
    """Name the model, and make its training short."""
    page = visitor.page
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Quick").check()
    page.get_by_text("For experts").click()
    page.get_by_label("Training steps").fill(str(steps))
    page.get_by_label("Side of a crop in pixels").select_option("32")
    page.get_by_label("Share of photos kept aside").fill("0.4")
    page.get_by_label("Settings, one NAME=VALUE a line").fill(SETTINGS)


def wait_for_beans(visitor: Visitor, photos: int) -> None:
    expect(visitor.page.locator(".lesson-photo .photo")).to_have_count(photos, timeout=60_000)


def good_in(visitor: Visitor, number: int) -> int:
    words = visitor.page.locator(".lesson-photo > .hint").nth(number).inner_text()
    return int(re.match(r"(\d+) good", words).group(1))  # type: ignore[union-attr]


def answered(visitor: Visitor) -> int:
    """Return the number of beans to pick out that the summary names."""
    words = visitor.page.locator(".answer").inner_text()
    found = re.search(r"\d+", words)
    return int(found.group()) if found else 0


def test_teach_check_correct_history(
    serve: Callable[..., Served], visit: Callable[..., Visitor], good_trays: list[Path], mixed_tray: Path
) -> None:
    server = serve()
    visitor = visit(server)
    teach(visitor, server, good_trays, serve)
    check = check_a_tray(visitor, server, mixed_tray)
    correct(visitor, server, check)
    look_up(visitor, server, check)


def teach(visitor: Visitor, server: Served, trays: list[Path], serve: Callable[..., Served]) -> None:
    page = visitor.page
    page.get_by_role("link", name="Teach now").click()
    visitor.give(*trays)
    wait_for_beans(visitor, len(trays))
    with server.client() as client:
        found = client.get("/photos").json()["photos"]
        beans = [client.get(f"/photos/{photo['id']}/beans").json()["beans"] for photo in found]
    assert page.locator(".lesson-photo .hit").count() == sum(map(len, beans))
    before = good_in(visitor, 0)
    first = page.locator(".lesson-photo").first
    first.locator(".hit").nth(3).click()
    first.locator(".hit").nth(3).press("ArrowRight")
    first.locator(".hit:focus").press("Enter")
    assert good_in(visitor, 0) == before - 2
    assert first.locator("[aria-pressed=false]").count() >= 2
    page.reload()  # right after the tap; what was chosen is still there
    wait_for_beans(visitor, len(trays))
    assert good_in(visitor, 0) == before - 2
    visitor.shoot("teach-laptop", whole=True)
    expect(page.get_by_text("Ten or more show how light varies")).to_be_visible()
    visitor.button("Start teaching").click()
    assert page.get_by_role("alert").inner_text() == "Give it a name."
    fill_in(visitor, "Yirgacheffe", steps=40)
    visitor.button("Start teaching").click()
    page.wait_for_url(re.compile("#/training/"))
    page.wait_for_selector(".samples img:visible", timeout=60_000)
    assert visitor.is_loaded(".samples img")
    visitor.shoot("training-laptop")
    visitor.expect_wrong(SERVER_GONE)
    server.kill()
    page.get_by_text("The server does not answer").wait_for()
    serve(data=server.data, port=server.port)
    page.get_by_role("heading", name="Yirgacheffe is ready").wait_for(timeout=400_000)
    assert not page.locator("#offline").is_visible()
    report = page.frame_locator(".report iframe")
    report.get_by_role("heading").first.wait_for()
    visitor.shoot("taught-laptop")
    with server.client() as client:
        training = client.get("/trainings").json()["trainings"][0]
    assert (training["state"], training["unticked"], training["photos"]) == ("done", 2, len(trays))
    leave_out_an_odd_one(visitor, server, training["id"])


def leave_out_an_odd_one(visitor: Visitor, server: Served, training: str) -> None:
    """What is marked among the oddest good beans is unticked in another training; that one is cancelled here."""
    page = visitor.page
    beans = page.locator(".odd")
    with server.client() as client:
        odd = client.get(f"/trainings/{training}/oddest").json()["oddest"]
    assert beans.count() == len(odd)
    go = visitor.button("Teach anew without the marked")
    assert go.is_disabled()
    beans.nth(1).click()
    beans.nth(0).press("Enter")
    beans.nth(0).press("Enter")  # not this one after all
    visitor.shoot("oddest-laptop", whole=True)
    visitor.button("Teach anew without the marked (1)").click()
    page.wait_for_url(lambda url: "#/training/" in url and training not in url)
    with server.client() as client:
        newest = client.get("/trainings").json()["trainings"][0]
        assert (newest["name"], newest["unticked"]) == ("Yirgacheffe", 3)
        photos = client.get(f"/trainings/{newest['id']}/wish").json()["photos"]
        assert odd[1]["bean"] in next(photo["unticked"] for photo in photos if photo["id"] == odd[1]["photo"])
        client.post(f"/trainings/{newest['id']}/cancel")
    page.get_by_role("heading", name="The training was cancelled").wait_for(timeout=60_000)
    page.goto(f"{server.url}#/training/{training}")
    page.get_by_role("heading", name="Yirgacheffe is ready").wait_for()


def check_a_tray(visitor: Visitor, server: Served, tray: Path) -> dict[str, Any]:
    page = visitor.page
    page.get_by_role("link", name="Check a tray").click()
    page.get_by_label("Lot", exact=True).fill("A12")
    visitor.give(tray)
    page.wait_for_url(re.compile("#/check/[0-9a-f]{32}$"), timeout=60_000)
    page.wait_for_selector(".summary", timeout=60_000)
    with server.client() as client:
        check = client.get(f"/checks/{page.url[-32:]}").json()
    counts = check["counts"]
    assert (check["lot"], check["photo"]["name"]) == ("A12", "mixed.jpg")
    assert (visitor.marked("ng"), visitor.marked("ok"), visitor.marked("cut")) == tuple(
        counts[one] for one in ("NG", "OK", "CUT")
    )
    assert answered(visitor) == counts["NG"]
    re_mark(visitor, check)
    visitor.shoot("result-laptop")
    with server.client() as client:
        return client.get(f"/checks/{check['id']}").json()


def re_mark(visitor: Visitor, check: dict[str, Any]) -> None:
    """The slider marks anew at once, by the rule of the API, and asks only to keep the rate."""
    page, slider = visitor.page, visitor.page.locator("#strictness")
    visitor.requests.clear()
    slider.focus()
    with page.expect_response(lambda answer: answer.request.method == "PATCH") as kept:
        slider.press("End")
    rate = kept.value.json()["false_reject"]
    expected = [one["bean"] for one in check["verdicts"] if one["p_value"] is not None and one["p_value"] <= rate]
    assert rate == 0.5
    assert expected, "the drawn tray has odd beans"
    assert answered(visitor) == visitor.marked("ng") == len(expected)
    plates = page.locator(".plates .plate.ng text").all_text_contents()
    assert sorted(map(int, plates)) == expected
    assert page.locator(".photo .look.ng .brackets[d^=M]").count() == len(expected), "NG shows by shape"
    assert [one for one in visitor.requests if "beans" not in one] == [f"PATCH /api/v1/checks/{check['id']}"]
    share = kept.value.json()["corrected"]["ng_share"]
    assert f"{100 * share:.0f} %" in page.locator(".shares").inner_text().replace("\u00a0", " ")


def correct(visitor: Visitor, server: Served, check: dict[str, Any]) -> None:
    page = visitor.page
    before = answered(visitor)
    wrong = next(one for one in check["verdicts"] if one["verdict"] == "NG")
    page.locator(f".hit[data-bean='{wrong['bean']}']").click()
    panel = page.locator(".bean-panel")
    assert panel.get_by_role("heading").inner_text() == f"Bean {wrong['bean']}"
    assert panel.locator(".reason").inner_text().casefold() == wrong["reason"].casefold()
    assert visitor.is_loaded(".pictures img")
    visitor.shoot("bean-laptop")
    visitor.button("This one is fine").click()
    page.locator(f"#said:has-text('Bean {wrong['bean']} noted as fine')").wait_for(state="attached")
    assert answered(visitor) == before - 1
    assert page.locator(".plates .plate.ok.hand").count() == 1
    panel.press("Escape")
    assert page.evaluate("document.activeElement.dataset.bean") == str(wrong["bean"]), "the focus goes back"
    missed = next(one for one in check["verdicts"] if one["verdict"] == "OK")
    page.locator(f".hit[data-bean='{missed['bean']}']").click()
    visitor.button("This one is bad").click()
    page.locator(".plates .plate.ng.hand").wait_for()
    assert answered(visitor) == before
    page.locator(".bean-panel").press("Escape")
    with page.expect_response(lambda answer: answer.request.method == "PATCH"):
        page.get_by_label("Notes").fill("two from the drying bed")
    with page.expect_response(lambda answer: answer.request.method == "PATCH"):
        page.get_by_label("I have looked at every bean").check()
    with page.expect_download() as table:
        page.get_by_role("link", name="CSV").click()
    rows = list(csv.DictReader(io.StringIO(Path(table.value.path()).read_text())))
    assert len(rows) == len(check["verdicts"])
    with server.client() as client:
        found = client.get(f"/checks/{check['id']}").json()
    said = {one["bean"]: one["correction"] for one in found["verdicts"] if one["correction"]}
    assert said == {wrong["bean"]: "fine", missed["bean"]: "bad"}
    assert (found["note"], found["reviewed"]) == ("two from the drying bed", True)
    visitor.shoot("corrected-laptop")


def look_up(visitor: Visitor, server: Served, check: dict[str, Any]) -> None:
    page = visitor.page
    page.get_by_role("link", name="History").click()
    page.get_by_text("1 check", exact=True).wait_for()
    page.get_by_role("searchbox").fill("drying")
    page.wait_for_url(re.compile("q=drying"))
    assert page.locator(".rows li").count() == 1
    assert "2 corrected" in page.locator(".rows li").inner_text()
    page.get_by_role("searchbox").fill("no such thing")
    page.get_by_text("No check fits").wait_for()
    visitor.button("Clear filters").click()
    page.get_by_label("Lot", exact=True).select_option(label="A12")
    page.locator(".rows li").wait_for()
    visitor.shoot("history-laptop")
    with page.expect_download() as packed:
        visitor.button("Reviewed photos with labels (ZIP)").click()
    with zipfile.ZipFile(packed.value.path()) as archive:
        labels = list(csv.DictReader(io.StringIO(archive.read("labels.csv").decode())))
    bad = sum(row["label"] == "bad" for row in labels)
    with server.client() as client:
        assert bad == client.get(f"/checks/{check['id']}").json()["corrected"]["NG"]
    page.locator(".row-link").click()
    page.wait_for_selector(".summary")
    page.emulate_media(media="print")
    assert not page.locator(".bar").is_visible()
    assert not page.locator("#strictness").is_visible()
    assert page.locator(".photo").is_visible()
    assert page.get_by_text("two from the drying bed").is_visible()
    visitor.shoot("result-print", whole=True)
    page.emulate_media(media="screen")


def test_a_model_is_calibrated_in_a_new_light(
    serve: Callable[..., Served],
    visit: Callable[..., Visitor],
    quick_model: Path,
    evening_trays: list[DrawnTray],
    tmp_path: Path,
) -> None:
    server = serve()
    photos = photographed(evening_trays[:6], tmp_path)
    with server.client() as client:
        base = taken_in(client, quick_model)
    visitor = visit(server, "/#/teach")
    page = visitor.page
    page.locator(".model").get_by_role("link", name="Calibrate").click()
    page.get_by_text("learns what is usual in that light").wait_for()
    assert not page.get_by_role("radio", name="Quick").is_visible()
    assert page.get_by_label("Name", exact=True).input_value().startswith("quick · ")
    visitor.button("Start calibrating").click()
    assert page.get_by_role("alert").inner_text() == "Add a photo of good beans at least."
    visitor.give(*photos[:2])
    wait_for_beans(visitor, 2)
    expect(page.get_by_text("with fewer the threshold only")).to_be_visible()
    visitor.give(*photos[2:])
    wait_for_beans(visitor, 6)
    expect(page.get_by_text("with fewer the threshold only")).to_be_hidden()
    page.locator(".lesson-photo").first.locator(".hit").nth(3).click()
    visitor.shoot("calibrate-laptop", whole=True)
    page.get_by_label("What to do").select_option(label="Teach a new model")
    assert page.get_by_role("radio", name="Quick").is_visible()
    assert page.get_by_label("Name", exact=True).input_value() == ""
    page.get_by_label("What to do").select_option(index=1)
    page.get_by_label("Name", exact=True).fill("Evening")
    visitor.button("Start calibrating").click()
    page.get_by_role("heading", name="Calibrating Evening").wait_for()
    page.get_by_role("heading", name="Evening is ready").wait_for(timeout=200_000)
    assert re.search(r"2\d\d good beans set its threshold", page.locator(".lead-line").inner_text())
    page.frame_locator(".report iframe").get_by_role("heading").first.wait_for()
    visitor.shoot("calibrated-laptop")
    with server.client() as client:
        training = client.get("/trainings").json()["trainings"][0]
        assert (training["calibrates"], training["unticked"]) == (base, 1)
        assert {one["name"] for one in client.get("/models").json()["models"]} == {"quick", "Evening"}
    page.get_by_role("link", name="Calibrate again").click()
    what = page.get_by_label("What to do")
    expect(what).to_have_value(base)
    page.locator(".model").filter(has_text="quick").get_by_role("button", name="Rename").click()
    page.get_by_role("textbox", name="Name of the model").fill("Morning")
    visitor.button("Save").click()
    expect(what.locator("option:checked")).to_have_text("Calibrate Morning for this light")
    what.select_option(index=0)
    page.locator(".model").filter(has_text="Morning").get_by_role("link", name="Calibrate").click()
    expect(what).to_have_value(base)
    page.goto(f"{server.url}/#/teach/{'0' * 32}")
    page.get_by_role("alert").get_by_text("This model is no longer there").wait_for()


@pytest.mark.data
def test_teach_and_check_real_trays_on_a_phone(
    serve: Callable[..., Served], visit: Callable[..., Visitor], data_dir: Path
) -> None:
    server = serve()
    visitor = visit(server, "/#/teach", **PHONE)
    page = visitor.page
    visitor.give(*sorted((data_dir / "trays" / "healthy").glob("*.jpg")))
    wait_for_beans(visitor, 4)
    assert all(good_in(visitor, number) > 20 for number in range(4))
    visitor.shoot("teach-real-phone", whole=True)
    fill_in(visitor, "Healthy", steps=8)
    visitor.button("Start teaching").click()
    page.get_by_role("heading", name="Healthy is ready").wait_for(timeout=400_000)
    page.get_by_role("link", name="Check a tray").click()
    trays = data_dir / "trays"
    visitor.give(trays / "black" / "20190401_154601.jpg", trays / "healthy" / "20201103_174144.jpg")
    page.wait_for_selector(".summary", timeout=120_000)
    expect(page.locator(".strip .badge")).to_have_text([re.compile(r"\d+")] * 2, timeout=60_000)
    assert visitor.marked("ng") + visitor.marked("ok") > 20
    assert visitor.overflow() <= 0
    visitor.shoot("result-real-phone", whole=True)
    page.locator(".pick").first.click()
    assert visitor.is_loaded(".pictures img")
    visitor.shoot("bean-real-phone")
    page.locator(".bean-panel").press("Escape")
    page.locator(".strip a").nth(1).click()
    page.get_by_role("heading", name="20201103_174144.jpg").wait_for()
    page.wait_for_selector(".summary")
