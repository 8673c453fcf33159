"""The only place that reads, writes and resizes images; also uint8 <-> [-1, 1].

Pillow reads, because it knows an image's size before it decodes it and notices a truncated file; OpenCV resizes, and
writes PNG at three times Pillow's speed, because it need not try every filter on every row.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO, Final

import cv2
import numpy as np
from PIL import BmpImagePlugin, Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

from cafepick.errors import OutputError, PhotoError
from cafepick.files import replacing
from cafepick.process import in_forked_child

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from PIL.ImageFile import ImageFile

SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"})
"""File names that end so, in either case, are photos."""

MOST_PIXELS: Final = 200_000_000
"""Larger images are refused before they are decoded."""

FAINTEST_MARK: Final = 16
"""A lossy mask that is nowhere as bright (0..255) marks nothing: what it shows comes from its compression."""

_FORMATS: Final = {
    "JPEG": JpegImagePlugin,
    "PNG": PngImagePlugin,
    "WEBP": WebPImagePlugin,
    "TIFF": TiffImagePlugin,
    "BMP": BmpImagePlugin,
}
"""Formats that are read; importing their plugins enters them into ``Image.OPEN``."""

_RAW_SUFFIXES: Final = frozenset({".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw"})
_FOREIGN: Final = (  # what a file is that begins so: (offset, bytes, name)
    (0, b"GIF8", "a GIF"),
    (0, b"%PDF", "a PDF"),
    (0, b"PK\x03\x04", "a zip file"),
    (8, b"avif", "an AVIF image"),
    (8, b"heic", "a HEIC photo"),
    (8, b"heix", "a HEIC photo"),
    (8, b"mif1", "a HEIC photo"),
    (8, b"msf1", "a HEIC photo"),
    (4, b"ftyp", "a video"),
    (8, b"AVI ", "a video"),
    (0, b"\x1aE\xdf\xa3", "a video"),
)
_PNG_OPTIONS: Final = [
    *(cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
    *((cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP) if hasattr(cv2, "IMWRITE_PNG_FILTER") else ()),
]
"""Each row less the one above, where OpenCV lets one choose: a third of the time of level 4, files a sixth longer."""
_STRIP: Final = 128
"""Rows that are copied at a time."""

_ORIENTATION_TAG: Final = 0x0112
_UPRIGHT: Final = {  # EXIF 2.32, tag 274: what turns a photo of this orientation upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_warnings_lock = Lock()


def read_photo(path: Path) -> NDArray[np.uint8]:
    """Read a photo as RGB, upright as its EXIF orientation says.

    JPEG, PNG, WebP, TIFF and BMP, whatever the suffix says. Transparent parts become white. 16-bit values are divided
    by 257, so that black stays 0 and white becomes 255; floating-point values are taken as 0..1, or as 0..255 where
    one exceeds 1. Of several pages or frames the first is read.

    Args:
        path: the file.

    Returns:
        (H, W, 3) uint8, contiguous.

    Raises:
        PhotoError: the file is missing, empty, truncated, corrupt, too large or no image that can be read.
    """
    with _opened(Path(path)) as (image, _):
        return _to_rgb(_decode(image, ground="white"))


def read_mask(path: Path) -> NDArray[np.bool_]:
    """Read a ground-truth mask, (H, W), upright as its EXIF orientation says: True on defects.

    Of a lossless file every pixel that is not black is a defect, whatever its grey, colour or class number. Of a lossy
    one (JPEG, also in TIFF, and lossy WebP), whose compression smears, a defect is what is brighter, by its brightest
    channel, than half the brightest pixel of the mask; nothing is if that is below ``FAINTEST_MARK``. A transparent
    ground is no defect.

    Raises:
        PhotoError: as for ``read_photo``.
    """
    with _opened(Path(path)) as (image, stream):
        lossy = _is_lossy(image, stream)
        decoded = _decode(image, ground="black")
        if _is_wide(decoded):
            values = np.asarray(decoded)
            _check_values(values)
            return values > 0  # not of 8 bits: classes 1 and 2 would be black
        brightest = _to_rgb(decoded).max(axis=2)
    if not lossy:
        return brightest > 0
    level = int(brightest.max())
    return brightest > (level / 2 if level >= FAINTEST_MARK else level)


def write_image(path: Path, image: NDArray[np.uint8] | NDArray[np.bool_]) -> None:
    """Write an image as PNG or JPEG, by the suffix of ``path``, whole or not at all.

    Args:
        path: ends in ``.png`` or ``.jpg``.
        image: uint8 (H, W), (H, W, 1) or (H, W, 3) RGB; or bool (H, W), True becoming white.

    Raises:
        OutputError: the file cannot be written, the suffix is another one, or the image is too large for the format.
        ValueError: the image is none of these, or empty.
    """
    path = Path(path)
    if image.dtype not in (np.uint8, np.bool_) or image.ndim not in (2, 3) or image.shape[2:] not in ((), (1,), (3,)):
        raise ValueError(f"an image to write is (H, W), (H, W, 1) or (H, W, 3) uint8, got {image.shape} {image.dtype}")
    if image.size == 0:
        raise ValueError(f"an image to write must not be empty, got {image.shape}")
    if path.suffix.lower() not in (".png", ".jpg"):
        raise OutputError(f"cannot write {path}: the name must end in .png or .jpg")
    pixels = np.asarray(np.where(image, 255, 0) if image.dtype == np.bool_ else image, np.uint8)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    with replacing(path) as temporary:
        if path.suffix.lower() == ".png":
            temporary.write_bytes(to_png(pixels))
        else:
            Image.fromarray(pixels).save(temporary, format="JPEG", quality=92, subsampling=0)


def to_png(image: NDArray[np.uint8]) -> bytes:
    """Return an image (H, W) or (H, W, 3) RGB, not empty, as a PNG file.

    Raises:
        OutputError: it is too large for one, with a side of more than 1,000,000 pixels.
    """
    pixels = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    written, content = cv2.imencode(".png", pixels, _PNG_OPTIONS)
    if not written:
        raise OutputError(f"an image of {image.shape[1]} x {image.shape[0]} pixels is too large for PNG")
    return content.tobytes()


def write_map(path: Path, values: NDArray[np.float32]) -> None:
    """Write a map (H, W) as a TIFF of 32-bit floating-point numbers, whole or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    with replacing(path) as temporary:
        Image.fromarray(values).save(temporary, format="TIFF", compression="tiff_adobe_deflate")


