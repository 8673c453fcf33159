"""Photos of all kinds are read alike; what cannot be read is named with the reason."""

import os
import struct
import subprocess
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from cafepick import images
from cafepick.data.demo import DrawnTray
from cafepick.errors import OutputError, PhotoError
from cafepick.images import read_mask, read_photo, resize, to_channels, to_float, to_png, to_uint8, write_image

WIDTH, HEIGHT = 48, 32
LOSSLESS = ["png", "tif", "tiff", "bmp", "TIF"]
LOSSY = ["jpg", "jpeg", "webp", "JPG"]


@pytest.fixture
def scene() -> np.ndarray:
    """A smooth photo (32, 48, 3) that no flip or turn leaves unchanged."""
    x, y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    return np.stack([x * 5, y * 7, (x + y) * 3], axis=-1).astype(np.uint8)


def saved(folder: Path, image: Image.Image, name: str = "photo.png", **options: object) -> Path:
    path = folder / name
    image.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_lossless_formats_keep_every_pixel(tmp_path: Path, scene: np.ndarray, suffix: str):
    photo = read_photo(saved(tmp_path, Image.fromarray(scene), f"a.{suffix}"))
    assert photo.dtype == np.uint8
    assert photo.flags.c_contiguous
    np.testing.assert_array_equal(photo, scene)


@pytest.mark.parametrize("suffix", LOSSY)
def test_lossy_formats_stay_close(tmp_path: Path, scene: np.ndarray, suffix: str):
    photo = read_photo(saved(tmp_path, Image.fromarray(scene), f"a.{suffix}", quality=95))
    assert photo.shape == scene.shape
    assert np.abs(photo.astype(int) - scene).mean() < 3


def test_the_content_counts_not_the_suffix(tmp_path: Path, scene: np.ndarray):
    path = saved(tmp_path, Image.fromarray(scene), "really_a_png.jpg", format="PNG")
    np.testing.assert_array_equal(read_photo(path), scene)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_compressed_tiff(tmp_path: Path, scene: np.ndarray, compression: str):
    path = saved(tmp_path, Image.fromarray(scene), "a.tif", compression=compression)
    np.testing.assert_array_equal(read_photo(path), scene)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, suffix: str, orientation: int):
    upright = np.zeros((48, 64, 3), np.uint8)
    upright[:16, :16] = 255, 0, 0  # a red corner and a green one tell all eight apart
    upright[:16, -16:] = 0, 255, 0
    as_stored = {  # what a camera held so would store: the inverse of the turn that EXIF asks for
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path, Image.fromarray(np.ascontiguousarray(as_stored)), f"a.{suffix}", exif=exif)
    photo = read_photo(path)
    assert photo.shape == upright.shape
    assert np.abs(photo.astype(int) - upright).mean() < 8  # JPEG and WebP smear the corners


@pytest.mark.parametrize("orientation", [0, 9, 255])
def test_an_orientation_that_does_not_exist_is_passed_over(tmp_path: Path, scene: np.ndarray, orientation: int):
    exif = Image.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(read_photo(saved(tmp_path, Image.fromarray(scene), exif=exif)), scene)


