"""Speed of ``fast``'s networks: modules in float32, modules under bfloat16 autocast, and packed, side by side.

    python benchmarks/fast_speed.py [--json benchmarks/results/fast_speed.json]

Untrained networks, one thread, crops in memory. The processor's time counts, and of all runs the quickest, so that the
numbers mean something on a machine that others use too; "on two cores" is twice the speed of one. The peak is that of a
product of two matrices of side 1024 in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.utils.flop_counter import FlopCounterMode

from cafepick.config import ModelConfig
from cafepick.files import write_json
from cafepick.models.build import build_comparison, build_discriminator, build_encoder, build_generator
from cafepick.scoring.fast import PASS, Restoring

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPES = ((32, 16), (32, 8), (16, 16), (16, 8), (8, 8))
"""Width of the networks and of the comparison."""


def seconds(work: Callable[[], object], *, runs: int) -> float:
    """Return the processor time of the quickest run."""
    work()
    best = float("inf")
    for _ in range(runs):
        began = time.thread_time()
        work()
        best = min(best, time.thread_time() - began)
    return best


def speeds(width: int, comparison: int, peak: float, *, runs: int) -> dict[str, object]:
    model = ModelConfig(width=width, kernel=4, batch_norm=False)
    head = build_comparison(model, width=comparison)
    networks = Restoring.of(build_encoder(model), build_generator(model), head, build_discriminator(model))
    images = (torch.rand(PASS, 3, 64, 64) * 2 - 1).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        with FlopCounterMode(display=False) as counter:
            networks.look(images)
        flops = counter.get_total_flops() / PASS
        ways = {
            "float32": lambda: networks.look(images),
            "bfloat16 autocast": lambda: networks._look_under_autocast(images),
            "bfloat16 packed": lambda: networks.program("bfloat16")(images),
        }
        each = {name: seconds(work, runs=runs) / PASS for name, work in ways.items()}
    return {
        "width": width,
        "comparison": comparison,
        "mflop_a_bean": round(flops / 1e6, 1),
        "beans_a_second_on_two_cores": {name: round(2 / value) for name, value in each.items()},
        "packed_of_bfloat16_peak": round(flops / each["bfloat16 packed"] / peak, 2),
    }


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--runs", type=int, default=12)
    flags.add_argument("--json", type=Path)
    options = flags.parse_args()
    torch.set_num_threads(1)
    a = torch.ones(1024, 1024, dtype=torch.bfloat16)
    peak = 2 * 1024**3 / seconds(lambda: a @ a, runs=options.runs)
    result = {
        "bfloat16_gflops_a_core": round(peak / 1e9, 1),
        "shapes": [speeds(*shape, peak, runs=options.runs) for shape in SHAPES],
        "load": round(os.getloadavg()[0], 1),
        "torch": torch.__version__,
    }
    print(json.dumps(result, indent=2))
    if options.json:
        write_json(options.json, result)


if __name__ == "__main__":
    main()