def check_photo(photo: NDArray[np.uint8]) -> None:
    """Refuse what others hand over as a photo, but is grey, transparent, empty or in [0, 1].

    Raises:
        PhotoError: it is no (H, W, 3) array of uint8.
    """
    shape, kind = np.shape(photo), getattr(photo, "dtype", type(photo).__name__)
    if kind != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
        raise PhotoError(
            f"a photo must be (height, width, 3) uint8 RGB, got {shape} {kind}: read it with cafepick.images.read_photo"
        )


def resize(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Resize an image (H, W, C) to (height, width, C).

    Shrinking averages the area that each new pixel covers, so that fine texture does not alias; enlarging is linear,
    because sharper kernels overshoot at edges, and an anomaly map would show that.
    """
    shrinks = width * height < image.shape[0] * image.shape[1]
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(resized, np.uint8).reshape(height, width, image.shape[2])  # OpenCV drops a single channel


def to_float(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Map 0..255 to [-1, 1], the range of the generator's tanh."""
    return image.astype(np.float32) / np.float32(127.5) - np.float32(1)


def to_uint8(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Map [-1, 1] to 0..255, rounding to the nearest; values outside are clipped. The inverse of ``to_float``."""
    return np.rint(np.clip((image + 1) * 127.5, 0, 255)).astype(np.uint8)


def to_channels(image: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """Convert between grey (H, W, 1), as Rec. 601 luma, and RGB (H, W, 3); ``channels`` is 1 or 3."""
    if image.shape[2] == channels:
        return image
    if channels == 1:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)[..., np.newaxis]
    return np.repeat(image, 3, axis=2)


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Keep Pillow's warnings of harmless flaws in the metadata quiet; filters belong to the process, hence the lock."""
    with _warnings_lock, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def _forget_warnings() -> None:
    """In a child process nobody keeps them quiet: the thread that held the lock has stayed with the parent."""
    global _warnings_lock  # noqa: PLW0603
    _warnings_lock = Lock()


in_forked_child(_forget_warnings)


class _UnusableValuesError(ValueError):
    """The file is sound, but its pixel values have no clear meaning as brightness."""


def _open_file(path: Path) -> BinaryIO:
    if path.suffix.lower() in _RAW_SUFFIXES:  # these open as TIFF, but show a thumbnail
        raise PhotoError(f"{path} is a camera's raw file, which cannot be read: convert it to JPEG, PNG or TIFF")
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise PhotoError(f"there is no photo {path}: check the name") from error
    except IsADirectoryError as error:
        raise PhotoError(f"{path} is a folder, not a photo: name a file in it") from error
    except OSError as error:
        raise PhotoError(
            f"cannot read {path}: {error.strerror or error}; check the disk and the permissions"
        ) from error


@contextmanager
def _opened(path: Path) -> Iterator[tuple[ImageFile, BinaryIO]]:
    """Open an image that is not too large, and its file; what fails while its pixels are read says why."""
    with _open_file(path) as stream:
        image = _open(path, stream)
        width, height = image.size
        if width * height > MOST_PIXELS:
            most = f"{MOST_PIXELS // 10**6} megapixels"
            raise PhotoError(f"{path} has {width} x {height} pixels, more than {most}: make it smaller")
        try:
            if image.format == "PNG":
                _open(path, stream).verify()  # checksums of the chunks, which decoding passes over
                image = _open(path, stream)
            yield image, stream
        except _UnusableValuesError as error:
            raise PhotoError(f"{path} cannot be used: {error}") from error
        except Exception as error:
            # On damaged bytes Pillow's decoders raise almost anything: OSError, SyntaxError, struct.error, IndexError
            raise PhotoError(f"{path} is truncated or corrupt ({error}): copy or take it again") from error


def _open(path: Path, stream: BinaryIO) -> ImageFile:
    """Read the header only.

    ``Image.open`` is passed by: its limit on the number of pixels is a setting of the whole process.
    """
    stream.seek(0)
    prefix = stream.read(16)
    if not prefix:
        raise PhotoError(f"{path} is empty (0 bytes): copy or take it again")
    for name in _FORMATS:
        factory, accepts = Image.OPEN[name]
        if accepts is None or accepts(prefix) is not True:
            continue
        stream.seek(0)
        try:
            with _without_warnings():
                return factory(stream, str(path))
        except Exception as error:
            raise PhotoError(f"{path} begins like {name} but is corrupt ({error}): copy or take it again") from error
    raise PhotoError(f"{path} is {_what(prefix)}, which cannot be read: convert it to JPEG or PNG")


def _what(prefix: bytes) -> str:
    for offset, mark, name in _FOREIGN:
        if prefix.startswith(mark, offset):
            return name
    return "no JPEG, PNG, WebP, TIFF or BMP image"


def _is_lossy(image: ImageFile, stream: BinaryIO) -> bool:
    """Tell whether the compression changed pixels."""
    if image.format == "WEBP":
        return _first_bitstream(stream) == b"VP8 "
    return image.format == "JPEG" or image.info.get("compression") in ("jpeg", "tiff_jpeg")


def _first_bitstream(stream: BinaryIO) -> bytes:
    """Return the kind of the first image in a WebP file (RFC 9649): ``VP8 `` is lossy, ``VP8L`` lossless."""
    stream.seek(12)
    while len(head := stream.read(8)) == 8:
        kind, size = head[:4], int.from_bytes(head[4:], "little")
        if kind in (b"VP8 ", b"VP8L"):
            return kind
        stream.seek(16 if kind == b"ANMF" else size + size % 2, 1)  # of an animation, go into the first frame
    return b""


def _decode(image: Image.Image, *, ground: str) -> Image.Image:
    """Decode all pixels and turn them upright; palettes and transparency become plain RGB on a ground."""
    image.load()
    with _without_warnings():
        turn = _UPRIGHT.get(image.getexif().get(_ORIENTATION_TAG, 1))
    upright = image if turn is None else image.transpose(turn)
    if _is_wide(upright) or not upright.has_transparency_data:
        return upright
    colours = upright.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", colours.size, ground), colours)


def _to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    if _is_wide(image):
        grey = _wide_to_uint8(np.asarray(image))
        return np.repeat(grey[..., np.newaxis], 3, axis=2)
    return _by_strips(image if image.mode == "RGB" else image.convert("RGB"))


def _by_strips(image: Image.Image) -> NDArray[np.uint8]:
    """Copy the pixels of an RGB image, a few rows at a time: what Pillow makes on the way stays in the cache."""
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, _STRIP):
        strip = image.crop((0, top, image.width, min(top + _STRIP, image.height)))
        pixels[top : top + _STRIP] = np.asarray(strip)
    return pixels


def _is_wide(image: Image.Image) -> bool:
    """Tell whether the image is grey with more than 8 bits: modes I, I;16 (either byte order) and F."""
    return image.mode[0] in "IF"


def _wide_to_uint8(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Bring 16-bit, 32-bit and floating-point grey values (H, W) to 0..255."""
    return np.rint(values.astype(np.float64) * (255 / _check_values(values))).astype(np.uint8)


def _check_values(values: NDArray[np.generic]) -> float:
    """Return which of 16-bit, 32-bit and floating-point grey values is white."""
    low, high = float(values.min()), float(values.max())
    of_floats = 1.0 if high <= 1 else 255.0
    white = of_floats if values.dtype.kind == "f" else 65535.0
    if not 0 <= low <= high <= white:  # also false for NaN
        raise _UnusableValuesError(f"its values run from {low:g} to {high:g}, save it with 8 or 16 bits a channel")
    return white
