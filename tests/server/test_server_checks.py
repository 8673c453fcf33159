"""Photos are judged, corrected, found again and exported; the same on SQLite and PostgreSQL."""

from __future__ import annotations

import csv
import io
import shutil
import zipfile
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from serve_process import Client, Served, checked, code_of, taken_in, uploaded, wait_until

from cafepick import Detector
from cafepick.cli.app import app
from cafepick.data.labels import Labels, read_labels
from cafepick.images import read_photo, write_image
from cafepick.jobs.inspect import COLUMNS, table_row


def image_of(content: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)


def test_the_verdicts_are_those_of_the_detector(
    client: Client, model: str, trays: list[Path], tiny_model: Path
) -> None:
    check = checked(client, model, trays[0], lot="A1", false_reject=0.05)
    truth = Detector.load(tiny_model).inspect(read_photo(trays[0]), false_reject=0.05)
    assert [one["verdict"] for one in check["verdicts"]] == [verdict.judgement.value for verdict in truth]
    assert [one["p_value"] for one in check["verdicts"]] == [verdict.p_value for verdict in truth]
    assert check["counts"]["OK"] + check["counts"]["NG"] + check["counts"]["CUT"] == len(truth)
    assert (check["photo"]["name"], check["method"]) == ("tray_0.jpg", "exact")
    wish = {"model": model, "photos": [check["photo"]["id"]], "method": "fast"}
    unknown = client.post("/checks", json=wish)
    assert code_of(unknown) == (422, "invalid")
    assert "knows the method exact only, not fast" in unknown.json()["error"]["message"]
    table = client.get(f"/checks/{check['id']}/scores.csv").text
    rows = list(csv.reader(io.StringIO(table)))
    length = len(COLUMNS)
    assert tuple(rows[0]) == (*COLUMNS, "reason")
    expected = [[str(field) for field in table_row("tray_0.jpg", verdict)[:length]] for verdict in truth]
    assert [row[:length] for row in rows[1:]] == expected


def test_another_rate_marks_anew_as_the_page_does(client: Client, model: str, trays: list[Path]) -> None:
    check = checked(client, model, trays[1], false_reject=0.02)
    for rate in (rate["rate"] for rate in check["rates"]):
        patched = client.patch(f"/checks/{check['id']}", json={"false_reject": rate}).json()
        marks = {one["bean"]: one["verdict"] for one in patched["verdicts"] if one["verdict"] != "CUT"}
        expected = {
            one["bean"]: "NG" if one["p_value"] <= rate else "OK" for one in check["verdicts"] if one["p_value"]
        }
        assert marks == expected
        areas = {one["bean"]: one["area"] for one in patched["verdicts"] if one["verdict"] != "CUT"}
        bad = [bean for bean, mark in marks.items() if mark == "NG"]
        assert patched["ng_share"] == pytest.approx(len(bad) / len(marks))
        assert patched["ng_area_share"] == pytest.approx(sum(areas[b] for b in bad) / sum(areas.values()))
    too_low = client.patch(f"/checks/{check['id']}", json={"false_reject": check["least_rate"] / 2})
    assert code_of(too_low) == (422, "rate_too_low")


def test_a_bad_photo_never_fails_a_batch(client: Client, model: str, trays: list[Path], tmp_path: Path) -> None:
    write_image(tmp_path / "paper.png", np.full((300, 400, 3), 230, np.uint8))
    ids = [uploaded(client, path) for path in (trays[0], tmp_path / "paper.png")]
    batch = client.post("/checks", json={"model": model, "photos": [ids[0], "0" * 64, ids[1]]})
    assert batch.status_code == 202
    (failure,) = batch.json()["failures"]
    assert (failure["photo"], failure["error"]["code"]) == ("0" * 64, "no_such_photo")
    done = [client.get(f"/checks/{one['id']}", params={"wait": 30}).json() for one in batch.json()["checks"]]
    assert [one["state"] for one in done] == ["done", "done"]
    assert (done[1]["empty"], done[1]["verdicts"], done[1]["ng_share"]) == (True, [], None)
    assert client.get(f"/checks/{done[1]['id']}/overlay").status_code == 200
    found = client.get("/checks", params={"batch": batch.json()["batch"]}).json()
    assert found["total"] == 2


