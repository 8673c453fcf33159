"""How fast a model is here, stage by stage, from a photo's bytes to the overlay on the disk.

Every stage is measured by itself, over and over, on one photo. Two times are told of each: the wall's, which is what a
user waits, and the processor's, summed over cores, which hardly changes when other programs want the machine too.
"""

from __future__ import annotations

import os
import platform
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from cafepick.beans.crop import crop_beans, fit_zoom
from cafepick.beans.descriptors import descriptors_of
from cafepick.beans.find import find_beans
from cafepick.beans.scene import scene_of
from cafepick.beans.view import frame_of
from cafepick.config import CropConfig, named_recipe
from cafepick.data.demo import draw_tray
from cafepick.detector import Detector, versions_of
from cafepick.draw import overlay
from cafepick.errors import ConfigError
from cafepick.images import read_photo, write_image
from cafepick.jobs.calibrate import Sample, calibrate_by_kept
from cafepick.jobs.join import join
from cafepick.models.build import build_comparison, build_discriminator, build_encoder, build_generator
from cafepick.models.device import has_bfloat16
from cafepick.scoring.exact import Networks, pick_device
from cafepick.scoring.fast import PASS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from cafepick.jobs.gather import Progress
    from cafepick.scoring.fast import Restoring
    from cafepick.scoring.frozen import Precision
    from cafepick.types import Crop

FEWEST: Final = 5
"""Runs of each stage, however long they take."""
BATCHES: Final = (1, 16, 64, 256)
"""Crops scored together."""
MANY: Final = 256
"""Beans that are judged together, at least, where it is measured what many at once bring."""
LEARNT, KEPT = 4, 3
"""Drawn trays that an untrained model learns good beans and thresholds from: 1 % needs 99 beans."""
SIDE: Final = {"cpu": 1024, "cuda": 8192}
"""Side of the square matrices whose product is taken for the machine's peak."""


@dataclass(frozen=True)
class Stage:
    """What one stage takes."""

    stage: str
    beans: int
    """Beans that a run handles."""
    runs: int
    beans_a_second: float
    """By the wall's clock: ``beans`` over the median run."""
    p50_ms: float
    p99_ms: float
    cpu_ms_a_bean: float
    """Processor time, summed over cores; the quickest run. What the GPU does is not in it."""
    precision: str = ""
    """Of the networks, where the stage has any."""
    share_of_peak: float | None = None
    """Arithmetic done a second of processor time, of what the machine's matrix product does; on a GPU by the wall's."""


@dataclass(frozen=True)
class Machine:
    """Where the measurement was taken."""

    processor: str
    cores: int
    threads: int
    """That torch uses."""
    gpu: str | None
    load: float | None
    """Programs that wanted to run at the beginning, on average over a minute, this one included; None where unknown."""
    gflops: dict[str, float]
    """Measured peak of the matrix product, by precision: a core, or the GPU."""
    versions: dict[str, str]


@dataclass(frozen=True)
class Measured:
    """The whole answer; ``asdict`` is what ``cafepick bench --json`` prints."""

    model: dict[str, Any]
    photo: tuple[int, int]
    """Height and width in pixels."""
    stages: tuple[Stage, ...]
    memory_mb: dict[str, float]
    """Most memory that the process, and on the GPU torch, has held."""
    machine: Machine


def measure(
    detector: Detector, *, photo: NDArray[np.uint8] | None = None, seconds: float = 2.0, progress: Progress
) -> Measured:
    """Measure every stage for about ``seconds``.

    Args:
        detector: a calibrated model with torch networks.
        photo: (H, W, 3) RGB; None draws a tray of 60 beans.
        seconds: for each stage; at least ``FEWEST`` runs are made in any case.
        progress: called with how many stages are done.

    Raises:
        ConfigError: the model is an exported one, or there is no bean in the photo.
    """
    networks = detector.networks
    if not isinstance(networks, Networks):
        raise ConfigError("bench measures trained models, and this one is exported: give the model it was made from")
    shown = draw_tray(np.random.default_rng(0), width=1600, height=1200, beans=60).photo if photo is None else photo
    machine = machine_of(networks.device)
    stages = []
    with tempfile.TemporaryDirectory() as folder:
        plan = list(_stages(detector, networks, shown, Path(folder), machine.gflops))
        for number, work in enumerate(plan):
            progress("measuring", number, len(plan))
            stages.append(work(seconds))
    progress("measuring", len(plan), len(plan))
    return Measured(
        model={"checksum": detector.checksum, "method": detector.method, **networks.to_header()},
        photo=shown.shape[:2],
        stages=tuple(stages),
        memory_mb=_memory(networks.device),
        machine=machine,
    )


