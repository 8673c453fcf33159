"""Sources give every frame they promise, and live ones drop rather than wait."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

from cafepick.errors import ConfigError, SourceError
from cafepick.images import write_image
from cafepick.watch.capture import QUEUE, Capture
from cafepick.watch.folder import FolderFrames
from cafepick.watch.records import Frame
from cafepick.watch.sources import FeedOptions, open_feed
from cafepick.watch.video import file_frames, live_frames, without_password

PHOTO = np.full((48, 64, 3), 200, np.uint8)


def numbered(count: int, pause: float = 0.0) -> Iterator[Frame]:
    for number in range(count):
        time.sleep(pause)
        yield Frame(number, number / 50, time.monotonic(), PHOTO)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Thirty frames at 25 a second, each a little lighter and redder than the one before."""
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for number in range(30):
        writer.write(np.full((48, 64, 3), (20, 40, 60 + 5 * number), np.uint8))
    writer.release()
    return path


def test_a_file_waits_and_loses_no_frame() -> None:
    stop = threading.Event()
    with Capture(numbered(40), live=False, stop=stop) as capture:
        seen = []
        for frame in capture.frames():
            time.sleep(0.002)
            seen.append(frame.number)
    assert seen == list(range(40))
    assert (capture.taken, capture.dropped) == (40, 0)
    assert stop.is_set()


def test_a_live_source_drops_the_oldest_frames_and_counts_them() -> None:
    with Capture(numbered(60, pause=0.003), live=True, stop=threading.Event()) as capture:
        seen = []
        for frame in capture.frames():
            time.sleep(0.02)
            seen.append(frame.number)
    assert capture.taken == 60
    assert capture.dropped == 60 - len(seen) > 20
    assert seen == sorted(seen)
    assert seen[-QUEUE:] == [58, 59], "the newest are kept"


def test_the_failure_of_a_source_comes_after_its_frames() -> None:
    def failing() -> Iterator[Frame]:
        yield from numbered(3)
        raise SourceError("the cable is cut")

    with Capture(failing(), live=False, stop=threading.Event()) as capture:
        frames = capture.frames()
        assert [next(frames).number for _ in range(3)] == [0, 1, 2]
        with pytest.raises(SourceError, match="the cable is cut"):
            next(frames)


def test_a_video_gives_all_frames_in_rgb_with_their_times(video: Path) -> None:
    frames = list(file_frames(video, fps=None, realtime=False, stop=threading.Event()))
    assert [frame.number for frame in frames] == list(range(30))
    assert [frame.seconds for frame in frames] == pytest.approx([n / 25 for n in range(30)], abs=1e-3)
    red, green, blue = frames[20].photo.reshape(-1, 3).mean(axis=0)
    assert (red, green, blue) == pytest.approx((160, 40, 20), abs=6)
    faster = list(file_frames(video, fps=100, realtime=False, stop=threading.Event()))
    assert faster[29].seconds == pytest.approx(0.29)


def test_in_real_time_a_video_takes_as_long_as_it_lasts(video: Path) -> None:
    began = time.monotonic()
    frames = list(file_frames(video, fps=100, realtime=True, stop=threading.Event()))
    assert 0.28 < time.monotonic() - began < 2
    assert [frame.captured - frames[0].captured for frame in frames] == pytest.approx([n / 100 for n in range(30)])


def test_what_is_no_video_is_refused(tmp_path: Path, video: Path) -> None:
    (tmp_path / "text.mp4").write_text("not a film")
    with pytest.raises(SourceError, match=r"text\.mp4 is no video that can be read"):
        list(file_frames(tmp_path / "text.mp4", fps=None, realtime=False, stop=threading.Event()))


@pytest.mark.parametrize(
    ("source", "options", "error", "message"),
    [
        ("", {}, SourceError, "the source is an empty name"),
        ("nowhere.mp4", {}, SourceError, "there is no file or folder nowhere.mp4"),
        ("0", {"fps": 30.0}, ConfigError, "keeps its own time"),
        ("rtsp://camera/1", {"realtime": True}, ConfigError, "keeps its own time"),
        (".", {"fps": 0.0}, ConfigError, "above 0, got 0"),
        (".", {"fps": float("nan")}, ConfigError, "above 0, got nan"),
        (".", {"fps": float("inf")}, ConfigError, "above 0, got inf"),
    ],
)
def test_what_cannot_be_a_source_is_said(source: str, options: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        open_feed(source, FeedOptions(**options), stop=threading.Event(), notice=print)


def test_sources_are_told_apart(tmp_path: Path, video: Path) -> None:
    def kind(source: str, **options: float) -> tuple[str, bool, bool]:
        feed = open_feed(source, FeedOptions(**options), stop=threading.Event(), notice=print)  # type: ignore[arg-type]
        return feed.kind, feed.live, feed.stills

    assert kind("0") == ("camera", True, False)
    assert kind("rtsp://user:secret@10.0.0.7/live") == ("stream", True, False)
    assert kind(str(video)) == ("file", False, False)
    assert kind(str(video), realtime=True) == ("file", True, False)
    assert kind(str(tmp_path)) == ("folder", False, True)
    assert kind(str(tmp_path), fps=60) == ("folder", False, False)


def test_a_password_is_never_shown() -> None:
    assert without_password("rtsp://user:secret@10.0.0.7/live") == "rtsp://10.0.0.7/live"


class StreamingCamera(BaseHTTPRequestHandler):
    """A network camera that sends twelve JPEGs and then falls silent; it is away for one connection."""

    connections = 0

    def do_GET(self) -> None:
        type(self).connections += 1
        if self.connections == 2:
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        picture = cv2.imencode(".jpg", PHOTO)[1].tobytes()
        for _ in range(12):
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            self.wfile.write(head.encode() + picture + b"\r\n")
            time.sleep(0.01)

    def log_message(self, *_: object) -> None: ...


def test_a_lost_camera_is_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cafepick.watch.video.FIRST_PAUSE", 0.02)
    StreamingCamera.connections = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), StreamingCamera)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    said: list[str] = []
    stop = threading.Event()
    address = f"http://127.0.0.1:{server.server_address[1]}/stream"
    frames = []
    try:
        for frame in live_frames(address, stop=stop, notice=said.append):
            frames.append(frame)
            if any("back" in text for text in said):
                break
    finally:
        stop.set()
        server.shutdown()
        server.server_close()
    assert StreamingCamera.connections >= 3
    assert ["is lost after" in said[0], "is back" in said[1]] == [True, True]
    assert [frame.number for frame in frames] == list(range(len(frames)))
    assert np.diff([frame.seconds for frame in frames]).min() >= 0
    assert frames[0].photo.shape == PHOTO.shape