def test_a_damaged_stored_photo_fails_its_own_check_only(
    served: Served, client: Client, model: str, trays: list[Path], tmp_path: Path
) -> None:
    write_image(tmp_path / "soon_broken.png", read_photo(trays[2])[:300])
    photo = uploaded(client, tmp_path / "soon_broken.png")
    stored = served.data / "photos" / photo[:2] / f"{photo}.png"
    stored.write_bytes(stored.read_bytes()[:5000])
    wish = {"model": model, "photos": [photo, uploaded(client, trays[2])]}
    checks = client.post("/checks", json=wish).json()["checks"]
    broken, sound = (client.get(f"/checks/{one['id']}", params={"wait": 30}).json() for one in checks)
    assert (broken["state"], broken["error"]["code"], sound["state"]) == ("failed", "unreadable", "done")
    assert "soon_broken.png" in broken["error"]["message"]
    assert str(served.data) not in broken["error"]["message"]
    assert code_of(client.get(f"/checks/{broken['id']}/overlay")) == (409, "not_ready")


def test_no_error_tells_where_the_server_keeps_its_files(
    serve: Callable[..., Served], tiny_model: Path, trays: list[Path]
) -> None:
    server = serve()
    with server.client() as client:
        model = taken_in(client, tiny_model)
        stored = server.data / "models" / f"{model}.cafepick"
        stored.write_bytes(stored.read_bytes()[:-100])
        query = {"model": model, "name": "tray.jpg", "wait": 55}
        check = client.post("/inspect", params=query, content=trays[0].read_bytes(), timeout=150).json()
        report = client.get(f"/models/{model}/report.html")
        for error in (check["error"], report.json()["error"]):
            assert error["code"] == "unreadable"
            assert error["message"].startswith(f"{tiny_model.stem} is ")
            assert str(server.data) not in error["message"]
        shutil.rmtree(server.data / "thumbnails")
        (server.data / "thumbnails").write_text("a file in the way")
        answer = client.post("/photos", content=trays[1].read_bytes())
        assert code_of(answer) == (500, "failed")
        assert str(server.data) not in answer.text


def test_pictures(client: Client, model: str, trays: list[Path]) -> None:
    check = checked(client, model, trays[0], false_reject=0.1)
    bean = next(one["bean"] for one in check["verdicts"] if one["verdict"] != "CUT")
    panel = client.get(f"/checks/{check['id']}/beans/{bean}/panel")
    assert panel.headers["content-type"] == "image/png"
    assert image_of(panel.content).shape[1] > 3 * image_of(panel.content).shape[0]
    assert code_of(client.get(f"/checks/{check['id']}/beans/999/panel")) == (404, "no_such_bean")
    strict, mild = (
        image_of(client.get(f"/checks/{check['id']}/overlay", params={"false_reject": rate}).content)
        for rate in (0.5, 0.01)
    )
    assert strict.shape == mild.shape
    assert np.any(strict != mild), "the rate does not show in the overlay"


def test_corrections_count_and_can_be_taken_back(client: Client, model: str, trays: list[Path]) -> None:
    check = checked(client, model, trays[1], false_reject=0.2)
    url = f"/checks/{check['id']}"
    good = next(one for one in check["verdicts"] if one["verdict"] == "OK")
    bad = next(one for one in check["verdicts"] if one["verdict"] == "NG")
    client.put(f"{url}/beans/{good['bean']}/correction", json={"correction": "bad"})
    after = client.put(f"{url}/beans/{bad['bean']}/correction", json={"correction": "fine"}).json()
    assert after["corrections"] == {"fine": 1, "bad": 1}
    assert (after["corrected"]["OK"], after["corrected"]["NG"]) == (check["counts"]["OK"], check["counts"]["NG"])
    areas = sum(one["area"] for one in check["verdicts"] if one["verdict"] != "CUT")
    moved = (good["area"] - bad["area"]) / areas
    assert after["corrected"]["ng_area_share"] == pytest.approx(check["ng_area_share"] + moved)
    client.delete(f"{url}/beans/{good['bean']}/correction")
    last = client.delete(f"{url}/beans/{bad['bean']}/correction").json()
    assert last["corrections"] == {"fine": 0, "bad": 0}
    assert last["corrected"]["NG"] == check["counts"]["NG"]
    assert code_of(client.put(f"{url}/beans/998/correction", json={"correction": "bad"})) == (404, "no_such_bean")
    assert code_of(client.put(f"{url}/beans/1/correction", json={"correction": "perhaps"})) == (422, "invalid")


