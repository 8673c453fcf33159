"""The command as users run it: a real process, a real video, a model file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from belt_judges import DarknessJudge
from belts import frames_of

from cafepick.data.demo import DrawnTray
from cafepick.data.drawing.belt import BeltCamera, DrawnBelt, draw_belt
from cafepick.detector import Detector
from cafepick.images import write_image
from cafepick.watch.judge import Judge
from cafepick.watch.latency import Latency, Summary
from cafepick.watch.records import Result
from cafepick.watch.run import Reports, Watch, watch_belt
from cafepick.watch.sources import Feed, FeedOptions, open_feed
from cafepick.watch.truth import compare

WATCH = [sys.executable, "-m", "cafepick.cli.app", "watch"]
RATE = ("--false-reject", "0.05")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def belt() -> DrawnBelt:
    return draw_belt(31, BeltCamera(width=400, height=240), beans=24)


@pytest.fixture(scope="module")
def video(belt: DrawnBelt, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The belt as a video file of 60 frames a second."""
    path = tmp_path_factory.mktemp("video") / "belt.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 60, (400, 240))
    for photo in belt.film():
        writer.write(photo[..., ::-1])
    writer.release()
    return path


def rows_of(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_video_becomes_one_line_a_bean_and_a_summary(video: Path, tiny_model: Path, tmp_path: Path) -> None:
    out, summary = tmp_path / "beans.jsonl", tmp_path / "summary.json"
    command = [*WATCH, str(video), "--model", str(tiny_model), "--out", str(out), "--summary", str(summary), *RATE]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, env=ENVIRONMENT, check=False)
    assert ran.returncode == 0, ran.stderr
    rows = rows_of(out.read_text())
    assert [row["bean"] for row in rows] == list(range(1, 25))
    assert {row["verdict"] for row in rows} <= {"OK", "NG"}
    assert all(len(row["view_p_values"]) == 3 and row["p_value"] == max(row["view_p_values"]) for row in rows)
    assert all(row["exit"]["x"] == 399.5 and row["velocity"][0] == pytest.approx(4000, rel=0.02) for row in rows)
    told = json.loads(summary.read_text())
    assert (told["beans"], told["dropped"], told["late"]) == (24, 0, 0)
    assert 0 < told["latency"]["p50_ms"] <= told["latency"]["p99_ms"]
    assert told["latency"]["jitter_ms"] >= 0
    assert "24 beans (OK" in ran.stderr
    assert "p50" in ran.stderr
    assert len(ran.stdout.splitlines()) == 25, "a heading, and a line a bean"


def test_ctrl_c_ends_a_folder_with_a_summary(drawn_trays: list[DrawnTray], tiny_model: Path, tmp_path: Path) -> None:
    folder, summary = tmp_path / "photos", tmp_path / "summary.json"
    folder.mkdir()
    write_image(folder / "one.png", drawn_trays[0].photo)
    command = [*WATCH, str(folder), "--model", str(tiny_model), "-o", "-", "--summary", str(summary), *RATE]
    with (
        (tmp_path / "stderr").open("w") as err,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err, text=True, env=ENVIRONMENT) as watching,
    ):
        killer = threading.Timer(100, watching.kill)
        killer.start()
        assert watching.stdout is not None
        rows = [json.loads(watching.stdout.readline())]
        write_image(folder / "two.png", drawn_trays[1].photo)
        while rows[-1]["image"] != "two.png":
            rows.append(json.loads(watching.stdout.readline()))
        watching.send_signal(signal.SIGINT)
        rows += rows_of(watching.stdout.read())  # communicate() would pass over what readline() has buffered
        killer.cancel()
    assert watching.returncode == 130, (tmp_path / "stderr").read_text()
    assert {row["image"] for row in rows} == {"one.png", "two.png"}
    assert len(rows) == json.loads(summary.read_text())["beans"] == pytest.approx(80, abs=3)
    assert all(row["exit"] is None and row["frame"] == (row["image"] == "two.png") for row in rows)


def test_what_cannot_be_watched_is_one_message(tiny_model: Path, tmp_path: Path) -> None:
    for source, options, said in (
        ("nowhere.mp4", (), "there is no file or folder nowhere.mp4"),
        (str(tmp_path), ("--webhook", "ftp://x"), "begins with http"),
    ):
        command = [*WATCH, source, "--model", str(tiny_model), *options, *RATE]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, env=ENVIRONMENT, check=False)
        assert ran.returncode == 1
        assert said in ran.stderr
        assert "Traceback" not in ran.stderr