def test_a_camera_that_stays_away_is_given_up_if_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cafepick.watch.video.FIRST_PAUSE", 0.02)
    server = ThreadingHTTPServer(("127.0.0.1", 0), StreamingCamera)
    StreamingCamera.connections = 0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    said: list[str] = []

    def notice(text: str) -> None:
        said.append(text)
        server.shutdown()
        server.server_close()

    address = f"http://127.0.0.1:{server.server_address[1]}/stream"
    frames = list(live_frames(address, stop=threading.Event(), notice=notice, give_up=0.1))
    assert frames
    assert said[-1].endswith("giving up")


def test_a_camera_that_is_not_there_is_an_error() -> None:
    with pytest.raises(SourceError, match="camera 93 cannot be opened: is it connected"):
        list(live_frames(93, stop=threading.Event(), notice=print))


def test_a_photo_that_is_still_being_written_is_not_read_early(tmp_path: Path) -> None:
    whole = tmp_path / "whole.jpg"
    write_image(whole, np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8))
    content = whole.read_bytes()
    folder = tmp_path / "filling"
    folder.mkdir()
    (folder / "first.jpg").write_bytes(content)
    (folder / "notes.txt").write_text("not a photo")
    stop, finished = threading.Event(), []

    def write_slowly() -> None:
        with (folder / "slow.jpg").open("wb") as stream:
            for part in range(8):
                stream.write(content[part * len(content) // 8 : (part + 1) * len(content) // 8])
                stream.flush()
                os.fsync(stream.fileno())
                time.sleep(0.15)
        finished.append(time.monotonic())

    source = FolderFrames(folder, stop, idle=1.0)
    writer = threading.Thread(target=write_slowly)
    writer.start()
    arrived = [(frame.name, time.monotonic(), frame.photo.shape) for frame in source]
    writer.join()
    assert [name for name, _, _ in arrived] == ["first.jpg", "slow.jpg"]
    assert arrived[1][1] > finished[0] > arrived[0][1]
    assert arrived[1][2] == (120, 160, 3)
    assert not source.unreadable


def test_a_photo_whose_writer_stalls_is_read_when_it_is_whole_and_a_broken_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cafepick.watch.folder.SETTLED", 0.05)
    monkeypatch.setattr("cafepick.watch.folder.HOPELESS", 1.5)
    whole = tmp_path / "whole.png"
    write_image(whole, np.random.default_rng(0).integers(0, 255, (50, 60, 3), np.uint8))
    content, folder = whole.read_bytes(), tmp_path / "filling"
    folder.mkdir()
    (folder / "broken.png").write_bytes(content[:100])
    (folder / "stalled.png").write_bytes(content[:200])
    timer = threading.Timer(0.6, lambda: (folder / "stalled.png").write_bytes(content))  # longer than it has to settle
    timer.start()
    source = FolderFrames(folder, threading.Event(), fps=10, idle=0.3)
    frames = list(source)
    timer.join()
    assert [frame.name for frame in frames] == ["stalled.png"]
    assert frames[0].photo.shape == (50, 60, 3)
    assert list(source.unreadable) == ["broken.png"]


def test_a_photo_that_is_renamed_or_deleted_before_it_is_read_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cafepick.watch.folder.SETTLED", 0.2)
    monkeypatch.setattr("cafepick.watch.folder.HOPELESS", 0.6)
    whole = tmp_path / "whole.png"
    write_image(whole, np.random.default_rng(0).integers(0, 255, (50, 60, 3), np.uint8))
    content, folder = whole.read_bytes(), tmp_path / "filling"
    folder.mkdir()
    for name in ("upload.png", "deleted.png"):
        (folder / name).write_bytes(content[:200])

    def finish() -> None:
        (folder / "upload.png").write_bytes(content)
        (folder / "upload.png").rename(folder / "photo.png")
        (folder / "deleted.png").unlink()

    timer = threading.Timer(0.35, finish)
    timer.start()
    source = FolderFrames(folder, threading.Event(), idle=1.0)
    frames = list(source)
    timer.join()
    assert [frame.name for frame in frames] == ["photo.png"]
    assert not source.unreadable


def test_a_photo_that_goes_while_others_are_judged_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cafepick.watch.folder.HOPELESS", 0.4)
    for name in ("a.png", "b.png"):
        write_image(tmp_path / name, np.random.default_rng(0).integers(0, 255, (50, 60, 3), np.uint8))
    source = FolderFrames(tmp_path, threading.Event(), idle=0.3)
    frames = iter(source)
    assert next(frames).name == "a.png"
    (tmp_path / "b.png").rename(tmp_path / "notes.txt")
    time.sleep(0.5)  # judging takes longer than a photo is waited for
    assert not list(frames)
    assert not source.unreadable
