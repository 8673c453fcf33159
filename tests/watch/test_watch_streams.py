"""Network cameras, each a process of its own that dies and comes back: all beans of both films are judged once."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from belt_judges import DarknessJudge
from outlet_parts import free_port, wait_for

from cafepick.data.drawing.belt import BeltCamera, DrawnBelt, draw_belt
from cafepick.types import Judgement
from cafepick.watch.clock import CameraClock
from cafepick.watch.records import Result
from cafepick.watch.run import Reports, Watch, watch_belt
from cafepick.watch.sources import FeedOptions, open_feed

CAMERA = BeltCamera(width=320, height=240, speed=0.06, fps=10)
EMPTY = 20
"""Frames of the empty belt before and after, for what a client misses while it opens a stream."""


class NetworkCamera:
    """A film that is played to each client from its beginning."""

    def __init__(self, kind: str, folder: Path, fps: float) -> None:
        port = free_port()
        self.address = f"{kind}://127.0.0.1:{port}/belt"
        program = str(Path(__file__).with_name("network_cameras.py"))
        self._command = [sys.executable, program, kind, str(port), str(folder), str(fps)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)


@pytest.fixture(scope="module")
def belt() -> DrawnBelt:
    return draw_belt(41, CAMERA, beans=9, defects=("black",) * 3)


@pytest.fixture(scope="module")
def film(belt: DrawnBelt, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames as JPEGs."""
    folder = tmp_path_factory.mktemp("film")
    photos = list(belt.film())
    for number, photo in enumerate([*photos[:1] * EMPTY, *photos, *photos[-1:] * EMPTY]):
        cv2.imwrite(str(folder / f"{number:04}.jpg"), photo[..., ::-1])
    return folder


@pytest.fixture(params=["http", "rtsp"])
def camera(request: pytest.FixtureRequest, film: Path) -> Iterator[NetworkCamera]:
    one = NetworkCamera(request.param, film, CAMERA.fps)
    one.start()
    time.sleep(1.0)
    yield one
    one.kill()


def test_every_bean_of_a_stream_is_judged_once_though_the_camera_dies_and_comes_back(
    belt: DrawnBelt, camera: NetworkCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cafepick.watch.video.LONGEST_PAUSE", 0.5)
    results: list[Result] = []
    said: list[str] = []
    stop, films = threading.Event(), len(belt.beans)
    feed = open_feed(camera.address, FeedOptions(), stop=stop, notice=said.append)

    def kill_and_come_back() -> None:
        if wait_for(lambda: len(results) >= films, 60):
            camera.kill()
            wait_for(lambda: len(said) == 1)
            camera.start()
            wait_for(lambda: len(results) >= 2 * films, 60)
        stop.set()

    director = threading.Thread(target=kill_and_come_back)
    director.start()
    summary = watch_belt(feed, DarknessJudge(), Watch(), Reports(results.append), stop=stop, stopping=stop.is_set)
    director.join(90)
    assert [text.partition(" is ")[2].split()[0] for text in said] == ["lost", "back"]
    assert [result.bean for result in results] == list(range(1, 2 * films + 1))
    black = sum(result.judgement is Judgement.NG for result in results)
    assert black == 2 * sum(bean.label == "black" for bean in belt.beans)
    # a stream without stamps knows when its frames came only, which on a busy machine is late for some
    assert np.median([result.velocity[0] for result in results]) == pytest.approx(CAMERA.velocity, rel=0.1)
    assert all(result.leaves_unix is not None and result.in_time is not None for result in results)
    assert summary.frames + summary.dropped >= belt.frames


def test_time_stamps_are_followed_and_arrival_only_slowly() -> None:
    rng, clock = np.random.default_rng(0), CameraClock()
    taken = np.arange(2000) / 50
    arrived = 0.1 + taken * 1.0001 + rng.uniform(0, 0.01, 2000)  # its clock is slow by 0.1 ms a second
    seconds = np.array([clock.seconds(500 + float(t), float(a)) for t, a in zip(taken, arrived, strict=True)])
    assert np.abs(np.diff(seconds) - 1 / 50).max() < 1e-4
    assert np.abs(seconds - taken - 0.1).max() < 0.02


def test_without_stamps_or_with_senseless_ones_a_frame_was_taken_when_it_came() -> None:
    for stamps in ([None] * 6, [0.0] * 6, [3.0, 2.0, 1.0, 0.5, 0.2, 0.1], [0.0, 5.0, 10.0, 15.0, 20.0, 25.0]):
        clock = CameraClock()
        assert [clock.seconds(stamp, n / 30) for n, stamp in enumerate(stamps)] == pytest.approx(
            [n / 30 for n in range(6)]
        )


def test_time_never_goes_back_when_a_camera_begins_anew() -> None:
    clock = CameraClock()
    seconds = [clock.seconds(n / 30, n / 30) for n in range(30)]
    seconds += [clock.seconds(n / 30, 5 + n / 30) for n in range(30)]
    seconds.append(clock.seconds(1.0, 5.0))
    assert (np.diff(seconds) > 0).all()
    assert seconds[30] == pytest.approx(5.0)
