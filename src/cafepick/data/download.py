"""The public data sets of the seed: where they lie, how they are known to be right, where they go.

The checksums were taken from independent public sources that agree; three of MNIST's four were also computed from the
files. LSUN's publisher gives none.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from cafepick.data.fetch import RemoteFile, Report, fetch, is_verified
from cafepick.data.unpack import unpack_pictures
from cafepick.errors import DownloadError
from cafepick.files import write_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RECEIPT: Final = ".downloaded.json"
"""Hidden file in a folder of unpacked pictures; says which archive they came from and how many they are."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A data set that can be downloaded."""

    files: tuple[RemoteFile, ...]
    most_unpacked: int | None = None
    """The one file is an archive of pictures to unpack, at most so many bytes; None leaves the files as they are."""
    note: str | None = None
    """What the user needs to know to use it."""


@dataclass(frozen=True)
class Downloaded:
    """How a download ended."""

    folder: Path
    files: int
    """Files or pictures in the folder that belong to the data set."""
    already: bool
    """Everything was there and verified; nothing was fetched."""


def _mnist(name: str, size: int, sha256: str) -> RemoteFile:
    mirrors = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    )
    return RemoteFile(name=name, urls=tuple(mirror + name for mirror in mirrors), size=size, sha256=sha256)


DATASETS: Final[dict[str, Dataset]] = {
    "mnist": Dataset(
        files=(
            _mnist(
                "train-images-idx3-ubyte.gz",
                9_912_422,
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            _mnist(
                "train-labels-idx1-ubyte.gz", 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
            ),
            _mnist(
                "t10k-images-idx3-ubyte.gz",
                1_648_877,
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            ),
            _mnist(
                "t10k-labels-idx1-ubyte.gz", 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
            ),
        ),
    ),
    "celebA": Dataset(
        files=(
            RemoteFile(
                name="img_align_celeba.zip",
                urls=(
                    "https://s3.amazonaws.com/pytorch-tutorial-assets/img_align_celeba.zip",
                    "https://s3-us-west-1.amazonaws.com/udacity-dlnfd/datasets/celeba.zip",
                    "https://cseweb.ucsd.edu/~weijian/static/datasets/celeba/img_align_celeba.zip",
                ),
                size=1_443_490_838,
                sha256="46fb89443c578308acf364d7d379fe1b9efb793042c0af734b6112e4fd3a8c74",
            ),
        ),
        most_unpacked=4 * 2**30,
    ),
    "lsun": Dataset(
        files=tuple(
            RemoteFile(name=name, urls=(f"http://dl.yf.io/lsun/scenes/{name}",), size=None, sha256=None)
            for name in ("bedroom_val_lmdb.zip", "bedroom_train_lmdb.zip")
        ),
        note="LSUN comes as LMDB databases (43 GB for training): unzip them and export the photos with data.py of"
        " https://github.com/fyu/lsun, then train on that folder",
    ),
}


def named_dataset(name: str) -> Dataset:
    """Return the data set called ``name``.

    Raises:
        DownloadError: there is none of that name.
    """
    if name not in DATASETS:
        raise DownloadError(f"there is no data set {name!r} to download: choose of {', '.join(DATASETS)}")
    return DATASETS[name]


def from_mirror(dataset: Dataset, address: str) -> Dataset:
    """Return the data set with its files, under their names, below one address instead of the public ones.

    Raises:
        DownloadError: it is no http or https address.
    """
    if not address.startswith(("http://", "https://")):
        raise DownloadError(f"a mirror needs an address that begins with http:// or https://, got {address!r}")
    files = tuple(replace(remote, urls=(f"{address.rstrip('/')}/{remote.name}",)) for remote in dataset.files)
    return replace(dataset, files=files)


def download(dataset: Dataset, folder: Path, *, report: Report) -> Downloaded:
    """Bring a data set into ``folder``; whatever is there and verified is left alone.

    Args:
        dataset: what to fetch.
        folder: where its files, or its unpacked pictures, go.
        report: called as bytes arrive, and as pictures are unpacked.

    Raises:
        DownloadError: a file could not be fetched whole and verified.
        OutputError: the disk is full or cannot be written.
    """
    if dataset.most_unpacked is not None:
        return _download_pictures(dataset.files[0], folder, dataset.most_unpacked, report)
    already = all(is_verified(remote, folder / remote.name) for remote in dataset.files)
    for remote in dataset.files:
        fetch(remote, folder, report=report)
    return Downloaded(folder, len(dataset.files), already)


def _download_pictures(remote: RemoteFile, folder: Path, most_bytes: int, report: Report) -> Downloaded:
    """Fetch an archive beside the folder, unpack it into the folder and delete it."""
    count = _unpacked_before(remote, folder)
    if count:
        return Downloaded(folder, count, already=True)
    archive = fetch(remote, folder.parent, report=report)
    count = unpack_pictures(archive, folder, most_bytes=most_bytes, report=_named(report, f"unpacking {remote.name}"))
    write_json(folder / RECEIPT, {"sha256": remote.sha256, "pictures": count})
    archive.unlink()
    return Downloaded(folder, count, already=False)


def _unpacked_before(remote: RemoteFile, folder: Path) -> int:
    """Return how many pictures of this archive the folder holds; 0 unless all are there."""
    try:
        receipt = json.loads((folder / RECEIPT).read_text(encoding="utf-8"))
        expected = int(receipt["pictures"]) if receipt["sha256"] == remote.sha256 else 0
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    return expected if sum(path.suffix == ".jpg" for path in folder.iterdir()) >= expected else 0


def _named(report: Report, name: str) -> Callable[[int, int], None]:
    return lambda done, total: report(name, done, total)