def test_damaged_exif_does_not_cost_the_photo_nor_a_warning(tmp_path: Path, scene: np.ndarray):
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a description" * 20
    whole = exif.tobytes()
    path = saved(tmp_path, Image.fromarray(scene), "a.jpg", exif=whole[: len(whole) // 2])
    before = list(warnings.filters)
    assert read_photo(path).ndim == 3
    assert warnings.filters == before


def test_reading_on_threads_leaves_the_warning_filters_alone(tmp_path: Path, scene: np.ndarray):
    path = saved(tmp_path, Image.fromarray(scene), "a.jpg")
    before = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        photos = list(pool.map(read_photo, [path] * 40))
    assert all((photo == photos[0]).all() for photo in photos)
    assert warnings.filters == before


@pytest.mark.parametrize("mode", ["1", "L"])
@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_grey_becomes_rgb(tmp_path: Path, scene: np.ndarray, mode: str, suffix: str):
    grey = Image.fromarray(scene).convert(mode)
    expected = np.repeat(np.asarray(grey.convert("L"))[..., None], 3, axis=2)
    np.testing.assert_array_equal(read_photo(saved(tmp_path, grey, f"a.{suffix}")), expected)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_transparent_parts_become_white(tmp_path: Path, mode: str):
    image = Image.new("RGBA", (4, 2), (0, 0, 0, 0))
    image.putpixel((1, 0), (0, 0, 0, 255))
    image.putpixel((2, 0), (0, 0, 0, 128))
    photo = read_photo(saved(tmp_path, image.convert(mode)))
    assert photo.shape == (2, 4, 3)
    assert photo[0, 0].tolist() == [255, 255, 255]
    assert photo[0, 1].tolist() == [0, 0, 0]
    assert abs(int(photo[0, 2, 0]) - 127) <= 1


def test_a_transparent_colour_without_an_alpha_channel(tmp_path: Path):
    image = Image.fromarray(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8))
    photo = read_photo(saved(tmp_path, image, transparency=(1, 2, 3)))
    assert photo.tolist() == [[[255, 255, 255], [4, 5, 6]]]


@pytest.mark.parametrize("transparency", [None, 0, b"\x00\xff"])
def test_palettes(tmp_path: Path, transparency: object):
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    options = {} if transparency is None else {"transparency": transparency}
    photo = read_photo(saved(tmp_path, image, **options))
    first = [255, 0, 0] if transparency is None else [255, 255, 255]
    assert photo.tolist() == [[first, [0, 0, 255]]]


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_grey_is_scaled_not_clipped(tmp_path: Path, suffix: str):
    values = np.array([[0, 257, 128 * 257, 65535]], np.uint16)
    photo = read_photo(saved(tmp_path, Image.fromarray(values), f"a.{suffix}"))
    assert photo[0, :, 0].tolist() == [0, 1, 128, 255]
    assert (photo == photo[..., :1]).all()


def test_a_transparent_value_in_16_bit_grey_is_passed_over(tmp_path: Path):
    path = tmp_path / "a.png"
    header = struct.pack(">IIBBBBB", 2, 1, 16, 0, 0, 0, 0)
    rows = (b"IDAT", zlib.compress(b"\x00\x00\x00\xff\xff"))
    path.write_bytes(png_of((b"IHDR", header), (b"tRNS", b"\x00\x00"), rows, (b"IEND", b"")))
    assert read_photo(path)[0, :, 0].tolist() == [0, 255]


def test_16_bit_colour(tmp_path: Path):
    path = tmp_path / "a.png"
    rows = b"\x00" + struct.pack(">6H", 0, 128 * 257, 65535, 65535, 257, 0)
    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    path.write_bytes(png_of((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")))
    assert read_photo(path).tolist() == [[[0, 128, 255], [255, 1, 0]]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.0, 0.5, 1.0], [0, 128, 255]), ([0.0, 127.6, 255.0], [0, 128, 255]), ([0, 257, 65535], [0, 1, 255])],
)
def test_float_and_32_bit_tiff(tmp_path: Path, values: list[float], expected: list[int]):
    kind = np.int32 if isinstance(values[-1], int) else np.float32
    path = saved(tmp_path, Image.fromarray(np.array([values], kind)), "a.tif")
    assert read_photo(path)[0, :, 0].tolist() == expected


@pytest.mark.parametrize("values", [[0.0, 1000.0], [-1.0, 1.0], [0.0, np.nan], [0.0, np.inf]])
def test_values_without_a_meaning_are_refused(tmp_path: Path, values: list[float]):
    path = saved(tmp_path, Image.fromarray(np.array([values], np.float32)), "a.tif")
    with pytest.raises(PhotoError, match=r"a\.tif cannot be used: its values run from .* save it with 8 or 16 bits"):
        read_photo(path)


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk(tmp_path: Path, suffix: str):
    white_and_red = Image.new("CMYK", (32, 16), (0, 0, 0, 0))
    white_and_red.paste((0, 255, 255, 0), (16, 0, 32, 16))
    photo = read_photo(saved(tmp_path, white_and_red, f"a.{suffix}")).astype(int)
    assert np.abs(photo[8, 4] - [255, 255, 255]).max() < 6
    assert np.abs(photo[8, 28] - [255, 0, 0]).max() < 6


def test_the_first_page_of_several_is_read(tmp_path: Path, scene: np.ndarray):
    pages = [Image.fromarray(scene), Image.fromarray(255 - scene)]
    path = saved(tmp_path, pages[0], "a.tif", save_all=True, append_images=pages[1:])
    np.testing.assert_array_equal(read_photo(path), scene)


def test_a_missing_photo(tmp_path: Path):
    with pytest.raises(PhotoError, match=r"there is no photo .*a\.jpg: check the name"):
        read_photo(tmp_path / "a.jpg")


def test_a_folder_is_no_photo(tmp_path: Path):
    with pytest.raises(PhotoError, match="is a folder, not a photo: name a file in it"):
        read_photo(tmp_path)


def test_an_empty_file(tmp_path: Path):
    (tmp_path / "a.jpg").touch()
    with pytest.raises(PhotoError, match=r"a\.jpg is empty \(0 bytes\): copy or take it again"):
        read_photo(tmp_path / "a.jpg")


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "bmp"])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.97])
def test_a_truncated_file(tmp_path: Path, suffix: str, share: float):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = saved(tmp_path, Image.fromarray(noise), f"a.{suffix}")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(
        PhotoError, match=rf"a\.{suffix} (is truncated or|begins like \w+ but is) corrupt .*take it again"
    ):
        read_photo(path)