def test_kill_ends_a_video_with_a_line_for_every_bean_of_the_summary(
    video: Path, tiny_model: Path, tmp_path: Path
) -> None:
    out, summary = tmp_path / "beans.jsonl", tmp_path / "summary.json"
    command = [*WATCH, str(video), "--realtime", "--model", str(tiny_model), "-o", str(out), "--summary", str(summary)]
    with subprocess.Popen([*command, *RATE], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as watching:
        while watching.poll() is None and not out.exists():
            time.sleep(0.01)
        watching.send_signal(signal.SIGTERM)
        assert watching.wait(60) == 130
    told = json.loads(summary.read_text())
    assert told["stopped"] is True
    assert len(rows_of(out.read_text())) == told["beans"]


def test_a_reader_who_has_gone_is_told_and_leaves_no_trace_of_python(video: Path, tiny_model: Path) -> None:
    command = [*WATCH, str(video), "--model", str(tiny_model), "-o", "-", *RATE]
    reading, writing = os.pipe()
    os.close(reading)
    ran = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    os.close(writing)
    assert ran.returncode == 1
    assert "error: cannot write to <stdout> any more: Broken pipe" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert "Exception ignored" not in ran.stderr


@pytest.mark.parametrize("method", ["fast", "refine", "exact"])
def test_every_method_that_the_model_knows_judges_every_bean(
    method: str, belt: DrawnBelt, video: Path, quick_model: Path
) -> None:
    stop = threading.Event()
    detector = Detector.load(quick_model, method=method)
    results, _, _ = watched(open_feed(str(video), FeedOptions(), stop=stop, notice=print), stop, detector)
    assert (compare(belt, results).times == 1).all()
    assert all(result.p_value is not None for result in results)


def test_a_belt_unlike_the_photos_that_set_the_threshold_is_said_once(belt: DrawnBelt, video: Path) -> None:
    judge, stop, told = DarknessJudge(), threading.Event(), list[str]()
    judge.odd = ["the beans are small"]
    feed = open_feed(str(video), FeedOptions(), stop=stop, notice=print)
    watch_belt(feed, judge, Watch(), Reports(lambda _: None, oddity=told.append), stop=stop)
    assert told == ["the beans are small"]


class SlowJudge(DarknessJudge):
    """Takes its time, as a latent search does."""

    def judge(self, photos, *, false_reject=None):
        time.sleep(0.2)
        return super().judge(photos, false_reject=false_reject)


def watched(feed: Feed, stop: threading.Event, judge: Judge) -> tuple[list[Result], list[Summary], Summary]:
    results: list[Result] = []
    progress: list[Summary] = []
    summary = watch_belt(feed, judge, Watch(), Reports(results.append, progress.append), stop=stop)
    return results, progress, summary


def test_offline_a_slow_judge_loses_no_bean(belt: DrawnBelt, video: Path) -> None:
    stop = threading.Event()
    results, _, summary = watched(open_feed(str(video), FeedOptions(), stop=stop, notice=print), stop, SlowJudge())
    assert (compare(belt, results).times == 1).all()
    assert (summary.frames, summary.dropped) == (belt.frames, 0)


def test_a_folder_of_frames_is_a_belt_when_its_rate_is_known(belt: DrawnBelt, tmp_path: Path) -> None:
    for frame in frames_of(belt):
        write_image(tmp_path / f"{frame.number:04}.jpg", frame.photo)
    stop = threading.Event()
    feed = open_feed(str(tmp_path), FeedOptions(fps=60, idle=0.2), stop=stop, notice=print)
    results, _, _ = watched(feed, stop, DarknessJudge())
    assert (compare(belt, results).times == 1).all()


def test_in_real_time_what_cannot_be_kept_up_with_is_dropped_and_said(
    belt: DrawnBelt, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cafepick.cli.live import dropped_in_words
    from cafepick.watch import run

    def slow(frame, *, look=False):
        time.sleep(0.06)
        return spot(frame, look=look)

    spot = run.spot
    monkeypatch.setattr(run, "spot", slow)
    monkeypatch.setattr(run, "REPORT_EVERY", 0.1)
    stop = threading.Event()
    feed = open_feed(str(video), FeedOptions(realtime=True), stop=stop, notice=print)
    _, progress, summary = watched(feed, stop, DarknessJudge())
    assert summary.dropped > 5
    assert summary.dropped + summary.frames == belt.frames
    assert "frames dropped" in str(dropped_in_words(summary))
    assert any(report.dropped for report in progress), "it is said while it happens"


def test_latencies_are_summed_up_as_defined() -> None:
    seconds = [0.010, 0.030, 0.020, 0.020]
    assert Latency.of(seconds) == Latency(20.0, float(np.round(np.percentile([10, 30, 20, 20], 99), 3)), 10.0)
    assert Latency.of([]) is None
