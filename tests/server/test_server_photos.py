"""Uploads: kept once by content, refused in words, nothing left behind."""

from __future__ import annotations

import hashlib
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from serve_process import Client, Served, code_of, uploaded

from cafepick.beans.find import find_beans
from cafepick.images import read_photo, write_image


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in (*chunks, (b"IEND", b""))
    )


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes that claims, and has, that many pixels."""
    rows = zlib.compress(bytes((width // 8 + 1) * 1000), 9)
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return png((b"IHDR", head), (b"IDAT", rows))


def chatty() -> bytes:
    """A small PNG with a text of 200 megabytes, packed."""
    text = b"Comment\0\0" + zlib.compress(bytes(200_000_000), 9)
    head = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    return png((b"IHDR", head), (b"zTXt", text), (b"IDAT", zlib.compress(bytes(72))))


def test_a_photo_is_kept_once_by_its_content(client: Client, served: Served, trays: list[Path]) -> None:
    content = trays[0].read_bytes() + b"a comment behind the end of the image"
    first = client.post("/photos", params={"name": "first.jpg"}, content=content)
    again = client.post("/photos", params={"name": "again.jpg"}, content=content)
    assert (first.status_code, again.status_code) == (201, 200)
    photo = first.json()
    assert photo == again.json()
    assert photo["id"] == hashlib.sha256(content).hexdigest()
    assert (photo["name"], photo["format"], photo["width"], photo["height"]) == ("first.jpg", "JPEG", 800, 600)
    assert client.get(f"/photos/{photo['id']}/file").content == content
    thumbnail = np.frombuffer(client.get(f"/photos/{photo['id']}/thumbnail").content, np.uint8)
    assert cv2.imdecode(thumbnail, cv2.IMREAD_COLOR).shape == (240, 320, 3)
    image = np.frombuffer(client.get(f"/photos/{photo['id']}/image", params={"side": 500}).content, np.uint8)
    assert cv2.imdecode(image, cv2.IMREAD_COLOR).shape == (375, 500, 3)
    assert photo in client.get("/photos").json()["photos"]
    assert client.delete(f"/photos/{photo['id']}").status_code == 204
    assert not list(served.data.rglob(f"{photo['id']}*"))
    assert code_of(client.get(f"/photos/{photo['id']}")) == (404, "no_such_photo")


def test_a_photo_lies_as_the_camera_was_held(client: Client, trays: list[Path], tmp_path: Path) -> None:
    turned = Image.open(trays[1]).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    turned.save(tmp_path / "turned.jpg", exif=exif)
    photo = client.get(f"/photos/{uploaded(client, tmp_path / 'turned.jpg')}").json()
    assert (photo["width"], photo["height"]) == (600, 800)


def test_the_beans_are_those_that_the_package_finds(client: Client, trays: list[Path]) -> None:
    photo = uploaded(client, trays[2])
    for _ in range(2):  # found, then remembered
        answer = client.get(f"/photos/{photo}/beans").json()
        truth = find_beans(read_photo(trays[2])).outlines
        assert [bean["cut"] for bean in answer["beans"]] == [outline.cut for outline in truth]
        for bean, outline in zip(answer["beans"], truth, strict=True):
            np.testing.assert_allclose(bean["outline"], outline.contour, atol=0.06)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".bmp"])
def test_all_kinds_of_photos(client: Client, suffix: str, tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), "white").save(tmp_path / f"small{suffix}")
    assert client.get(f"/photos/{uploaded(client, tmp_path / f'small{suffix}')}/thumbnail").status_code == 200


def test_what_is_no_photo_is_refused_in_words(client: Client, served: Served, trays: list[Path]) -> None:
    whole = trays[0].read_bytes()
    refused = {
        b"": (422, "unreadable"),
        b"no photo at all": (415, "wrong_type"),
        b"GIF89a" + bytes(100): (415, "wrong_type"),
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>": (415, "wrong_type"),
        bytes(4) + b"ftypheic" + bytes(50): (415, "wrong_type"),
        whole[: len(whole) // 2]: (422, "unreadable"),
        bomb(60_000, 60_000): (413, "too_many_pixels"),
        chatty(): (415, "wrong_type"),
    }
    for content, expected in refused.items():
        answer = client.post("/photos", params={"name": "../../etc/passwd.jpg"}, content=content)
        assert code_of(answer) == expected, content[:20]
        assert str(served.data) not in answer.text
    assert "HEIC" in client.post("/photos", content=bytes(4) + b"ftypheic" + bytes(50)).json()["error"]["message"]
    form = client.post("/photos", files={"file": ("a.jpg", whole)})
    assert code_of(form) == (415, "wrong_type")
    assert not list((served.data / "tmp").iterdir())


def test_names_are_words_and_never_paths(client: Client, served: Served, tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", np.full((20, 30, 3), 99, np.uint8))
    content = (tmp_path / "a.png").read_bytes()
    name = '../../../tmp/x"\r\nSet-Cookie: a=b;.png'
    photo = client.post("/photos", params={"name": name}, content=content).json()
    assert photo["name"] == '../../../tmp/x" Set-Cookie: a=b;.png'
    answer = client.get(f"/photos/{photo['id']}/file")
    assert "set-cookie" not in answer.headers
    assert answer.headers["content-disposition"].startswith("attachment")
    assert code_of(client.post("/photos", params={"name": "a\x00b"}, content=content)) == (422, "invalid")
    assert code_of(client.post("/photos", params={"name": "a" * 201}, content=content)) == (422, "invalid")
    for path in ("/photos/..%2f..%2fstation", "/photos/%2e%2e/station/file", f"/photos/{'g' * 64}/file"):
        assert client.get(path).status_code in (404, 422)
    stored = [path for path in served.data.rglob("*") if path.is_file() and path.suffix == ".png"]
    assert {path.parent.parent.name for path in stored} <= {"photos"}
