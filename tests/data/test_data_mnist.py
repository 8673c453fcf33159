"""MNIST files are read as they are, or refused with the reason."""

import gzip
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cafepick.data import mnist
from cafepick.data.mnist import read_idx, read_mnist
from cafepick.errors import SourceError


def idx(values: np.ndarray) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small MNIST: 20 training and 10 test images whose pixels are all 10 times their digit."""
    for prefix, count in (("train", 20), ("t10k", 10)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        pixels = np.broadcast_to(labels[:, None, None] * 10, (count, 28, 28))
        (tmp_path / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(np.ascontiguousarray(pixels))))
        (tmp_path / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    return tmp_path


def test_training_takes_the_training_images(folder: Path):
    items, pixels = read_mnist(folder, "train", None)
    assert len(items) == len(pixels) == 20
    assert [item.name for item in items[:2]] == ["train/00000.png", "train/00001.png"]
    assert [item.label for item in items] == [str(i % 10) for i in range(20)]
    assert all((pixels[item.index] == int(item.label or -1) * 10).all() for item in items)


def test_training_on_some_digits_takes_these_only(folder: Path):
    items, pixels = read_mnist(folder, "train", [3, 5])
    assert [item.index for item in items] == [3, 5, 13, 15]
    assert [item.name for item in items][-1] == "train/00015.png"
    assert {item.label for item in items} == {"good"}
    assert len(pixels) == 20


def test_detection_takes_all_test_images_and_says_which_are_good(folder: Path):
    items, _ = read_mnist(folder, "detect", [3])
    assert [item.label for item in items] == ["0", "1", "2", "good", "4", "5", "6", "7", "8", "9"]
    assert items[3].name == "test/00003.png"
    assert items[3].path.name == "t10k-images-idx3-ubyte.gz"


@pytest.mark.parametrize("normal", [[], [10], [-1, 3]])
def test_normal_must_name_digits(folder: Path, normal: list[int]):
    with pytest.raises(SourceError, match=r"the normal digits must be some of 0 to 9, got .*--normal 0,1"):
        read_mnist(folder, "train", normal)


def test_a_missing_file_names_the_command(tmp_path: Path):
    with pytest.raises(SourceError, match=r"MNIST needs .*train-images-idx3-ubyte\.gz.* run  cafepick download mnist"):
        read_mnist(tmp_path, "train", None)


@pytest.mark.parametrize("keep", [0, 5, 30, -20, -4])
def test_a_truncated_file_is_refused(folder: Path, keep: int):
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(SourceError, match=r"train-images.* (truncated or damaged|but begins with nothing)"):
        read_idx(path, dimensions=3)


def test_a_flipped_bit_is_refused(folder: Path):
    path = folder / "train-labels-idx1-ubyte.gz"
    content = bytearray(path.read_bytes())
    content[-6] ^= 1  # in the checksum
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"is truncated or damaged \(CRC check failed"):
        read_idx(path, dimensions=1)


def test_a_file_that_is_not_gzipped_is_refused(tmp_path: Path):
    path = tmp_path / "a.gz"
    path.write_bytes(b"<html>404</html>")
    with pytest.raises(SourceError, match=r"is truncated or damaged \(Not a gzipped file"):
        read_idx(path, dimensions=1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            idx(np.zeros(4, np.uint8)),
            "must be an idx file of bytes with 3 dimensions, beginning 00000803, but begins 00000801",
        ),
        (b"\x00\x00\x0d\x03" + bytes(12), "but begins 00000d03"),
        (b"\x00\x00\x08\x03" + bytes(5), "must be an idx file"),
        (idx(np.zeros((2, 3, 4), np.uint8)) + b"x", r"announces \(2, 3, 4\) values but holds 25 bytes"),
        (idx(np.zeros((2, 3, 4), np.uint8))[:-1], r"announces \(2, 3, 4\) values but holds 23 bytes"),
        (b"\x00\x00\x08\x03" + b"\xff" * 12, r"announces \(4294967295, .* but holds 0 bytes"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, content: bytes, message: str):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(SourceError, match=message):
        read_idx(path, dimensions=3)


def test_images_and_labels_must_agree(folder: Path):
    labels = gzip.compress(idx(np.zeros(19, np.uint8)))
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(labels)
    with pytest.raises(SourceError, match=r"as many 28 x 28 images as labels .* 19 labels"):
        read_mnist(folder, "train", None)


def test_a_gzip_bomb_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mnist, "_MOST_BYTES", 2**20)
    (tmp_path / "a.gz").write_bytes(gzip.compress(bytes(2**20 + 1)))
    with pytest.raises(SourceError, match="unpacks to more than 1 MiB"):
        read_idx(tmp_path / "a.gz", dimensions=1)


@pytest.mark.data
def test_the_real_files(data_dir: Path):
    items, pixels = read_mnist(data_dir / "mnist", "detect", None)
    counts = Counter(item.label for item in items)
    assert pixels.shape == (10_000, 28, 28)
    assert [counts[str(digit)] for digit in range(10)] == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    train, pixels = read_mnist(data_dir / "mnist", "train", [8])
    assert len(pixels) == 60_000
    assert len(train) == 5_851
