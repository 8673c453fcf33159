"""Archives can neither leave their folder nor fill the disk, and a damaged one changes nothing."""

import zipfile
from pathlib import Path

import pytest

from cafepick.data.unpack import unpack_pictures
from cafepick.errors import DownloadError


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def unpack(archive: Path, folder: Path, most_bytes: int = 1000) -> int:
    return unpack_pictures(archive, folder, most_bytes=most_bytes, report=lambda *_: None)


def test_pictures_are_unpacked_side_by_side(tmp_path: Path):
    archive = zipped(tmp_path / "a.zip", {"deep/000001.jpg": b"one", "deep/000002.JPG": b"two", "deep/list.txt": b"no"})
    steps: list[tuple[int, int]] = []
    count = unpack_pictures(
        archive, tmp_path / "out", most_bytes=6, report=lambda done, total: steps.append((done, total))
    )
    assert count == 2
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == {
        "000001.jpg": b"one",
        "000002.JPG": b"two",
    }
    assert steps == [(3, 6), (6, 6)]


@pytest.mark.parametrize("name", ["../../evil.jpg", "/etc/evil.jpg", "..\\..\\evil.jpg", "C:\\evil.jpg"])
def test_no_member_leaves_the_folder(tmp_path: Path, name: str):
    unpack(zipped(tmp_path / "a.zip", {name: b"evil"}), tmp_path / "deep" / "out")
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.jpg")] == ["deep/out/evil.jpg"]


def test_what_is_in_the_folder_stays(tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.jpg").write_bytes(b"mine")
    unpack(zipped(tmp_path / "a.zip", {"a.jpg": b"a"}), tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"mine.jpg", "a.jpg"}


def understated(path: Path) -> Path:
    """An archive whose directory announces 10 bytes for a member of a million."""
    zipped(path, {"a.jpg": bytes(1_000_000)})
    size = (1_000_000).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(size, (10).to_bytes(4, "little")))
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: zipped(path, {"a.jpg": bytes(1001)}), "would unpack to 1001 bytes, expected are at most 1000"),
        (understated, "is damaged"),
        (lambda path: zipped(path, {"a/x.jpg": b"1", "b/x.jpg": b"2"}), r"holds 2 pictures called x\.jpg"),
        (lambda path: zipped(path, {"readme.txt": b"1"}), r"holds no \.jpg pictures"),
        (lambda path: path.write_bytes(b"<html>no archive</html>") and path, r"is damaged \(File is not a zip file\)"),
    ],
)
def test_bad_archives_are_refused_and_change_nothing(tmp_path: Path, make: object, message: str):
    archive = make(tmp_path / "a.zip")  # type: ignore[operator]
    with pytest.raises(DownloadError, match=message):
        unpack(archive, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


@pytest.mark.parametrize("place", [0.2, 0.5, 0.8])
def test_a_damaged_member_changes_nothing(tmp_path: Path, place: float):
    archive = zipped(tmp_path / "a.zip", {"a.jpg": b"first", "b.jpg": bytes(range(256)) * 4})
    content = bytearray(archive.read_bytes())
    at = int(len(content) * place)
    content[at : at + 4] = b"\xff\x00\xff\x00"
    archive.write_bytes(content)
    with pytest.raises(DownloadError, match=r"is damaged|holds no \.jpg"):
        unpack(archive, tmp_path / "out", most_bytes=2000)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]