def test_history_is_searched_and_lots_show_their_trend(client: Client, model: str, trays: list[Path]) -> None:
    first = checked(client, model, trays[0], lot="100% Kona", note="from the north slope")
    second = checked(client, model, trays[1], lot="100x Kona")
    client.patch(f"/checks/{second['id']}", json={"note": "=2+3", "reviewed": True})

    def found(**query: object) -> list[str]:
        return [check["id"] for check in client.get("/checks", params=query).json()["checks"]]

    assert found(q="100%") == [first["id"]], "a wildcard of SQL was taken for one"
    assert found(q="NORTH slope") == [first["id"]]
    assert found(q="kona") == [second["id"], first["id"]]
    assert found(q="kona", limit=1, offset=1) == [first["id"]]
    assert found(lot="100x Kona", reviewed=True) == [second["id"]]
    assert found(q="kona", since=second["created"]) == [second["id"]]
    assert found(q="kona", until=first["created"]) == [first["id"]]
    lots = [lot for lot in client.get("/lots").json()["lots"] if "Kona" in lot["lot"]]
    assert [lot["lot"] for lot in lots] == ["100% Kona", "100x Kona"]
    assert lots[0]["ng_share"] == pytest.approx(first["ng_share"])
    table = list(csv.DictReader(io.StringIO(client.get("/checks.csv", params={"lot": "100x Kona"}).text)))
    assert len(table) == len(second["verdicts"])
    assert {row["note"] for row in table} == {"'=2+3"}, "a spreadsheet would take the note for a formula"


def test_corrections_are_exported_with_the_silence_of_reviewed_checks(
    served: Served, client: Client, model: str, trays: list[Path], tmp_path: Path
) -> None:
    check, wrong = corrected_check(client, model, trays[2], lot="to learn from")
    labels = labels_of(client, tmp_path, lot="to learn from")
    bad = sorted(bean for (_, bean), label in labels.beans.items() if label == "bad")
    assert bad == sorted([wrong, *(one["bean"] for one in check["verdicts"] if one["verdict"] == "NG")])
    assert len(labels.beans) == sum(one["verdict"] != "CUT" for one in check["verdicts"])
    only = client.get("/corrections.zip", params={"lot": "to learn from", "scope": "corrected"})
    with zipfile.ZipFile(io.BytesIO(only.content)) as archive:
        assert len(archive.read("labels.csv").splitlines()) == 2
    assert not list((served.data / "tmp").iterdir())
    assert code_of(client.get("/corrections.zip", params={"lot": "no such lot"})) == (409, "not_ready")


@pytest.mark.parametrize("served", ["sqlite"], indirect=True)
def test_corrections_are_accepted_by_calibrate_and_evaluate(
    client: Client, model: str, trays: list[Path], tiny_model: Path, tmp_path: Path
) -> None:
    corrected_check(client, model, trays[1], lot="for the commands")
    labels = labels_of(client, tmp_path, lot="for the commands")
    own = tmp_path / "own.cafepick"
    own.write_bytes(tiny_model.read_bytes())
    good = sum(label == "good" for label in labels.beans.values())
    said = cafepick("calibrate", tmp_path / "annotations.json", "--model", own)
    assert f"threshold set by {good} good subjects" in said
    options = ["--model", own, "--out", tmp_path / "result", "--false-reject", "0.1"]
    cafepick("evaluate", tmp_path / "photos", "--labels", tmp_path / "labels.csv", *options)
    assert (tmp_path / "result" / "metrics.json").is_file()


