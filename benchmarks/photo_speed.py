"""A photo of 12 megapixels with 150 beans, from its file to verdicts and overlay: what ``cafepick detect`` does.

    python benchmarks/photo_speed.py --model M.cafepick [--against FOLDER [--its-model OLD.cafepick]]
        [--json benchmarks/results/photo_speed.json]

The photo is drawn and enlarged. On one core and on all, in turns, each in a process of its own after one run to warm
up: the wall's clock, and the processor's time over all cores, which other programs hardly change. Of each the quickest
run. Then every stage by itself, on one core, by processor time. ``FOLDER`` holds another version's package ``cafepick``
(the ``src`` of an earlier commit), which takes turns with this one; ``OLD`` is a model of its own, trained on the same
photos, where it cannot use this one's.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cafepick

with contextlib.suppress(ModuleNotFoundError):  # an earlier version has none
    from cafepick.process import prepare_process

    prepare_process()  # as every command does, before NumPy is there

import cv2
import numpy as np

from cafepick.bench import machine_of
from cafepick.data.demo import draw_tray
from cafepick.detector import Detector
from cafepick.files import write_json
from cafepick.images import read_photo, write_image
from cafepick.types import Judgement

if TYPE_CHECKING:
    from collections.abc import Callable

BEANS = 150
DRAWN = (1600, 1200)
"""Width and height of the drawing, in which a bean has as many details as in a photo."""
SHOWN = (4000, 3000)
HERE = Path(cafepick.__file__).parents[1]


def quickest(work: Callable[[], object], runs: int) -> tuple[float, float]:
    """Return the least time by the wall's clock and by the processor's, each in ms, of so many runs after one more."""
    work()
    walls, processor = [], []
    for _ in range(runs):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        processor.append(time.process_time() - cpu)
    return round(1e3 * min(walls), 1), round(1e3 * min(processor), 1)


def whole_way(model: Path, photo: Path, runs: int) -> dict[str, float]:
    """Measure the job behind ``cafepick detect`` on one photo."""
    from cafepick.data.sources import open_source  # noqa: PLC0415
    from cafepick.jobs.inspect import Inspection, inspect_source  # noqa: PLC0415

    detector, source = Detector.load(model), open_source(str(photo), purpose="detect")
    with tempfile.TemporaryDirectory() as out:
        job = Inspection(source=source, detector=detector, out=Path(out))
        wall, cpu = quickest(lambda: inspect_source(job, progress=lambda *_: None), runs)
    return {"wall_ms": wall, "processor_ms": cpu, "load": round(os.getloadavg()[0], 1)}


def stages(model: Path, photo: Path, runs: int) -> dict[str, float]:
    """Measure each stage by processor time, ms."""
    from cafepick.beans.conditions import conditions_of  # noqa: PLC0415
    from cafepick.beans.crop import crop_beans  # noqa: PLC0415
    from cafepick.beans.descriptors import descriptors_of  # noqa: PLC0415
    from cafepick.draw import masks, overlay  # noqa: PLC0415

    try:
        from cafepick.beans.scene import scene_of  # noqa: PLC0415
    except ModuleNotFoundError:  # an earlier version has it elsewhere
        from cafepick.beans.find import scene_of  # type: ignore[attr-defined,no-redef] # noqa: PLC0415

    detector = Detector.load(model)
    pixels = read_photo(photo)
    scene, prepared = scene_of(pixels), detector.prepare(pixels)
    crops = [crop for crop in prepared.crops if crop is not None]
    images, verdicts = np.stack([crop.image for crop in crops]), detector.judge([prepared])[0]
    drawn, mask = overlay(pixels, verdicts), masks(prepared.shape, verdicts)
    descriptors = descriptors_of(crops, detector.crop)
    networks, search, method, precision = detector.networks, detector.search, detector.method, detector.precision
    with tempfile.TemporaryDirectory() as out:
        work: dict[str, Callable[[], object]] = {
            "read": lambda: read_photo(photo),
            "find": lambda: scene_of(pixels),
            "crop": lambda: crop_beans(pixels, scene, detector.crop),
            "conditions": lambda: conditions_of(scene),
            "describe": lambda: descriptors_of(crops, detector.crop),
            "networks": lambda: networks.score(images, search, method=method, precision=precision),
            "appearance": lambda: detector.appearance.score(descriptors) if detector.appearance else None,
            "score and judge, all": lambda: detector.judge([prepared]),
            "draw the overlay": lambda: overlay(pixels, verdicts),
            "write it as JPEG": lambda: write_image(Path(out, "overlay.jpg"), drawn),
            "write the mask": lambda: write_mask(Path(out, "mask.png"), mask),
        }
        return {name: quickest(one, runs)[1] for name, one in work.items()}


def write_mask(path: Path, mask: np.ndarray) -> None:
    """Write as ``detect`` does, in this version or one before masks were compressed by runs."""
    plain = {"plain": True} if "plain" in (write_image.__kwdefaults__ or {}) else {}
    write_image(path, mask, **plain)


def measured(options: argparse.Namespace) -> dict[str, float]:
    """Measure in this process."""
    if options.threads == 1:
        import torch  # noqa: PLC0415

        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # Linux only
        torch.set_num_threads(1)
        cv2.setNumThreads(1)
    work = stages if options.measure == "stages" else whole_way
    return work(options.model, options.photo, options.runs)


def elsewhere(options: argparse.Namespace, folder: Path, photo: Path, measure: str, threads: int) -> dict[str, float]:
    """Measure in a process of its own, by the package in ``folder``."""
    model = options.its_model if folder == options.against and options.its_model else options.model
    command = [sys.executable, __file__, "--model", str(model), "--runs", str(options.runs)]
    command += ["--photo", str(photo), "--measure", measure, "--threads", str(threads)]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    if threads == 1:
        environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    ran = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(ran.stdout)


def side_by_side(options: argparse.Namespace, photo: Path) -> dict[str, Any]:
    """Measure all, in turns, round by round; keep the least of each number."""
    versions = {"now": HERE} | ({"before": options.against} if options.against else {})
    found: dict[str, Any] = {name: {} for name in versions}
    plans = {"one core": ("whole", 1), "all cores": ("whole", 0), "stages, ms of one core": ("stages", 1)}
    for _ in range(options.rounds):
        for title, plan in plans.items():
            for name, folder in versions.items():
                one = elsewhere(options, folder, photo, *plan)
                best = found[name].setdefault(title, one)
                found[name][title] = {key: min(value, best[key]) for key, value in one.items()}
    return found


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--model", type=Path, required=True)
    flags.add_argument("--against", type=Path)
    flags.add_argument("--its-model", type=Path)
    flags.add_argument("--runs", type=int, default=5)
    flags.add_argument("--rounds", type=int, default=2)
    flags.add_argument("--json", type=Path)
    for inner in ("--photo", "--measure", "--threads"):
        flags.add_argument(inner, type={"--photo": Path, "--threads": int}.get(inner, str), help=argparse.SUPPRESS)
    options = flags.parse_args()
    if options.measure:
        print(json.dumps(measured(options)))
        return
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder, "photo.jpg")
        tray = draw_tray(np.random.default_rng(0), width=DRAWN[0], height=DRAWN[1], beans=BEANS)
        write_image(photo, np.asarray(cv2.resize(tray.photo, SHOWN, interpolation=cv2.INTER_CUBIC), np.uint8))
        detector = Detector.load(options.model)
        rejected = [one for one in detector.inspect(read_photo(photo)) if one.judgement is Judgement.NG]
        result = {
            "photo": {"megapixels": SHOWN[0] * SHOWN[1] / 1e6, "beans": BEANS, "rejected": len(rejected)},
            "model": detector.networks.to_header()["model"],
            **side_by_side(options, photo),
            "machine": vars(machine_of(getattr(detector.networks, "device"))),  # noqa: B009 - not of exported networks
        }
    print(json.dumps(result, indent=2))
    if options.json:
        write_json(options.json, result)


if __name__ == "__main__":
    main()
