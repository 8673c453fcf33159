"""Speed of the latent search: the seed's way against ``exact`` and ``refine``, side by side in one run.

    python benchmarks/search_speed.py [--width 64] [--json benchmarks/results/search_speed.json]
    python benchmarks/search_speed.py --model beans.cafepick --good FOLDER --defect FOLDER [--images 100]

The seed's way is one image at a time, float32, PyTorch's own Adam on z, 10,000 steps. So many steps are not taken here:
a few are timed, and the rest is multiplication, which the result says. Ours is ``search_latent``. All ways take turns,
a round each, so that whatever else the machine does hits all; the median round counts, by the wall's clock and by the
processor's, which hardly depends on others.

1. Same networks and steps (untrained, of --width): what batching and bfloat16 give, with each number of threads, and
   what they could give at most: the time that a step's arithmetic takes at the peak of a product of matrices.
2. With a trained model and labelled photos: the same networks, and AUROC beside it. The AUROC of 10,000 steps is that
   of our search with the seed's start, rate and steps (no image's result depends on its neighbours); with --seed-steps
   it rests on fewer.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from cafepick.beans.crop import pixels_of
from cafepick.bench import machine_of
from cafepick.config import ModelConfig, SearchConfig
from cafepick.cores import cores
from cafepick.data.sources import open_source
from cafepick.detector import Detector
from cafepick.files import write_json
from cafepick.models.build import build_discriminator, build_generator
from cafepick.models.device import has_bfloat16
from cafepick.scoring.exact import Networks, pick_device
from cafepick.scoring.fast import look_closer, look_once
from cafepick.scoring.metrics import auroc
from cafepick.scoring.search import search_latent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cafepick.scoring.frozen import Precision

SEED_STEPS = 10_000
SEED_RATE = 0.05


@dataclass
class Timed:
    """How long one way takes for an image."""

    wall: list[float]
    cpu: list[float]

    def median(self) -> tuple[float, float]:
        """Seconds by the wall's clock and of the processor."""
        return statistics.median(self.wall), statistics.median(self.cpu)


def seed_steps(networks: Networks, image: torch.Tensor, steps: int, weight: float) -> None:
    """Search as the seed did: one image (1, c, h, w), its own loss, float32, contiguous memory."""
    generator, discriminator = networks.generator, networks.discriminator
    generator.requires_grad_(False)
    discriminator.requires_grad_(False)
    z = (torch.rand(1, generator.latent, device=image.device) * 2 - 1).requires_grad_()
    adam = torch.optim.Adam([z], lr=SEED_RATE)
    with torch.no_grad():
        features = discriminator.features(image)
    for _ in range(steps):
        drawn = generator(z)
        residual = (image - drawn).abs().sum()
        discrimination = (features - discriminator.features(drawn)).abs().sum()
        adam.zero_grad()
        ((1 - weight) * residual + weight * discrimination).backward()
        adam.step()


def in_turns(ways: dict[str, tuple[Callable[[], object], float]], *, rounds: int) -> dict[str, Timed]:
    """Run each way (work, and how many images or steps it does) ``rounds`` times, one after the other."""
    times = {name: Timed([], []) for name in ways}
    for number in range(rounds + 1):  # one to warm up
        for name, (work, units) in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            work()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if number:
                times[name].wall.append((time.perf_counter() - wall) / units)
                times[name].cpu.append((time.process_time() - cpu) / units)
    return times


def same_steps(
    width: int, device: torch.device, *, rounds: int, steps: int, threads: int, gflops: Mapping[str, float]
) -> dict[str, Any]:
    """Time a step of an image by both ways on the same untrained networks; ``gflops`` is the peak of a core or GPU."""
    torch.set_num_threads(threads)
    model = ModelConfig(width=width)
    networks = Networks.of(model, build_generator(model).to(device), build_discriminator(model).to(device))
    images = torch.rand(32, 3, model.size, model.size, device=device) * 2 - 1
    search = SearchConfig(steps=steps, tolerance=0.0, candidates=1, learning_rate=SEED_RATE)
    parts = networks.generator, networks.discriminator
    ways: dict[str, tuple[Callable[[], object], float]] = {
        "seed": (lambda: seed_steps(networks, images[:1], steps, search.weight), steps),
        "float32": (lambda: search_latent(*parts, images, search), steps * len(images)),
    }
    if has_bfloat16(device.type):
        ways["bfloat16"] = (
            lambda: search_latent(*parts, images, search, precision="bfloat16"),
            steps * len(images),
        )
    times = in_turns(ways, rounds=rounds)
    work = _gflop(lambda: seed_steps(networks, images[:1], 2, search.weight))
    work -= _gflop(lambda: seed_steps(networks, images[:1], 1, search.weight))  # the image's own features come once
    fastest = work / (max(gflops.values()) * (threads if device.type == "cpu" else 1))
    return {
        "width": width,
        "kernel": model.kernel,
        "threads": threads,
        "gflop_a_step_and_image": round(work, 3),
        "most_times_the_seed": round(times["seed"].median()[0] / fastest, 2),
        "milliseconds_a_step_and_image": {name: _milliseconds(one) for name, one in times.items()},
        "times_the_seed": {name: _ratio(times["seed"], one) for name, one in times.items() if name != "seed"},
        "steps_timed": steps,
    }