def test_a_flipped_bit_in_a_png(tmp_path: Path, scene: np.ndarray):
    path = saved(tmp_path, Image.fromarray(scene))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(PhotoError, match=r"is truncated or corrupt .*checksum"):
        read_photo(path)


@given(data=st.data())
def test_damaged_bytes_give_a_photo_or_a_photo_error(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    folder = tmp_path_factory.getbasetemp()
    suffix = data.draw(st.sampled_from(["jpg", "png", "webp", "tif", "bmp"]))
    ramp = np.tile(np.arange(16, dtype=np.uint8) * 16, (16, 1))
    path = saved(folder, Image.fromarray(ramp), f"damaged.{suffix}")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        assert read_photo(path).shape[2] == 3
    except PhotoError as error:
        assert str(path) in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    ("name", "begins", "what"),
    [
        ("a.heic", b"\x00\x00\x00\x18ftypheic", "a HEIC photo"),
        ("a.avif", b"\x00\x00\x00\x18ftypavif", "an AVIF image"),
        ("a.gif", b"GIF89a", "a GIF"),
        ("a.mp4", b"\x00\x00\x00\x18ftypisom", "a video"),
        ("a.jpg", b"%PDF-1.7", "a PDF"),
        ("notes.jpg", b"just some words", "no JPEG, PNG, WebP, TIFF or BMP image"),
        ("short.jpg", b"x", "no JPEG, PNG, WebP, TIFF or BMP image"),
    ],
)
def test_what_is_no_photo_is_called_by_its_name(tmp_path: Path, name: str, begins: bytes, what: str):
    (tmp_path / name).write_bytes(begins)
    with pytest.raises(PhotoError, match=rf"{name} is {what}, which cannot be read: convert it to JPEG or PNG"):
        read_photo(tmp_path / name)


def test_a_raw_file_is_not_read_as_its_thumbnail(tmp_path: Path, scene: np.ndarray):
    path = saved(tmp_path, Image.fromarray(scene), "a.NEF", format="TIFF")
    with pytest.raises(PhotoError, match="is a camera's raw file, which cannot be read: convert it to JPEG"):
        read_photo(path)


