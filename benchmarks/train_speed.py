"""Training speed: cafepick's loop against a plain PyTorch DCGAN loop, same networks, side by side in one run.

    python benchmarks/train_speed.py [--width 32] [--steps 20] [--json benchmarks/results/train_speed.json]

The plain loop is what a tutorial has: float32, contiguous memory, unfused Adam, gradients for the frozen discriminator
too. Both loops take turns, so that whatever else the machine does hits both; the median step counts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from cafepick.config import GanConfig, ModelConfig
from cafepick.files import write_json
from cafepick.models.build import build_discriminator, build_generator
from cafepick.training.batches import Batches
from cafepick.training.device import open_fabric
from cafepick.training.gan import new_gan, train_gan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BATCH = 64


def plain_dcgan(model: ModelConfig, images: torch.Tensor, device: torch.device) -> Iterator[None]:
    """Train as the PyTorch tutorial on DCGAN does, one step at a time; ``images`` is (n, c, size, size) in [-1, 1]."""
    generator, discriminator = build_generator(model).to(device), build_discriminator(model).to(device)
    optimisers = [torch.optim.Adam(n.parameters(), lr=2e-4, betas=(0.5, 0.999)) for n in (generator, discriminator)]
    ones, zeros = torch.ones(BATCH, device=device), torch.zeros(BATCH, device=device)
    while True:
        real = images[torch.randint(len(images), (BATCH,))].to(device)
        drawn = generator(torch.rand(BATCH, model.latent, device=device) * 2 - 1)
        discriminator.zero_grad()
        cross_entropy(discriminator(real), ones).backward()
        cross_entropy(discriminator(drawn.detach()), zeros).backward()
        optimisers[1].step()
        generator.zero_grad()
        cross_entropy(discriminator(drawn), ones).backward()
        optimisers[0].step()
        yield


def cafepick_dcgan(model: ModelConfig, crops: np.ndarray, device: str) -> Iterator[object]:
    """Train the same networks with the same loss as ``cafepick train`` does."""
    config = GanConfig(steps=10**9, batch=BATCH)
    fabric = open_fabric(device)
    gan = new_gan(model, config, seed=0, fabric=fabric)
    return train_gan(gan, Batches(crops, BATCH), config, fabric=fabric)


def seconds_a_step(loops: dict[str, Iterator[object]], *, rounds: int, wait: Callable[[], None]) -> dict[str, float]:
    """Return the median time of a step of each loop; they take turns."""
    times: dict[str, list[float]] = {name: [] for name in loops}
    for number in range(rounds + 3):  # three rounds to warm up
        for name, loop in loops.items():
            began = time.perf_counter()
            next(loop)
            wait()
            if number >= 3:
                times[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--width", type=int, default=32)
    flags.add_argument("--steps", type=int, default=20)
    flags.add_argument("--device", default="cpu")
    flags.add_argument("--json", type=Path)
    options = flags.parse_args()
    model = ModelConfig(width=options.width, kernel=4)
    crops = np.random.default_rng(0).integers(0, 256, (512, model.size, model.size, 3), np.uint8)
    device = open_fabric(options.device).device
    images = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 127.5 - 1
    loops = {"plain": plain_dcgan(model, images, device), "cafepick": cafepick_dcgan(model, crops, options.device)}
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    seconds = seconds_a_step(loops, rounds=options.steps, wait=wait)
    result = {
        "width": options.width,
        "batch": BATCH,
        "images_a_second": {name: round(BATCH / value, 1) for name, value in seconds.items()},
        "times_faster": round(seconds["plain"] / seconds["cafepick"], 2),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "load_at_the_end": round(os.getloadavg()[0], 1),
        "torch": torch.__version__,
        "machine": platform.machine(),
    }
    print(json.dumps(result, indent=2))
    if options.json:
        write_json(options.json, result)


if __name__ == "__main__":
    main()
