"""The seed's commands run on real files, in the seed's folders, and say what they ran."""

from __future__ import annotations

import csv
import gzip
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cafepick.images import write_image

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
SHORT = ["--epoch", "1", "--batch_size", "8", "--output_height", "28", "--test_epoch", "3"]


def seed(folder: Path, *flags: str) -> str:
    """Run main.py in ``folder`` and return what it printed."""
    ran = ended(folder, *flags)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def ended(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "main.py"), *flags]
    return subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=240, check=False
    )


def faces(folder: Path, pattern: str, count: int) -> None:
    """Write ``count`` photos of 40 x 48 pixels that vary a little."""
    random = np.random.default_rng(0)
    for number in range(count):
        grey = np.full((48, 40, 3), 120 + number, np.uint8) + random.integers(0, 20, (48, 40, 3), dtype=np.uint8)
        write_image(folder / pattern.replace("*", f"{number:03d}"), grey)


@pytest.mark.parametrize(
    ("flags", "pattern"),
    [(["--input_fname_pattern=*_cropped.png"], "*_cropped.png"), (["--crop", "--input_height=32"], "*.jpg")],
)
def test_train_then_anomaly_test_on_ones_own_images(tmp_path: Path, flags: list[str], pattern: str) -> None:
    faces(tmp_path / "data" / "eyes", pattern, 16)
    faces(tmp_path / "test_data", pattern, 3)
    said = seed(tmp_path, "--dataset=eyes", *flags, "--train", "--visualize", *SHORT)
    assert said.startswith("$ cafepick train data/eyes --model checkpoint/eyes.cafepick")
    assert (tmp_path / "checkpoint" / "eyes.cafepick").is_file()
    assert list((tmp_path / "samples").glob("*.png"))
    said = seed(tmp_path, "--dataset=eyes", *flags, "--train", *SHORT, "--epoch", "2")
    assert "--resume checkpoint/eyes.run" in said
    log = (tmp_path / "checkpoint" / "eyes.run" / "log.csv").read_text().splitlines()
    assert len(log) == 1 + 4, "the second training did not go on with the first"
    ran = ended(tmp_path, "--dataset=eyes", *flags, "--train", *SHORT, "--beta1=0.9")
    assert (ran.returncode, "gan.beta1 was 0.5, is 0.9" in ran.stderr) == (1, True)
    assert "another folder with --checkpoint_dir, or delete checkpoint/eyes.run to begin anew" in ran.stderr
    said = seed(tmp_path, "--dataset=eyes", *flags, "--anomaly_test")
    assert said.startswith("$ cafepick detect 'test_data/")
    results = tmp_path / "test_data" / "test_result"
    with (results / "scores.csv").open() as lines:
        assert len(list(csv.DictReader(lines))) == 3
    assert len(list((results / "panels").rglob("*.png"))) == 3


def test_mnist_detection_works(tmp_path: Path) -> None:
    for name, count in (("train", 24), ("t10k", 4)):
        write_idx(tmp_path / "data" / "mnist", name, count)
    flags = ["--dataset", "mnist", "--input_height=28", "--output_height=28"]
    seed(tmp_path, *flags, "--train", *SHORT)
    said = seed(tmp_path, *flags, "--anomaly_test", "--test_epoch", "2")
    assert "$ cafepick calibrate --model checkpoint/mnist.cafepick --set search.steps=2" in said
    assert (tmp_path / "test_data" / "test_result" / "scores.csv").is_file()


def write_idx(folder: Path, name: str, count: int) -> None:
    """Write images and labels in the form of the MNIST files."""
    folder.mkdir(parents=True, exist_ok=True)
    images = np.random.default_rng(1).integers(0, 255, (count, 28, 28), dtype=np.uint8)
    labels = np.arange(count, dtype=np.uint8) % 10
    with gzip.open(folder / f"{name}-images-idx3-ubyte.gz", "wb") as file:
        file.write(struct.pack(">IIII", 2051, count, 28, 28) + images.tobytes())
    with gzip.open(folder / f"{name}-labels-idx1-ubyte.gz", "wb") as file:
        file.write(struct.pack(">II", 2049, count) + labels.tobytes())
