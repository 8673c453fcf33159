"""Teaching over the API: progress as it comes, cancelling, and nothing lost when server or training die."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from serve_process import TINY, Client, Served, checked, code_of, photographed, taken_in, uploaded, wait_until

from cafepick.artefact import load_artefact, save_artefact
from cafepick.data.demo import DrawnTray
from cafepick.server.lock import is_held
from cafepick.server.schemas import Stage
from cafepick.server.teaching import NO_WORD, TAUGHT
from cafepick.server.trainer import ATTEMPTS

pytestmark = pytest.mark.timeout(900)  # trainings are niced, and other tests keep the cores busy

OVER = ("done", "failed", "cancelled")


@pytest.fixture(scope="module")
def evening(evening_trays: list[DrawnTray], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Photos of good beans in another light."""
    return photographed(evening_trays, tmp_path_factory.mktemp("evening"))


def wish(client: Client, trays: list[Path], **more: Any) -> dict[str, Any]:
    photos = [{"id": uploaded(client, path)} for path in trays]
    photos[0]["unticked"] = [1, 2]
    plain = {"name": "Tiny", "photos": photos, "recipe": "quick", "size": 32, "steps": 12, "hold_back": 0.4}
    return {**plain, "settings": list(TINY), **more}


def events_of(client: Client, training: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the events of a training until the server closes the stream."""
    with client.stream("GET", f"/trainings/{training}/events", timeout=200) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        kind = ""
        for line in answer.iter_lines():
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield kind, json.loads(line.removeprefix("data: "))


def weights(path: Path) -> dict[str, bytes]:
    return {name: tensor.tobytes() for name, tensor in load_artefact(path).tensors.items()}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory, trays: list[Path]) -> Iterator[tuple[Served, dict[str, Any]]]:
    """A server on which one training went through undisturbed, and its events."""
    server = Served(tmp_path_factory.mktemp("teaching") / "with a space")
    with server.client() as client:
        made = client.post("/trainings", json=wish(client, trays)).json()
        events = list(events_of(client, made["id"]))
    yield server, {"id": made["id"], "events": events}
    server.end()


def test_progress_comes_as_events_and_ends_with_a_model(
    reference: tuple[Served, dict[str, Any]], trays: list[Path]
) -> None:
    server, taught = reference
    events = taught["events"]
    assert [kind for kind, _ in events][-1] == "end"
    assert {kind for kind, _ in events[:-1]} == {"progress"}
    stages = [event["stage"] for _, event in events]
    order = get_args(Stage)
    assert [order.index(stage) for stage in stages] == sorted(order.index(stage) for stage in stages)
    assert {event["steps"] for _, event in events if event["stage"] in ("waiting", "starting")} == {12}
    assert NO_WORD not in (server.data / "trainings" / taught["id"] / "worker.log").read_text()
    last = events[-1][1]
    assert last["state"] == "done", last["error"]
    assert (last["photos"], last["unticked"], last["samples"]) == (3, 2, [4, 8, 12])
    with server.client() as client:
        assert client.get(last["sample"].removeprefix("/api/v1")).headers["content-type"] == "image/png"
        assert client.get(f"/trainings/{last['id']}/curves").status_code == 200
        model = client.get(f"/models/{last['model']}").json()
        assert (model["name"], model["size"], model["training_id"]) == ("Tiny", 32, last["id"])
        assert model["training"]["subjects"] + model["training"]["held_back"] == pytest.approx(118, abs=3)
        assert "source" not in model["training"], "a path of the server"
        assert "curves" in client.get(f"/models/{model['id']}/report.html").text
        assert model["methods"] == ["fast", "refine", "exact"]
        quick, thorough = (
            checked(client, model["id"], trays[0], false_reject=0.1, method=name) for name in ("auto", "exact")
        )
        assert (quick["method"], thorough["method"]) == ("fast", "exact")
        assert len(quick["verdicts"]) == len(thorough["verdicts"]) > 30
        assert [one["score"] for one in quick["verdicts"]] != [one["score"] for one in thorough["verdicts"]]


def test_the_oddest_of_the_good_beans_can_be_left_out_of_another_training(
    reference: tuple[Served, dict[str, Any]], trays: list[Path]
) -> None:
    server, taught = reference
    with server.client() as client:
        asked = wish(client, trays)
        odd = client.get(f"/trainings/{taught['id']}/oddest").json()["oddest"]
        assert len(odd) == 12  # of 118
        photos = {photo["id"]: photo for photo in asked["photos"]}
        for one in odd:
            assert one["name"] in [path.name for path in trays]
            assert set(one["why"]) == {"key", "high", "share"}
            (bean,) = (
                bean
                for bean in client.get(f"/photos/{one['photo']}/beans").json()["beans"]
                if bean["bean"] == one["bean"]
            )
            assert one["box"] == pytest.approx(bean["box"], abs=2), "another bean has that number"
            assert one["bean"] not in photos[one["photo"]].get("unticked", [])
        again = client.get(f"/trainings/{taught['id']}/wish").json()
        assert again == {**asked, "photos": again["photos"], "subject": "beans", "seed": 0, "model": None}
        assert [photo["unticked"] for photo in again["photos"]] == [[1, 2], [], []]
        again["photos"][2]["unticked"] = [
            bean["bean"] for bean in client.get(f"/photos/{again['photos'][2]['id']}/beans").json()["beans"]
        ]
        *_, (_, last) = events_of(client, client.post("/trainings", json=again).json()["id"])
        assert (last["state"], last["skipped"]) == ("done", []), "a photo of which nothing is left is no fault"
        found = client.get(f"/models/{last['model']}").json()["training"]
        first = client.get(f"/models/{taught['id']}").json()["training"]
        assert found["photos"] == first["photos"] - 1
        assert code_of(client.get(f"/trainings/{'0' * 32}/oddest")) == (404, "no_such_training")
        assert code_of(client.get(f"/trainings/{'0' * 32}/wish")) == (404, "no_such_training")


def test_a_killed_server_and_a_killed_training_go_on_to_the_same_model(
    serve: Callable[..., Served], trays: list[Path], reference: tuple[Served, dict[str, Any]], tmp_path: Path
) -> None:
    server = serve()
    with server.client() as client:
        training = client.post("/trainings", json=wish(client, trays)).json()["id"]
    folder = server.data / "trainings" / training
    wait_until((folder / "run" / "samples" / "step_000004.png").exists)
    server.kill()
    if not (folder / "result.json").exists():
        assert is_held(folder / "worker.lock"), "the training died with the server"
        os.kill(json.loads((folder / "progress.json").read_text())["pid"], signal.SIGKILL)
    server = serve()
    with server.client() as client:
        *_, (kind, last) = events_of(client, training)
        assert (kind, last["state"]) == ("end", "done"), last
        assert last["samples"] == [4, 8, 12]
        assert [model["id"] for model in client.get("/models").json()["models"]] == [last["model"]]
    undisturbed = reference[0].data / "models" / f"{reference[1]['id']}.cafepick"
    assert weights(server.data / "models" / f"{training}.cafepick") == weights(undisturbed)


def test_a_stopped_server_pauses_its_training_and_cancelling_ends_it(
    serve: Callable[..., Served], trays: list[Path]
) -> None:
    server = serve()
    with server.client() as client:
        long = wish(client, trays, steps=100_000)
        training = client.post("/trainings", json=long).json()["id"]
        second = client.post("/trainings", json={**long, "name": "second"}).json()["id"]
        folder = server.data / "trainings" / training
        wait_until((folder / "run" / "samples" / "step_000004.png").exists)
        assert client.get(f"/trainings/{second}").json()["state"] == "queued"
        assert code_of(client.delete(f"/trainings/{training}")) == (409, "in_use")
    server.end()
    assert not is_held(folder / "worker.lock"), "the training did not stop with the server"
    reached = max(int(path.stem[5:]) for path in (folder / "run" / "samples").glob("*.png"))
    server = serve()
    with server.client() as client:
        events = events_of(client, training)
        next(event for _, event in events if event["stage"] in ("starting", "finding"))  # before: what the stop left
        running = next(event for _, event in events if event["stage"] == "training")
        assert running["step"] > reached
        for one in (second, training):
            assert client.post(f"/trainings/{one}/cancel").status_code == 202
        *_, (_, last) = events
        assert (last["state"], last["model"]) == ("cancelled", None)
        assert client.get(f"/trainings/{second}").json()["state"] == "cancelled"
        assert code_of(client.post(f"/trainings/{training}/cancel")) == (409, "already_over")
        assert client.delete(f"/trainings/{training}").status_code == 204
    assert not folder.exists()


def test_a_training_that_cannot_work_says_why(
    reference: tuple[Served, dict[str, Any]], trays: list[Path], tmp_path: Path
) -> None:
    with reference[0].client() as client:
        good = wish(client, trays)
        refused = {
            "photos": [good["photos"][0]],
            "model": "0" * 32,
            "recipe": "magic",
            "settings": ["gan.stepz=3"],
            "name": "  ",
            "size": 27,
        }
        for field, value in refused.items():
            assert code_of(client.post("/trainings", json={**good, field: value})) == (422, "invalid"), field
        twice = [good["photos"][0], good["photos"][0]]
        assert code_of(client.post("/trainings", json={**good, "photos": twice})) == (422, "invalid")
        unknown = [good["photos"][0], {"id": "0" * 64}]
        assert code_of(client.post("/trainings", json={**good, "photos": unknown})) == (404, "no_such_photo")
        nothing = [{"id": photo["id"], "unticked": list(range(1, 60))} for photo in good["photos"]]
        made = client.post("/trainings", json={**good, "photos": nothing}).json()
        *_, (_, last) = events_of(client, made["id"])
        assert (last["state"], last["error"]["code"]) == ("failed", "training_failed")
        assert last["error"]["message"]
        assert str(reference[0].data) not in last["error"]["message"]


def test_a_copy_of_a_model_is_calibrated_in_the_light_of_other_photos(
    reference: tuple[Served, dict[str, Any]], trays: list[Path], evening: list[Path]
) -> None:
    server, taught = reference
    with server.client() as client:
        base = client.get(f"/trainings/{taught['id']}").json()["model"]
        before = weights(server.data / "models" / f"{base}.cafepick")
        photos = [{"id": uploaded(client, path), "unticked": [1]} for path in evening[:6]]
        asked = client.post("/trainings", json={"name": "Evening", "model": base, "photos": photos}).json()
        assert (asked["calibrates"], asked["recipe"], asked["size"], asked["steps"]) == (base, "quick", 32, 0)
        *events, (kind, last) = events_of(client, asked["id"])
        assert (kind, last["state"]) == ("end", "done"), last["error"]
        assert client.get(f"/trainings/{asked['id']}/wish").json() == {
            "name": "Evening",
            "model": base,
            "photos": photos,
        }
        assert client.get(f"/trainings/{asked['id']}/oddest").json() == {"oddest": []}
        assert {event["stage"] for _, event in events} <= {
            "waiting",
            "starting",
            "finding",
            "cutting",
            "calibrating",
            "saving",
        }
        made = client.get(f"/models/{last['model']}").json()
        assert (made["name"], made["size"], made["training_id"]) == ("Evening", 32, last["id"])
        assert made["calibration_subjects"] == last["held_back"] == pytest.approx(6 * 39, abs=6)
        assert (last["subjects"], last["samples"], last["unticked"]) == (None, [], 6)
        assert (last["shown_again"], last["knows_light"]) == (6 * 39 - last["held_back"], True)
        assert (client.get(f"/trainings/{taught['id']}").json()["alone"], last["alone"]) == (0, None)
        assert not (server.data / "trainings" / last["id"] / TAUGHT).exists()
        assert client.get(f"/models/{made['id']}/report.html").status_code == 200
        told = [checked(client, model, evening[0], false_reject=0.1)["warnings"] for model in (base, made["id"])]
        assert [any("photos" in warning for warning in warnings) for warnings in told] == [True, False], told
        first, second = (
            client.post("/trainings", json={"name": "Again", "model": model, "photos": photos}).json()["id"]
            for model in (base, made["id"])
        )
        assert client.get(f"/trainings/{second}").json()["state"] == "queued"
        assert client.delete(f"/models/{made['id']}").status_code == 204, "who waits has a copy"
        for one in (first, second):
            *_, (_, last) = events_of(client, one)
            assert last["state"] == "done", last["error"]
            assert client.delete(f"/models/{last['model']}").status_code == 204
    after = weights(server.data / "models" / f"{base}.cafepick")
    assert after == before, "the model itself is as it was"


def test_a_calibration_that_cannot_work_says_why(
    reference: tuple[Served, dict[str, Any]], trays: list[Path], evening: list[Path]
) -> None:
    server, taught = reference
    with server.client() as client:
        base = client.get(f"/trainings/{taught['id']}").json()["model"]
        wished = {"name": "Evening", "model": base, "photos": [{"id": uploaded(client, evening[0])}]}
        assert code_of(client.post("/trainings", json={**wished, "model": "0" * 32})) == (404, "no_such_model")
        for more in ({"recipe": "quick"}, {"steps": 5}, {"settings": []}):
            assert code_of(client.post("/trainings", json={**wished, **more})) == (422, "invalid")
        assert code_of(client.post("/trainings", json={**wished, "photos": []})) == (422, "invalid")
        known = client.post("/trainings", json={**wished, "photos": [{"id": uploaded(client, trays[0])}]}).json()
        *_, (_, last) = events_of(client, known["id"])
        assert (last["state"], last["model"]) == ("failed", None)
        code, said = last["error"]["code"], last["error"]["message"]
        assert code == "calibration_failed"
        assert "1 of the 1 photos in the photos given are among those that the model learnt from" in said
        assert f"first {trays[0].name}: " in said
        assert uploaded(client, trays[0]) not in said
        damaged = uploaded(client, evening[1])
        next((server.data / "photos").rglob(f"{damaged}*")).write_bytes(b"no photo any more")
        photos = [*wished["photos"], {"id": damaged}]
        asked = client.post("/trainings", json={**wished, "photos": photos}).json()
        *_, (_, last) = events_of(client, asked["id"])
        assert (last["state"], last["knows_light"]) == ("done", False)
        assert [one["name"] for one in last["skipped"]] == [evening[1].name]
        assert "space" not in last["skipped"][0]["reason"]
        assert last["skipped"][0]["reason"].startswith(evening[1].name)


def test_a_calibration_whose_process_always_dies_is_given_up(
    reference: tuple[Served, dict[str, Any]], evening: list[Path]
) -> None:
    server, taught = reference
    with server.client() as client:
        base = client.get(f"/trainings/{taught['id']}").json()["model"]
        photos = [{"id": uploaded(client, path)} for path in evening]
        asked = client.post("/trainings", json={"name": "Evening", "model": base, "photos": photos}).json()["id"]
        progress, killed = server.data / "trainings" / asked / "progress.json", set[int]()

        def is_given_up() -> bool:
            pid = json.loads(progress.read_text())["pid"] if progress.exists() else None
            if pid is not None and pid not in killed:
                killed.add(pid)
                os.kill(pid, signal.SIGKILL)
            return client.get(f"/trainings/{asked}").json()["state"] == "failed"

        wait_until(is_given_up)
        assert len(killed) == ATTEMPTS
        assert f"ended {ATTEMPTS} times" in client.get(f"/trainings/{asked}").json()["error"]["message"]


def test_a_model_from_anywhere_is_calibrated_whatever_it_says_of_itself(
    reference: tuple[Served, dict[str, Any]], quick_model: Path, evening: list[Path], tmp_path: Path
) -> None:
    server, artefact = reference[0], load_artefact(quick_model)
    path = tmp_path / "foreign.cafepick"
    odd = {**artefact.header, "training": {"recipe": 5, "seed": "seven"}}
    with server.client() as client:
        save_artefact(path, {**odd, "descriptors": 2}, artefact.tensors)
        assert code_of(client.post("/models", content=path.read_bytes())) == (415, "wrong_type")
        save_artefact(path, odd, artefact.tensors)
        model = taken_in(client, path)
        photos = [{"id": uploaded(client, photo)} for photo in evening[:2]]
        asked = client.post("/trainings", json={"name": "Odd", "model": model, "photos": photos}).json()
        assert (asked["recipe"], asked["seed"]) == ("standard", 0)
        assert client.get("/trainings").json()["trainings"][0]["id"] == asked["id"]
        client.post(f"/trainings/{asked['id']}/cancel")
        *_, (_, last) = events_of(client, asked["id"])
        assert last["state"] in ("cancelled", "done")