def png_of(*chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG of these chunks, with right checksums."""
    packed = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


@pytest.mark.parametrize(("width", "height"), [(20_001, 10_000), (50_000, 50_000), (2**31 - 1, 2**31 - 1)])
def test_a_huge_photo_is_refused_by_its_header_alone(tmp_path: Path, width: int, height: int):
    path = tmp_path / "bomb.png"
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(png_of((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")))
    with pytest.raises(
        PhotoError, match=rf"bomb\.png has {width} x {height} pixels, more than 200 megapixels: make it smaller"
    ):
        read_photo(path)


def test_a_large_photo_below_the_limit_is_read_without_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = saved(tmp_path, Image.new("1", (100, 100)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # as if Pillow's own limit were passed, cheaply
    assert read_photo(path).shape == (100, 100, 3)
    monkeypatch.setattr(images, "MOST_PIXELS", 9_999)
    with pytest.raises(PhotoError, match="has 100 x 100 pixels"):
        read_photo(path)


def test_metadata_bombs_are_refused(tmp_path: Path):
    path = tmp_path / "text.png"
    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    text = b"comment\x00\x00" + zlib.compress(bytes(100_000_000))
    pixels = (b"IDAT", zlib.compress(b"\x00\x00"))
    path.write_bytes(png_of((b"IHDR", header), (b"zTXt", text), pixels, (b"IEND", b"")))
    with pytest.raises(PhotoError, match="Decompressed data too large"):
        read_photo(path)


MARKED = np.array([[0, 0, 1, 1]] * 8, np.uint8).repeat(8, axis=1)
"""(8, 32), 1 on the right half."""


def marks(image: Image.Image, folder: Path, name: str = "mask.png", **options: object) -> bool:
    """Tell whether the right half of the mask that ``image`` is saved as is read as the defect."""
    return bool((read_mask(saved(folder, image, name, **options)) == MARKED.astype(bool)).all())


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp"])
@pytest.mark.parametrize("level", [1, 100, 127, 255])
def test_of_a_lossless_mask_all_that_is_not_black_is_a_defect(tmp_path: Path, suffix: str, level: int):
    options = {"lossless": True} if suffix == "webp" else {}
    assert marks(Image.fromarray(MARKED * np.uint8(level)), tmp_path, f"mask.{suffix}", **options)


def test_masks_of_one_bit_of_16_bits_and_of_classes(tmp_path: Path):
    assert marks(Image.fromarray(MARKED * np.uint8(255)).convert("1"), tmp_path)
    for suffix in ("png", "tif"):
        assert marks(Image.fromarray(MARKED.astype(np.uint16)), tmp_path, f"mask.{suffix}")
        assert marks(Image.fromarray(MARKED * np.uint16(65535)), tmp_path, f"mask.{suffix}")
    assert marks(Image.fromarray(MARKED.astype(np.float32)), tmp_path, "mask.tif")
    classes = Image.fromarray(MARKED).convert("P")
    classes.putpalette([0, 0, 0, 128, 0, 0])  # as in PASCAL VOC
    assert marks(classes, tmp_path)
    assert marks(Image.fromarray(MARKED[..., None] * np.array([0, 0, 1], np.uint8)), tmp_path)
    with pytest.raises(PhotoError, match=r"its values run from 0 to 1000"):
        read_mask(saved(tmp_path, Image.fromarray(MARKED * np.float32(1000)), "a.tif"))


def test_the_transparent_ground_of_a_mask_is_no_defect(tmp_path: Path):
    for mode in ("RGBA", "LA"):
        image = Image.new("RGBA", (32, 8), (255, 255, 255, 0))
        image.paste((255, 255, 255, 255), (16, 0, 32, 8))
        assert marks(image.convert(mode), tmp_path)
    palette = Image.fromarray(MARKED).convert("P")
    palette.putpalette([255, 255, 255, 255, 0, 0])
    assert marks(palette, tmp_path, transparency=0)


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.jpg", {"quality": 60}), ("a.webp", {"quality": 30}), ("a.tif", {"compression": "jpeg"})],
)
@pytest.mark.parametrize("level", [60, 255])
def test_of_a_lossy_mask_the_brighter_half_is_a_defect(tmp_path: Path, name: str, options: dict, level: int):
    assert marks(Image.fromarray(MARKED * np.uint8(level)).convert("RGB"), tmp_path, name, **options)
    faint = np.random.default_rng(0).integers(0, 8, (16, 16, 3), np.uint8)
    assert not read_mask(saved(tmp_path, Image.fromarray(faint), name, **options)).any()


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("lossless", [False, True])
def test_a_lossy_webp_is_told_whatever_else_it_holds(tmp_path: Path, *, alpha: bool, lossless: bool):
    ramp = Image.fromarray(np.tile(np.arange(0, 256, 8, dtype=np.uint8), (8, 1))).convert("RGB")
    if alpha:
        ramp.putalpha(Image.fromarray(np.full((8, 32), 254, np.uint8)))
    mask = read_mask(saved(tmp_path, ramp, "a.webp", lossless=lossless, quality=90))
    assert mask.mean() > 0.9 if lossless else 0.4 < mask.mean() < 0.6


def test_a_mask_is_turned_upright(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 3
    assert marks(Image.fromarray(np.ascontiguousarray(MARKED[:, ::-1])), tmp_path, exif=exif)


def test_a_damaged_mask_is_named(tmp_path: Path):
    path = saved(tmp_path, Image.fromarray(MARKED), "mask.png")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(PhotoError, match=r"mask\.png is truncated or corrupt"):
        read_mask(path)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3)])
def test_png_round_trip(tmp_path: Path, shape: tuple[int, ...]):
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    write_image(tmp_path / "new" / "a.png", image)
    expected = np.broadcast_to(image.reshape(5, 7, -1), (5, 7, 3))
    np.testing.assert_array_equal(read_photo(tmp_path / "new" / "a.png"), expected)


def test_png_of_a_view_shows_the_view(scene: np.ndarray):
    for view in (scene[::-1, ::-1], scene[5:-5, 3:-3], scene[..., 0], scene[..., ::-1]):
        with Image.open(BytesIO(to_png(view))) as image:
            np.testing.assert_array_equal(np.asarray(image), view)


def test_png_is_not_much_larger_than_it_must_be(drawn_trays: list[DrawnTray]):
    photo, small = drawn_trays[0].photo, BytesIO()
    Image.fromarray(photo).save(small, format="PNG", compress_level=6)
    assert len(to_png(photo)) < 1.3 * small.tell()


@pytest.mark.parametrize(
    ("image", "error"),
    [
        (np.zeros((4, 4, 4), np.uint8), r"is \(H, W\).*, got \(4, 4, 4\) uint8"),
        (np.zeros((4, 4, 3), np.float32), r"got \(4, 4, 3\) float32"),
        (np.zeros((4, 4), np.uint16), r"got \(4, 4\) uint16"),
        (np.zeros((4,), np.uint8), r"got \(4,\) uint8"),
        (np.zeros((0, 4), np.uint8), r"must not be empty, got \(0, 4\)"),
    ],
)
@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_what_is_no_image_is_refused(tmp_path: Path, image: np.ndarray, error: str, name: str):
    with pytest.raises(ValueError, match=error):
        write_image(tmp_path / name, image)
    assert not list(tmp_path.iterdir())


def test_a_mask_takes_few_bytes(tmp_path: Path):
    mask = np.zeros((900, 700), np.uint8)
    mask[300:500, 100:650] = 255
    write_image(tmp_path / "mask.png", mask)
    assert (tmp_path / "mask.png").stat().st_size < 4000


def test_what_png_cannot_hold_is_refused(tmp_path: Path):
    with pytest.raises(OutputError, match="an image of 1000001 x 1 pixels is too large for PNG"):
        write_image(tmp_path / "wide.png", np.zeros((1, 1_000_001), np.uint8))
    assert not list(tmp_path.iterdir())


def test_masks_are_written_black_and_white(tmp_path: Path):
    mask = np.array([[True, False], [False, True]])
    write_image(tmp_path / "mask.png", mask)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), mask)


def test_jpeg_by_suffix(tmp_path: Path, scene: np.ndarray):
    write_image(tmp_path / "a.JPG", scene)
    with Image.open(tmp_path / "a.JPG") as image:
        assert image.format == "JPEG"


def test_other_suffixes_are_refused(tmp_path: Path, scene: np.ndarray):
    with pytest.raises(OutputError, match=r"cannot write .*a\.gif: the name must end in \.png or \.jpg"):
        write_image(tmp_path / "a.gif", scene)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("width", "height"), [(24, 16), (96, 64), (24, 64), (96, 20), (48, 32)])
def test_resizing_keeps_the_channels_and_a_plain_colour(channels: int, width: int, height: int):
    image = np.full((32, 48, channels), 77, np.uint8)
    resized = resize(image, width, height)
    assert resized.shape == (height, width, channels)
    assert (resized == 77).all()


def test_shrinking_averages_fine_texture():
    stripes = np.tile(np.array([0, 255], np.uint8), (32, 16))[..., None]
    assert np.abs(resize(stripes, 8, 8).astype(int) - 127.5).max() <= 1


def test_enlarging_does_not_overshoot():
    edge = np.repeat(np.array([100, 150], np.uint8), 4)[None, :, None].repeat(8, axis=0)
    enlarged = resize(edge, 32, 32)
    assert (enlarged.min(), enlarged.max()) == (100, 150)


def test_all_256_values_survive_the_round_trip_to_floats():
    values = np.arange(256, dtype=np.uint8)
    floats = to_float(values)
    assert floats.dtype == np.float32
    assert (floats.min(), floats.max()) == (-1, 1)
    np.testing.assert_array_equal(to_uint8(floats), values)


@given(values=arrays(np.float32, 20, elements=st.floats(-4, 4, width=32)))
def test_floats_survive_to_half_a_grey_level_and_are_clipped(values: np.ndarray):
    back = to_float(to_uint8(values))
    assert np.abs(back - np.clip(values, -1, 1)).max() <= 0.5 / 127.5 + 1e-6


def test_channels():
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 0] = 255
    grey = to_channels(red, 1)
    assert grey.shape == (2, 2, 1)
    assert (grey == 76).all()  # 0.299 * 255
    assert (to_channels(grey, 3) == 76).all()
    assert to_channels(red, 3) is red
    assert to_channels(grey, 1) is grey


@pytest.mark.data
def test_real_photos_are_read(data_dir: Path):
    for path in sorted((data_dir / "trays").rglob("*.jpg")):
        photo = read_photo(path)
        with Image.open(path) as image:
            assert photo.shape == (image.height, image.width, 3)


@pytest.mark.parametrize("height", [1, 127, 128, 129, 300])
def test_photos_of_any_height_are_read_whole(tmp_path: Path, height: int) -> None:
    photo = np.random.default_rng(height).integers(0, 256, (height, 5, 3), np.uint8)
    write_image(tmp_path / "photo.png", photo)
    assert np.array_equal(read_photo(tmp_path / "photo.png"), photo)


FORKED = """
import os, signal, sys, threading
from pathlib import Path
from cafepick import images
reading, done = threading.Event(), threading.Event()
def read():
    with images._without_warnings():
        reading.set()
        done.wait(60)
thread = threading.Thread(target=read)
thread.start()
reading.wait()
child = os.fork()
if child == 0:
    signal.alarm(10)
    images.read_photo(Path(sys.argv[1]))
    os._exit(0)
ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
done.set()
thread.join()
assert ended == 0, ended
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_that_is_forked_while_a_photo_is_read_does_not_wait_for_it(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", np.zeros((4, 4, 3), np.uint8))
    command = [sys.executable, "-c", FORKED, str(tmp_path / "a.png")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert ran.returncode == 0, ran.stderr