def _gflop(work: Callable[[], object]) -> float:
    """Count the billions of additions and multiplications of convolutions and products."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / 1e9


def same_accuracy(detector: Detector, good: str, defect: str, options: argparse.Namespace) -> dict[str, Any]:
    """Compare time and AUROC of the ways on real photos; the score is AnoGAN's alone, without other parts."""
    networks = detector.networks
    if not isinstance(networks, Networks):
        raise SystemExit("give a trained model, not an exported one")
    crops, bad = _crops(detector, good, defect, options.images)
    pixels = torch.from_numpy(crops).permute(0, 3, 1, 2).float().to(networks.device) / 127.5 - 1
    parts, search = (networks.generator, networks.discriminator), detector.search
    as_seed = replace(
        search, steps=options.seed_steps, learning_rate=SEED_RATE, tolerance=0.0, candidates=1, restarts=1, clamp=False
    )
    scores: dict[str, np.ndarray] = {}

    def keep(name: str, score: torch.Tensor) -> None:
        scores[name] = score.double().cpu().numpy()

    half: Precision = "bfloat16" if has_bfloat16(networks.device.type) else "float32"
    ways: dict[str, tuple[Callable[[], object], float]] = {
        "seed": (lambda: seed_steps(networks, pixels[:1], options.steps, search.weight), options.steps / SEED_STEPS),
        "exact": (lambda: keep("exact", search_latent(*parts, pixels, search).score), len(pixels)),
        f"exact {half}": (
            lambda: keep(f"exact {half}", search_latent(*parts, pixels, search, precision=half).score),
            len(pixels),
        ),
    }
    if (quick := networks.restoring) is not None:
        each = torch.from_numpy(pixels_of(crops, detector.crop)) if search.differences == "standardised" else 1
        ways["refine"] = (lambda: keep("refine", _anomaly(look_closer(quick, pixels, search), search) / each), len(bad))
        ways["fast"] = (lambda: keep("fast", _anomaly(look_once(quick, pixels), search) / each), len(bad))
    times = in_turns(ways, rounds=options.rounds)
    keep("seed", search_latent(*parts, pixels, as_seed).score)
    return {
        "images": {"good": int((~bad).sum()), "defective": int(bad.sum())},
        "steps": {"seed": options.seed_steps, "exact": search.steps, "refine": search.refine_steps},
        "auroc": {name: round(auroc(bad, score), 4) for name, score in scores.items()},
        "milliseconds_an_image": {name: _milliseconds(one) for name, one in times.items()},
        "times_the_seed": {name: _ratio(times["seed"], one) for name, one in times.items() if name != "seed"},
        "seed_time": f"{options.steps} steps timed, multiplied up to {SEED_STEPS}",
    }


def _anomaly(seen: Any, search: SearchConfig) -> torch.Tensor:
    return (1 - search.weight) * seen.residual + search.weight * seen.discrimination


def _crops(detector: Detector, good: str, defect: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut the first ``count`` subjects of each folder, (n, size, size, c), and tell which are defective."""
    found: list[list[np.ndarray]] = []
    for folder in (good, defect):
        source, crops = open_source(folder, purpose="detect"), []
        for item in source.items:
            crops += [crop.image for crop in detector.prepare(source.read(item)).crops if crop is not None]
            if len(crops) >= count:
                break
        found.append(crops[:count])
    bad = np.repeat([False, True], [len(part) for part in found])
    return np.stack([*found[0], *found[1]]), bad


def _milliseconds(timed: Timed) -> dict[str, float]:
    wall, cpu = timed.median()
    return {"wall": round(1e3 * wall, 3), "cpu": round(1e3 * cpu, 3)}


def _ratio(seed: Timed, ours: Timed) -> dict[str, float]:
    pairs = zip(seed.median(), ours.median(), strict=True)
    wall, cpu = (round(theirs / own, 2) for theirs, own in pairs)
    return {"wall": wall, "cpu": cpu}


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--width", type=int, default=64)
    flags.add_argument("--steps", type=int, default=20, help="timed in a round")
    flags.add_argument("--rounds", type=int, default=5)
    flags.add_argument("--threads", type=int, nargs="+", default=[1, cores()])
    flags.add_argument("--device", default="cpu")
    flags.add_argument("--model", type=Path)
    flags.add_argument("--good")
    flags.add_argument("--defect")
    flags.add_argument("--images", type=int, default=100, help="of each kind")
    flags.add_argument("--seed-steps", type=int, default=SEED_STEPS, help="on which the seed's AUROC rests")
    flags.add_argument("--json", type=Path)
    options = flags.parse_args()
    device = pick_device(options.device)
    machine = machine_of(device)
    result: dict[str, Any] = {
        "same_steps": [
            same_steps(
                options.width,
                device,
                rounds=options.rounds,
                steps=options.steps,
                threads=threads,
                gflops=machine.gflops,
            )
            for threads in options.threads
        ]
    }
    if options.model:
        detector = Detector.load(options.model, method="exact", device=options.device)
        result["same_accuracy"] = same_accuracy(detector, options.good, options.defect, options)
    result["machine"] = asdict(machine)
    print(json.dumps(result, indent=2))
    if options.json:
        write_json(options.json, result)


if __name__ == "__main__":
    main()
