"""A run that was killed goes on as if nothing had happened; a checkpoint that does not fit says why."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from cafepick.config import GanConfig, ModelConfig
from cafepick.errors import CheckpointError, OutputError, TrainingError
from cafepick.training.batches import Batches
from cafepick.training.checkpoint import FILE_NAME, RunFacts, has_checkpoint, load_checkpoint, save_checkpoint
from cafepick.training.gan import Gan, new_gan, train_gan

MODEL = ModelConfig(size=16, channels=1, latent=4, width=4, kernel=4, batch_norm=False)
CONFIG = GanConfig(
    steps=24, batch=8, loss="relativistic", gradient_penalty=1.0, penalty_every=4, ema=0.9, augment=True, flips=True
)


def fresh(config: GanConfig = CONFIG, model: ModelConfig = MODEL) -> tuple[Gan, Batches, RunFacts, Fabric]:
    crops = np.random.default_rng(0).integers(0, 256, (21, 16, 16, 1), np.uint8)
    batches = Batches(crops, config.batch, seed=3)
    facts = RunFacts(model=model, gan=config, seed=3, images=len(crops), data=batches.fingerprint())
    fabric = Fabric(accelerator="cpu", devices=1)
    return new_gan(model, config, seed=3, fabric=fabric), batches, facts, fabric


def train(folder: Path, *, until: int, resume: bool = False, every: int = 5) -> Gan:
    """Train as a command would: a checkpoint every so many steps."""
    gan, batches, facts, fabric = fresh()
    if resume:
        load_checkpoint(folder, gan, facts)
    for record in train_gan(gan, batches, CONFIG, fabric=fabric):
        if record.step % every == 0:
            save_checkpoint(folder, gan, facts)
        if record.step == until:
            break
    return gan


def state(gan: Gan) -> list[torch.Tensor]:
    networks = (gan.generator, gan.discriminator, gan.averaged)
    return [tensor.clone() for network in networks for tensor in network.state_dict().values()]


def assert_same(first: Gan, second: Gan) -> None:
    for one, other in zip(state(first), state(second), strict=True):
        assert torch.equal(one, other)


def run_slowly(folder: Path) -> None:
    """Body of the process that is killed."""
    torch.set_num_threads(1)
    gan, batches, facts, fabric = fresh()
    for record in train_gan(gan, batches, CONFIG, fabric=fabric):
        save_checkpoint(folder, gan, facts)
        time.sleep(0.1 if record.step > 5 else 0)  # so that it is not over before it is killed


def test_after_kill_9_a_resumed_run_gives_the_weights_of_an_uninterrupted_one(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, __file__, str(tmp_path)]) as process:
        deadline = time.monotonic() + 120
        while step_of(tmp_path) < 7 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert 7 <= step_of(tmp_path) < CONFIG.steps
    assert_same(train(tmp_path, until=CONFIG.steps, resume=True), train(tmp_path / "other", until=CONFIG.steps))


def step_of(folder: Path) -> int:
    """Read the step that a run folder has reached."""
    gan, _, facts, _ = fresh()
    if not has_checkpoint(folder):
        return 0
    load_checkpoint(folder, gan, facts)
    return gan.step


def test_a_checkpoint_brings_everything_back(tmp_path: Path) -> None:
    gan = train(tmp_path, until=10)
    back, _, facts, _ = fresh()
    load_checkpoint(tmp_path, back, facts)
    assert back.step == 10
    assert_same(gan, back)
    first, second = (g.generator_optimiser.state_dict()["state"] for g in (gan, back))
    assert all(torch.equal(first[i][key], second[i][key]) for i in first for key in first[i])


def test_a_gan_without_average_or_memory_is_saved_too(tmp_path: Path) -> None:
    config, model = replace(CONFIG, ema=0.0, gradient_penalty=0.0), replace(MODEL, batch_norm=True)
    gan, _, facts, _ = fresh(config, model)
    save_checkpoint(tmp_path, gan, facts)
    back, _, _, _ = fresh(config, model)
    load_checkpoint(tmp_path, back, facts)
    assert_same(gan, back)
    assert back.averaged is back.generator


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gan": replace(CONFIG, batch=16)}, "gan.batch was 8, is 16"),
        ({"model": replace(MODEL, width=8)}, "model.width was 4, is 8"),
        ({"seed": 4}, "seed was 3, is 4"),
        ({"images": 22, "data": "0" * 64}, r"data was .*; images was 21, is 22"),
    ],
)
def test_other_settings_or_images_are_named(tmp_path: Path, change: dict, message: str) -> None:
    train(tmp_path, until=5)
    gan, _, facts, _ = fresh()
    before = state(gan)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(tmp_path, gan, replace(facts, **change))
    assert all(torch.equal(one, other) for one, other in zip(before, state(gan), strict=True))


def test_a_run_may_be_made_longer_but_not_shorter_than_it_is(tmp_path: Path) -> None:
    train(tmp_path, until=10)
    gan, _, facts, _ = fresh()
    load_checkpoint(tmp_path, gan, replace(facts, gan=replace(CONFIG, steps=500, checkpoint_every=9)))
    with pytest.raises(CheckpointError, match="at step 10 already, past the 9 asked for"):
        load_checkpoint(tmp_path, gan, replace(facts, gan=replace(CONFIG, steps=9)))


def flip_a_bit(content: bytearray) -> bytearray:
    content[-40] ^= 1
    return content


@pytest.mark.parametrize(
    "damage",
    [flip_a_bit, lambda content: content[:-100], lambda content: content[:5], lambda _: bytearray()],
    ids=["one bit", "cut off", "header cut off", "empty"],
)
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, damage) -> None:
    train(tmp_path, until=5)
    path = tmp_path / FILE_NAME
    path.write_bytes(damage(bytearray(path.read_bytes())))
    gan, _, facts, _ = fresh()
    with pytest.raises(CheckpointError, match="is damaged"):
        load_checkpoint(tmp_path, gan, facts)


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(2)}, tmp_path / FILE_NAME)
    gan, _, facts, _ = fresh()
    with pytest.raises(CheckpointError, match="damaged or no checkpoint"):
        load_checkpoint(tmp_path, gan, facts)


def test_a_missing_checkpoint_says_what_to_do(tmp_path: Path) -> None:
    gan, _, facts, _ = fresh()
    with pytest.raises(CheckpointError, match=r"there is no checkpoint .*: train without --resume first"):
        load_checkpoint(tmp_path, gan, facts)


def test_weights_that_are_no_numbers_do_not_replace_a_sound_checkpoint(tmp_path: Path) -> None:
    gan = train(tmp_path, until=5)
    before = (tmp_path / FILE_NAME).read_bytes()
    with torch.no_grad():
        gan.discriminator.logit.bias.fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"diverged by step 5: discriminator.logit.bias .* not finite"):
        save_checkpoint(tmp_path, gan, fresh()[2])
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_a_full_disk_leaves_the_checkpoint_before(files_of_at_most, tmp_path: Path) -> None:
    gan = train(tmp_path, until=5)
    with (
        files_of_at_most((tmp_path / FILE_NAME).stat().st_size // 2),
        pytest.raises(OutputError, match=rf"cannot write .*{FILE_NAME}: File too large; free some space"),
    ):
        save_checkpoint(tmp_path, gan, fresh()[2])
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
    assert step_of(tmp_path) == 5


def test_equal_runs_write_equal_bytes(tmp_path: Path) -> None:
    train(tmp_path / "a", until=5)
    train(tmp_path / "b", until=5)
    assert (tmp_path / "a" / FILE_NAME).read_bytes() == (tmp_path / "b" / FILE_NAME).read_bytes()


if __name__ == "__main__":
    run_slowly(Path(sys.argv[1]))
