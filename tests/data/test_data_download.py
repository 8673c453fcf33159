"""The data sets of the seed arrive where the seed expects them, once."""

import gzip
import hashlib
import io
import re
import zipfile
from pathlib import Path

import pytest

from cafepick.data.download import DATASETS, RECEIPT, Dataset, download, named_dataset
from cafepick.data.fetch import RemoteFile, is_verified
from cafepick.errors import DownloadError
from web_server import Page, Server


def remote(server: Server, name: str, body: bytes) -> RemoteFile:
    url = server.add(name, Page(body))
    return RemoteFile(name=name, urls=(url,), size=len(body), sha256=hashlib.sha256(body).hexdigest())


def ignore(name: str, done: int, total: int | None) -> None:
    """Report to nobody."""


@pytest.fixture
def faces(server: Server) -> Dataset:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(1, 4):
            archive.writestr(f"img_align_celeba/{number:06}.jpg", bytes([number]) * 100)
    return Dataset(files=(remote(server, "faces.zip", packed.getvalue()),), most_unpacked=1000)


def test_files_arrive_and_are_not_fetched_twice(server: Server, tmp_path: Path):
    dataset = Dataset(files=(remote(server, "a.gz", gzip.compress(b"a")), remote(server, "b.gz", gzip.compress(b"b"))))
    first = download(dataset, tmp_path / "mnist", report=ignore)
    assert (first.files, first.already) == (2, False)
    assert {path.name for path in first.folder.iterdir()} == {"a.gz", "b.gz"}
    asked = len(server.requests)
    assert download(dataset, tmp_path / "mnist", report=ignore).already
    assert len(server.requests) == asked


def test_a_missing_file_of_several_is_fetched_alone(server: Server, tmp_path: Path):
    dataset = Dataset(files=(remote(server, "a.gz", b"a"), remote(server, "b.gz", b"b")))
    download(dataset, tmp_path, report=ignore)
    (tmp_path / "b.gz").unlink()
    server.requests.clear()
    assert not download(dataset, tmp_path, report=ignore).already
    assert [path for path, _, _ in server.requests] == ["/b.gz"]


def test_pictures_are_unpacked_and_the_archive_removed(server: Server, faces: Dataset, tmp_path: Path):
    done = download(faces, tmp_path / "celebA", report=ignore)
    assert (done.files, done.already) == (3, False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["celebA"]
    names = sorted(path.name for path in done.folder.iterdir())
    assert names == [RECEIPT, "000001.jpg", "000002.jpg", "000003.jpg"]
    server.requests.clear()
    assert download(faces, tmp_path / "celebA", report=ignore).already
    assert server.requests == []


@pytest.mark.parametrize("spoil", ["000002.jpg", RECEIPT])
def test_an_incomplete_folder_is_fetched_again(server: Server, faces: Dataset, tmp_path: Path, spoil: str):
    folder = download(faces, tmp_path / "celebA", report=ignore).folder
    (folder / spoil).unlink()
    assert not download(faces, tmp_path / "celebA", report=ignore).already
    assert len(list(folder.glob("*.jpg"))) == 3


def test_a_failed_download_leaves_no_folder_of_pictures(server: Server, faces: Dataset, tmp_path: Path):
    server.pages.clear()
    with pytest.raises(DownloadError, match=r"could not download faces\.zip\. .*404"):
        download(faces, tmp_path / "celebA", report=ignore)
    assert not (tmp_path / "celebA").exists()


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(DownloadError, match="there is no data set 'mnits' to download: choose of mnist, celebA, lsun"):
        named_dataset("mnits")


@pytest.mark.parametrize("name", list(DATASETS))
def test_the_table_is_complete(name: str):
    for remote_file in DATASETS[name].files:
        assert remote_file.urls
        assert all(url.startswith(("https://", "http://")) for url in remote_file.urls)
        assert remote_file.sha256 is None or re.fullmatch("[0-9a-f]{64}", remote_file.sha256)
        assert (remote_file.size is None) == (remote_file.sha256 is None)
    assert DATASETS[name].most_unpacked is None or len(DATASETS[name].files) == 1


@pytest.mark.data
def test_the_checksums_are_those_of_the_real_files(data_dir: Path):
    """The training images here were packed anew, so their checksum differs."""
    files = [file for file in DATASETS["mnist"].files if file.name != "train-images-idx3-ubyte.gz"]
    assert all(is_verified(file, data_dir / "mnist" / file.name) for file in files)
