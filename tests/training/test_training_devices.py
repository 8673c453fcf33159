"""Several devices train one model: each sees its part of the batch, and all end with the same weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from safetensors.torch import load_file, save_file

from cafepick.config import GanConfig, ModelConfig
from cafepick.training.batches import Batches
from cafepick.training.gan import new_gan, train_gan


def train_on_two(folder: str) -> None:
    """Train two steps on two processes of the CPU; each writes its weights."""
    torch.set_num_threads(1)
    fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp_fork")
    model = ModelConfig(size=16, channels=1, latent=4, width=2, batch_norm=False)
    config = GanConfig(steps=2, batch=8, loss="relativistic", gradient_penalty=1.0, penalty_every=2, ema=0.9)
    crops = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 1), np.uint8)

    def work(fabric: Fabric) -> None:
        gan = new_gan(model, config, seed=0, fabric=fabric)
        records = list(train_gan(gan, Batches(crops, config.batch), config, fabric=fabric))
        assert len(records) == 2
        weights = {**gan.generator.state_dict(prefix="g."), **gan.discriminator.state_dict(prefix="d.")}
        weights = {name: tensor.contiguous() for name, tensor in weights.items()}
        save_file(weights, Path(folder) / f"{fabric.global_rank}.safetensors")

    fabric.launch(work)


def test_two_devices_end_with_the_same_weights(tmp_path: Path) -> None:
    subprocess.run([sys.executable, __file__, str(tmp_path)], check=True, timeout=200, capture_output=True)
    first, second = (load_file(tmp_path / f"{rank}.safetensors") for rank in range(2))
    own = {name for name in first if not torch.equal(first[name], second[name])}
    assert all("running" in name for name in own), "only the statistics of batch norm belong to each device"
    assert own, "each device sees images of its own"


if __name__ == "__main__":
    train_on_two(sys.argv[1])
