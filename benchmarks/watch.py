"""Watching drawn belts with truth: are beans judged exactly once, is their exit foreseen, can it keep up?

    python benchmarks/watch.py [--beans 300] [--model beans.cafepick] [--json benchmarks/results/watch.json]

Every case is a film of a belt at 1 m/s with 4 pixels a millimetre (640 x 480 pixels see 160 mm x 120 mm) and an
exposure of 0.5 ms, drawn by ``cafepick.data.drawing.belt``; a sixth of the beans or more touch another, a fifth turn.
``once`` is the share of the true beans that were reported exactly once; ``strays`` are reports of no true bean. The
errors of the foreseen exit are root mean squares against the truth, and ``z`` is the error in units of the standard
deviation that was foreseen with it: 1 is honest, more is boast. Broken and chipped beans are left out of the errors,
because the truth knows their middle before they broke. Sticks are left out altogether: bean finding passes them over.

Cases are followed offline, where no frame is dropped, so they do not depend on how busy the machine is. ``realtime``
plays one of them as a camera would, with a judge that takes no time and, if a model is given, with that model; its
numbers do depend on the machine and on what else it does, so the load stands beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from cafepick.config import CropConfig
from cafepick.data.drawing.belt import BeltCamera, DrawnBelt, draw_belt
from cafepick.detector import METHODS, Detector
from cafepick.files import write_json
from cafepick.types import Judgement, Verdict
from cafepick.watch.judge import Judge, JudgeSettings
from cafepick.watch.records import Bean, Frame, Result
from cafepick.watch.run import Reports, Watch, watch_belt
from cafepick.watch.sources import FeedOptions, open_feed
from cafepick.watch.spot import spot
from cafepick.watch.tracker import Tracker
from cafepick.watch.truth import compare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cafepick.detector import Prepared

KINDS = ("black", "partly_black", "sour", "insect", "broken", "chipped", "mould", "immature", "parchment")
CASES: dict[str, dict[str, Any]] = {
    "60 fps": {"camera": BeltCamera(fps=60)},
    "90 fps": {"camera": BeltCamera(fps=90)},
    "120 fps": {"camera": BeltCamera(fps=120)},
    "60 fps, every kind of defect": {"camera": BeltCamera(fps=60), "kinds": True},
    "60 fps, half of them touch, dense": {"camera": BeltCamera(fps=60), "touching": 0.5, "density": 0.2},
    "60 fps, 2 ms exposure": {"camera": BeltCamera(fps=60, exposure=0.002)},
    "60 fps, camera askew by 3 degrees": {"camera": BeltCamera(fps=60, slant=0.05)},
    "120 fps, a third of the frames dropped": {"camera": BeltCamera(fps=120), "dropped": 1 / 3},
    "60 fps, a third of the frames dropped": {"camera": BeltCamera(fps=60), "dropped": 1 / 3},
    "60 fps, few beans": {"camera": BeltCamera(fps=60), "density": 0.01, "fewer": 6},
    "60 fps, 2 m/s": {"camera": BeltCamera(fps=60, speed=2.0, exposure=0.00025)},
}


class NoJudge:
    """Takes no time, so that finding and following are measured alone."""

    crop = CropConfig(scale="relative", zoom=40.0)

    def judge(self, photos: Sequence[Prepared], *, false_reject: float | None = None) -> list[list[Verdict]]:
        """Find every bean good."""
        del false_reject
        boxes = [crop.box for photo in photos for crop in photo.crops if crop is not None]
        return [[Verdict(1, Judgement.OK, box, p_value=1.0)] for box in boxes]

    def oddities(self, photo: Prepared) -> list[str]:
        """Find nothing odd."""
        del photo
        return []


def belt_of(case: dict[str, Any], beans: int, seed: int) -> DrawnBelt:
    beans //= case.get("fewer", 1)
    defects = [KINDS[number % len(KINDS)] for number in range(beans // 2)] if case.get("kinds") else []
    options = {name: case[name] for name in ("touching", "density") if name in case}
    return draw_belt(seed, case["camera"], beans=beans, defects=defects, **options)


def follow(case: dict[str, Any], beans: int, seed: int) -> dict[str, Any]:
    """Follow the beans of one case offline."""
    belt, tracker, rng = belt_of(case, beans, seed), Tracker(), np.random.default_rng(seed)
    reports: list[Bean] = []
    cpu = {"find": 0.0, "follow": 0.0}
    frames = 0
    for number, photo in enumerate(belt.film()):
        if rng.random() < case.get("dropped", 0.0):
            continue
        began = time.process_time()
        spotted = spot(Frame(number, number / belt.camera.fps, 0.0, photo))
        found = time.process_time()
        reports += tracker.add(spotted)
        cpu["find"] += found - began
        cpu["follow"] += time.process_time() - found
        frames += 1
    result = compare(belt, reports + tracker.finish())
    sound = np.array([belt.beans[bean].label not in ("broken", "chipped") for bean in result.which], bool)
    seconds_sd, place_sd = np.array([(leaves.seconds_sd, leaves.place_sd) for leaves in result.exits]).T
    return {
        "beans": len(belt.beans),
        "frames": frames,
        "once": round(result.once, 4),
        "missed": int((result.times == 0).sum()),
        "repeated": int((result.times > 1).sum()),
        "strays": result.strays,
        "ghosts": tracker.ghosts,
        "missed_kinds": sorted(
            {path.label for path, times in zip(belt.beans, result.times, strict=True) if times == 0}
        ),
        "exit_error_ms": round(1000 * rms(result.seconds[sound]), 3),
        "exit_error_px": round(rms(result.places[sound]), 3),
        "z": {
            "seconds": round(rms((result.seconds / seconds_sd)[sound]), 2),
            "place": round(rms((result.places / place_sd)[sound]), 2),
        },
        "cpu_ms_a_frame": {name: round(1000 * value / frames, 1) for name, value in cpu.items()},
    }


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if len(values) else float("nan")


def play(judge: Judge, video: Path, belt: DrawnBelt, false_reject: float, *, realtime: bool) -> dict[str, Any]:
    """Watch a film as the command does."""
    stop, results = threading.Event(), list[Result]()
    feed = open_feed(str(video), FeedOptions(realtime=realtime), stop=stop, notice=print)
    watch = Watch(judging=JudgeSettings(false_reject=false_reject))
    load = os.getloadavg()[0]
    summary = watch_belt(feed, judge, watch, Reports(results.append), stop=stop)
    return {
        "once": round(compare(belt, results).once, 4),
        "frames": summary.frames,
        "dropped": summary.dropped,
        "late": summary.late,
        "frames_a_second": round(summary.frames / summary.seconds, 1),
        "latency": None if summary.latency is None else summary.latency._asdict(),
        "load_at_the_start": round(load, 1),
    }


def plays(model: Path | None, beans: int) -> dict[str, Any]:
    """Play belts of 30 and 60 frames a second, each in real time and as fast as it goes."""
    judges: dict[str, tuple[Judge, float]] = {"no judge": (NoJudge(), 0.01)}
    for method in METHODS if model else ():
        detector = Detector.load(str(model), method=method)
        judges[f"{model.name if model else ''} {method}"] = (detector, detector.usual_rate())
    found = {}
    for fps in (30, 60):
        belt = draw_belt(100, BeltCamera(fps=fps), beans=beans)
        with tempfile.TemporaryDirectory() as folder:
            video = Path(folder) / "belt.avi"
            write_video(video, belt)
            for name, (judge, rate) in judges.items():
                for realtime in (False, True):
                    key = f"{fps} fps, {name}, {'as a camera' if realtime else 'as a file'}"
                    found[key] = play(judge, video, belt, rate, realtime=realtime)
                    print(key, json.dumps(found[key]), flush=True)
    return found


def write_video(path: Path, belt: DrawnBelt) -> None:
    size = (belt.camera.width, belt.camera.height)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), belt.camera.fps, size)
    for photo in belt.film():
        writer.write(photo[..., ::-1])
    writer.release()


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--beans", type=int, default=300)
    flags.add_argument("--model", type=Path)
    flags.add_argument("--json", type=Path)
    options = flags.parse_args()
    cv2.setNumThreads(1)
    cases = {}
    for seed, (name, case) in enumerate(CASES.items(), start=1):
        cases[name] = follow(case, options.beans, seed)
        print(name, json.dumps(cases[name]), flush=True)
    beans = sum(case["beans"] for case in cases.values())
    result = {
        "field_of_view_mm": [160, 120],
        "frame_px": [640, 480],
        "beans": beans,
        "once": round(sum(case["once"] * case["beans"] for case in cases.values()) / beans, 5),
        "cases": cases,
        "realtime": plays(options.model, options.beans // 2),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "opencv": cv2.__version__,
    }
    if options.json:
        write_json(options.json, result)


if __name__ == "__main__":
    main()