def untrained(recipe: str = "standard", *, width: int | None = None, device: str = "auto") -> Detector:
    """Return a model as a recipe makes it, but for its networks, which know nothing: they run no faster for knowing.

    What good beans look like is learnt from drawn ones, and so are the thresholds, so that few drawn beans are NG;
    those take longer to draw. Its searches are cut to one step: only ``fast`` is to be measured.

    Args:
        recipe: ``standard`` or ``quick``.
        width: of its networks; None: the recipe's.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        ConfigError: there is no such recipe, or it has no quick method.
    """
    settings = named_recipe(recipe, size=CropConfig().size, channels=CropConfig().channels)
    if settings.encoder.steps == 0:
        raise ConfigError(f"bench measures the quick methods, which {recipe} has not: give a trained model for that")
    model = replace(settings.model, width=width or settings.model.width)
    place = pick_device(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        networks = Networks.of(model, build_generator(model).to(place), build_discriminator(model).to(place))
        encoder, decoder = build_encoder(model).to(place), build_generator(model).to(place)
        head = build_comparison(model, width=settings.comparison.width).to(place)
    networks = networks.with_quick_methods(encoder, decoder, head, settings.comparison)
    rng = np.random.default_rng(1)
    trays = [draw_tray(rng) for _ in range(LEARNT + KEPT)]
    scenes = [find_beans(tray.photo) for tray in trays]
    whole = [[outline.contour for outline in scene.outlines if not outline.cut] for scene in scenes]
    crop = fit_zoom(whole, CropConfig())
    cut = [crop_beans(tray.photo, scene, crop) for tray, scene in zip(trays, scenes, strict=True)]
    learnt_from, kept = (_sample(some, crop) for some in (cut[:LEARNT], cut[LEARNT:]))
    search = replace(settings.search, steps=1, refine_steps=1, candidates=1)  # only the thresholds of searches need it
    detector = Detector(networks.with_usual(learnt_from.images), crop=crop, search=search, method="fast")
    joined = join(detector, learnt_from, kept, settings.fusion, seed=0, progress=_quietly)
    ready = calibrate_by_kept(joined.detector, joined.kept, scored=joined.scored, progress=_quietly)
    return ready.using("fast")


def _sample(photos: Sequence[Sequence[Crop | None]], crop: CropConfig) -> Sample:
    """Return the beans of some photos as they are learnt from."""
    crops = [one for photo in photos for one in photo if one is not None]
    return Sample(np.stack([one.image for one in crops]), descriptors_of(crops, crop))


def _quietly(_stage: str, _done: int, _count: int) -> None:
    """Report nothing."""


def _stages(
    detector: Detector, networks: Networks, photo: NDArray[np.uint8], folder: Path, gflops: dict[str, float]
) -> Iterator[Callable[[float], Stage]]:
    """Yield what measures each stage, when given the seconds to take; stages before it are done here, once."""
    rate = detector.usual_rate()
    file, drawing = folder / "photo.jpg", folder / "overlay.jpg"
    write_image(file, photo)
    prepared = detector.prepare(photo)
    cut = [crop for crop in prepared.crops if crop is not None]
    if not cut:
        raise ConfigError("there is no whole bean in this photo: give one that shows some")
    images = np.stack([crop.image for crop in cut])
    verdicts = detector.judge([prepared], false_reject=rate)[0]
    drawn = overlay(photo, verdicts)

    def stage(name: str, work: Callable[[], object], photos: int = 1, **facts: Any) -> Callable[[float], Stage]:
        return lambda seconds: _timed(name, photos * len(cut), work, seconds, networks.device, **facts)

    yield stage("decode", lambda: read_photo(file))
    if detector.crop.subject == "beans":
        frame = frame_of(photo, detector.crop)
        pixels = frame.look(photo)  # the photo itself, or the sheet in it
        scene, crop = scene_of(pixels), frame.cutting(detector.crop)
        if frame.sheet is not None:
            yield stage("flatten", lambda: frame_of(photo, detector.crop).look(photo))
        yield stage("find", lambda: scene_of(pixels))
        yield stage("crop", lambda: crop_beans(pixels, scene, crop))
    yield stage("describe", lambda: descriptors_of(cut, detector.crop))
    for photos in sorted({1, ceil(MANY / len(cut))}):
        judge = partial(detector.judge, [prepared] * photos, false_reject=rate)
        name = "describe, score and judge" + (f", {photos} photos at once" if photos > 1 else "")
        yield stage(name, judge, photos, precision=detector.precision)
    yield stage("draw", lambda: overlay(photo, verdicts))
    yield stage("write", lambda: write_image(drawing, drawn))
    yield stage("all of it", lambda: _all_of_it(detector, file, drawing, rate), precision=detector.precision)
    if networks.restoring is not None:
        yield from _scoring(detector, networks, networks.restoring, images, gflops)


def _scoring(
    detector: Detector, networks: Networks, restoring: Restoring, images: NDArray[np.uint8], gflops: dict[str, float]
) -> Iterator[Callable[[float], Stage]]:
    """Yield the stages that score crops by the method fast: at each precision, in small and large batches."""
    flops = arithmetic(restoring, images[:1])
    for precision, peak in gflops.items():
        for batch in BATCHES:
            some = images[np.arange(batch) % len(images)]

            def score(some: NDArray[np.uint8] = some, precision: Any = precision) -> object:
                return networks.score(some, detector.search, method="fast", precision=precision)

            yield lambda seconds, score=score, batch=batch, precision=precision, peak=peak: _with_share(
                _timed(f"fast, {batch} crops", batch, score, seconds, networks.device, precision=precision),
                (batch + -batch % PASS) * flops,
                peak,
                networks.device,
            )


def _all_of_it(detector: Detector, file: Path, drawing: Path, rate: float) -> None:
    photo = read_photo(file)
    write_image(drawing, overlay(photo, detector.inspect(photo, false_reject=rate)))


def arithmetic(restoring: Restoring, image: NDArray[np.uint8]) -> float:
    """Return the additions and multiplications of convolutions and products that one crop (1, size, size, c) takes."""
    from torch.utils.flop_counter import FlopCounterMode  # noqa: PLC0415 - slow to import

    weight = restoring.encoder.to_z.weight
    pixels = torch.from_numpy(image).permute(0, 3, 1, 2).to(weight.device, torch.float32)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        restoring.look(pixels)
    return float(counter.get_total_flops())


def _timed(
    name: str, beans: int, work: Callable[[], object], seconds: float, device: torch.device, **facts: Any
) -> Stage:
    """Run ``work`` over and over, after one run to warm up."""
    work()
    walls: list[float] = []
    processor: list[float] = []
    until = time.perf_counter() + seconds
    while len(walls) < FEWEST or time.perf_counter() < until:
        _wait(device)
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        _wait(device)
        walls.append(time.perf_counter() - wall)
        processor.append(time.process_time() - cpu)
    p50, p99 = (float(value) for value in np.percentile(walls, [50, 99]))
    return Stage(
        stage=name,
        beans=beans,
        runs=len(walls),
        beans_a_second=round(beans / p50, 1),
        p50_ms=round(1e3 * p50, 3),
        p99_ms=round(1e3 * p99, 3),
        cpu_ms_a_bean=round(1e3 * min(processor) / beans, 4),
        **facts,
    )


def _with_share(stage: Stage, flops: float, peak: float, device: torch.device) -> Stage:
    """Say how much of the peak a stage of so many operations reaches."""
    wall, cpu = stage.p50_ms / 1e3, stage.cpu_ms_a_bean * stage.beans / 1e3
    seconds = cpu if device.type == "cpu" else wall
    return replace(stage, share_of_peak=round(flops / max(seconds, 1e-9) / 1e9 / peak, 3))


_PRECISIONS: Final[dict[Precision, torch.dtype]] = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def _native(precision: Precision, device: torch.device) -> bool:
    return precision == "float32" or has_bfloat16(device.type)


def _peak(kind: torch.dtype, device: torch.device) -> float:
    """Return the billions of operations a second of a product of large matrices: on one core, or on the GPU."""
    side = SIDE[device.type]
    a, b = (torch.ones(side, side, dtype=kind, device=device) for _ in range(2))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        timed = _timed("product", 1, lambda: a @ b, 0.5, device)
    finally:
        torch.set_num_threads(threads)
    milliseconds = timed.cpu_ms_a_bean if device.type == "cpu" else timed.p50_ms
    return round(2 * side**3 / max(milliseconds, 1e-6) / 1e6, 1)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _memory(device: torch.device) -> dict[str, float]:
    found = {}
    if os.name == "posix":
        import resource  # noqa: PLC0415 - not on Windows

        unit = 1 if platform.system() == "Darwin" else 1024  # bytes there, kibibytes elsewhere
        found["process"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)
    if device.type == "cuda":
        found["gpu"] = round(torch.cuda.max_memory_allocated(device) / 1e6, 1)
    return found


def machine_of(device: torch.device) -> Machine:
    """Measure the peak of the matrix product, and tell what else is known of the machine."""
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        gpu=torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        load=round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        gflops={name: _peak(kind, device) for name, kind in _PRECISIONS.items() if _native(name, device)},
        versions=versions_of("cafepick", "torch", "numpy", "opencv-python-headless"),
    )


def _processor() -> str:
    """Return the processor's name, as far as the system tells."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text(encoding="utf-8").splitlines() if known.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def as_json(measured: Measured) -> dict[str, Any]:
    """Return the answer as plain JSON values."""
    return asdict(measured)
