"""The MNIST database of handwritten digits in its idx files (LeCun, Cortes, Burges).

Format: two zero bytes, the type of the values (8: unsigned byte), the number of dimensions, each dimension as a
big-endian 32-bit number, then the values (http://yann.lecun.com/exdb/mnist, "file formats").
"""

from __future__ import annotations

import gzip
import struct
import zlib
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from cafepick.errors import SourceError
from cafepick.types import Item

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

DEFAULT_FOLDER: Final = "data/mnist"
"""Where ``cafepick download mnist`` puts the files."""

_PREFIX: Final = {"train": "train", "detect": "t10k"}
_FOLDER: Final = {"train": "train", "detect": "test"}  # how the items are named
_MOST_BYTES: Final = 2**28  # MNIST has 47 million; a larger file is not MNIST, and may be meant to fill the memory


def read_mnist(
    folder: Path, purpose: Literal["train", "detect"], normal: Sequence[int] | None
) -> tuple[tuple[Item, ...], NDArray[np.uint8]]:
    """Read the 60,000 training images (``train``) or the 10,000 test images (``detect``).

    Args:
        folder: holds the four idx .gz files.
        purpose: ``train`` keeps the ``normal`` digits only; ``detect`` keeps all.
        normal: digits that count as good. Their label is ``good``, any other's is its digit; None: all are digits.

    Returns:
        The items, whose ``index`` is the position in the second value: all images of the file, (n, 28, 28).

    Raises:
        SourceError: a file is missing, truncated or no MNIST file, or nothing is left.
    """
    if normal is not None and not (normal and set(normal) <= set(range(10))):
        raise SourceError(f"the normal digits must be some of 0 to 9, got {list(normal)}: give e.g. --normal 0,1")
    images_path = folder / f"{_PREFIX[purpose]}-images-idx3-ubyte.gz"
    labels_path = folder / f"{_PREFIX[purpose]}-labels-idx1-ubyte.gz"
    images, labels = read_idx(images_path, dimensions=3), read_idx(labels_path, dimensions=1)
    if len(images) != len(labels) or images.shape[1:] != (28, 28) or labels.max(initial=0) > 9:
        raise SourceError(
            f"{images_path} and {labels_path.name} must hold as many 28 x 28 images as labels from 0 to 9, got images"
            f" of shape {images.shape} and {len(labels)} labels up to {labels.max(initial=0)}: download them again"
        )
    good = frozenset(normal or ())
    items = tuple(
        Item(
            path=images_path,
            name=f"{_FOLDER[purpose]}/{index:05}.png",
            label="good" if digit in good else str(digit),
            index=index,
        )
        for index, digit in enumerate(labels.tolist())
        if purpose == "detect" or normal is None or digit in good
    )
    return items, images


def read_idx(path: Path, *, dimensions: int) -> NDArray[np.uint8]:
    """Read one gzipped idx file of bytes.

    Args:
        path: the file.
        dimensions: how many the file must have: 3 for images, 1 for labels.

    Returns:
        The values in the shape that the file gives.

    Raises:
        SourceError: the file is missing, truncated, damaged, or holds something else.
    """
    content = _unpack(path)
    head = 4 + 4 * dimensions
    if content[:4] != bytes([0, 0, 8, dimensions]) or len(content) < head:
        raise SourceError(
            f"{path} must be an idx file of bytes with {dimensions} dimensions, beginning 0000080{dimensions},"
            f" but begins {content[:4].hex() or 'with nothing'}: run  cafepick download mnist"
        )
    shape = struct.unpack(f">{dimensions}I", content[4:head])
    values = np.frombuffer(content, np.uint8, offset=head)
    if values.size != np.prod(shape, dtype=object):
        raise SourceError(
            f"{path} announces {shape} values but holds {values.size} bytes: run  cafepick download mnist"
        )
    return values.reshape(shape)


def _unpack(path: Path) -> bytes:
    try:
        with gzip.open(path) as stream:
            content = stream.read(_MOST_BYTES + 1)
    except FileNotFoundError as error:
        raise SourceError(
            f"MNIST needs {path}, which is not there: run  cafepick download mnist  or name its folder with --data-dir"
        ) from error
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(
            f"{path} is truncated or damaged ({error}): delete it and run  cafepick download mnist"
        ) from error
    if len(content) > _MOST_BYTES:
        raise SourceError(f"{path} unpacks to more than {_MOST_BYTES // 2**20} MiB, so it is not MNIST")
    return content