def corrected_check(client: Client, model: str, photo: Path, *, lot: str) -> tuple[dict[str, Any], int]:
    """Check a photo, say of one OK bean that it is bad, and that all were looked at."""
    check = checked(client, model, photo, lot=lot, false_reject=0.1)
    wrong = next(one["bean"] for one in check["verdicts"] if one["verdict"] == "OK")
    client.put(f"/checks/{check['id']}/beans/{wrong}/correction", json={"correction": "bad"})
    client.patch(f"/checks/{check['id']}", json={"reviewed": True})
    return check, wrong


def labels_of(client: Client, folder: Path, *, lot: str) -> Labels:
    """Unpack the corrections of a lot."""
    answer = client.get("/corrections.zip", params={"lot": lot})
    zipfile.ZipFile(io.BytesIO(answer.content)).extractall(folder)
    return read_labels(folder / "labels.csv")


def cafepick(*words: object) -> str:
    """Run a command in this process, which has its libraries loaded already."""
    said = io.StringIO()
    with redirect_stdout(said):
        app([*map(str, words)], standalone_mode=False)
    return said.getvalue()


def test_deleting(client: Client, model: str, trays: list[Path], served: Served) -> None:
    check = checked(client, model, trays[0])
    photo = check["photo"]["id"]
    assert code_of(client.delete(f"/photos/{photo}")) == (409, "in_use")
    kept = served.data / "checks" / check["id"][:2] / f"{check['id']}.npz"
    assert kept.is_file()
    assert client.delete(f"/checks/{check['id']}").status_code == 204
    assert not kept.exists()
    assert code_of(client.get(f"/checks/{check['id']}")) == (404, "no_such_check")


def test_a_model_is_taken_in_renamed_given_back_and_forgotten(
    client: Client, trays: list[Path], tiny_detector: Detector, tmp_path: Path
) -> None:
    crops = [crop.image for crop in tiny_detector.prepare(read_photo(trays[0])).crops if crop]
    path = tmp_path / "another.cafepick"
    tiny_detector.calibrated(tiny_detector.score(np.stack(crops)), {"source": "one tray"}).save(path)
    made = client.post("/models", params={"name": "another"}, content=path.read_bytes())
    assert made.status_code == 201
    model = made.json()["id"]
    assert client.post("/models", content=path.read_bytes()).json()["id"] == model
    assert made.json()["least_rate"] == pytest.approx(1 / (len(crops) + 1))
    assert client.patch(f"/models/{model}", json={"name": " Kona  2026 "}).json()["name"] == "Kona 2026"
    given = client.get(f"/models/{model}/file")
    assert given.content == path.read_bytes()
    assert "attachment" in given.headers["content-disposition"]
    for language, word in (("en", 'html lang="en"'), ("ja", 'html lang="ja"')):
        report = client.get(f"/models/{model}/report.html", params={"lang": language})
        assert word in report.text
        assert "sandbox" in report.headers["content-security-policy"]
    check = checked(client, model, trays[0])
    assert client.delete(f"/models/{model}").status_code == 204
    assert client.get(f"/checks/{check['id']}").json()["model"]["name"] == "Kona 2026", "the check lost its model"
    wish = {"model": model, "photos": [check["photo"]["id"]]}
    assert code_of(client.post("/checks", json=wish)) == (404, "no_such_model")


@pytest.mark.parametrize("content", [b"PK\x03\x04 a zip", b"\x80\x04 a pickle", b"nothing at all"])
def test_what_is_no_model_is_refused(client: Client, content: bytes) -> None:
    assert code_of(client.post("/models", content=content)) == (415, "wrong_type")


def test_health_and_metrics(client: Client, model: str, trays: list[Path]) -> None:
    checked(client, model, trays[0])
    health = client.get("/health").json()
    assert (health["status"], health["database_ok"], health["queue"]["workers"]) == ("ok", True, 1)
    text = client.get("/metrics").text
    assert 'cafepick_checks_total{state="done"}' in text
    assert 'cafepick_beans_total{verdict="OK"}' in text
    wait_until(lambda: client.get("/health").json()["queue"]["waiting"] == 0)
