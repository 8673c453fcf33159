"""Photos: taken in by content, shown small, searched for beans once."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from cafepick import __version__
from cafepick.beans.crop import box_of
from cafepick.beans.scene import scene_of
from cafepick.errors import PhotoError
from cafepick.files import make_folder, replacing
from cafepick.images import read_photo, resize
from cafepick.server.clock import now
from cafepick.server.evidence import area_of, box_json, outline_of
from cafepick.server.problems import ApiError, called
from cafepick.server.schemas import PhotoOut
from cafepick.server.store.engine import Store
from cafepick.server.store.tables import Photo
from cafepick.server.vault import SUFFIX, Received, Vault

Image.MAX_IMAGE_PIXELS = None  # a warning of the whole process; our own bound follows the header at once

THUMBNAIL: Final = 320
"""Longer side of a thumbnail in pixels."""


class Photos:
    """The photos of a station."""

    def __init__(self, store: Store, vault: Vault, *, most_pixels: int) -> None:
        self._store, self._vault, self._most_pixels = store, vault, most_pixels
        self._turn = Lock()  # a photo that is deleted and one that comes again at that moment do not cross

    def take_in(self, upload: Received, name: str) -> tuple[PhotoOut, bool]:
        """Keep an upload, if it is a photo; tell whether it is new. The upload is gone afterwards.

        Raises:
            ApiError: it is no photo, or has too many pixels.
            PhotoError: it is damaged.
            OutputError: it cannot be written.
        """
        try:
            known = self.find(upload.digest)
            if known is not None and self._vault.photo(known.id, known.format).is_file():
                return known, False
            kind = self._kind_of(upload.path)
            pixels = _named(upload.path, name or "the photo")
            _write_jpeg(self._vault.thumbnail(upload.digest), _within(pixels, THUMBNAIL))
            with self._turn:
                self._vault.keep(upload.path, self._vault.photo(upload.digest, kind))
                return self._enter(upload, name or f"{upload.digest[:8]}{SUFFIX[kind]}", kind, pixels.shape)
        finally:
            upload.path.unlink(missing_ok=True)

    def find(self, digest: str) -> PhotoOut | None:
        """Return a photo, or None."""
        with self._store.reading() as session:
            photo = session.get(Photo, digest)
            return None if photo is None else photo_out(photo)

    def get(self, digest: str) -> PhotoOut:
        """Return a photo.

        Raises:
            ApiError: there is none.
        """
        photo = self.find(digest)
        if photo is None:
            raise ApiError(404, "no_such_photo", f"there is no photo {digest[:12]}…: upload it first")
        return photo

    def page(self, limit: int, offset: int) -> tuple[int, list[PhotoOut]]:
        """Return the number of photos and some of them, newest first."""
        with self._store.reading() as session:
            total = session.scalar(select(func.count()).select_from(Photo)) or 0
            newest = select(Photo).order_by(Photo.created.desc(), Photo.id).limit(limit).offset(offset)
            return total, [photo_out(photo) for photo in session.scalars(newest)]

    def path(self, photo: PhotoOut) -> Path:
        """Return where the file lies.

        Raises:
            ApiError: another station has it.
        """
        path = self._vault.photo(photo.id, photo.format)
        if not path.is_file():
            raise ApiError(404, "elsewhere", f"the file of {photo.name} lies at another station: open it there")
        return path

    def pixels(self, photo: PhotoOut) -> NDArray[np.uint8]:
        """Return the photo (H, W, 3).

        Raises:
            ApiError: another station has it.
            PhotoError: the stored file is damaged.
        """
        return _named(self.path(photo), photo.name)

    def image(self, digest: str, side: int) -> bytes:
        """Return a JPEG of the photo, at most ``side`` pixels wide and high."""
        stream = io.BytesIO()
        Image.fromarray(_within(self.pixels(self.get(digest)), side)).save(stream, "JPEG", quality=88)
        return stream.getvalue()

    def thumbnail(self, digest: str) -> Path:
        """Return the thumbnail, made anew where it is lost."""
        path = self._vault.thumbnail(digest)
        if not path.is_file():
            _write_jpeg(path, _within(self.pixels(self.get(digest)), THUMBNAIL))
        return path

    def beans(self, digest: str) -> list[dict[str, Any]]:
        """Return the beans of a photo, looked for once in each version of cafepick.

        Raises:
            ApiError: there is no such photo, or another station has it.
            PhotoError: the stored file is damaged.
        """
        with self._store.reading() as session:
            known = session.execute(select(Photo.beans, Photo.finder).where(Photo.id == digest)).first()
            if known is not None and known.finder == __version__:
                return known.beans
        scene = scene_of(self.pixels(self.get(digest)))
        found = [
            {
                "bean": number,
                "cut": outline.cut,
                "outline": outline_of(outline.contour),
                "box": box_json(box_of(outline.contour)),
                "area": area_of(outline.contour),
            }
            for number, outline in enumerate(scene.outlines, start=1)
        ]
        with self._store.writing() as session:
            photo = session.get(Photo, digest)
            if photo is not None:
                photo.beans, photo.finder = found, __version__
        return found

    def delete(self, digest: str) -> None:
        """Forget a photo.

        Raises:
            ApiError: there is none, or a check or training refers to it.
        """
        with self._turn:
            photo = self.get(digest)
            try:
                with self._store.writing() as session:
                    session.delete(session.get_one(Photo, digest))
            except IntegrityError as error:
                said = f"checks or trainings refer to {photo.name}: delete these first"
                raise ApiError(409, "in_use", said) from error
            self._vault.remove(self._vault.photo(digest, photo.format))
            self._vault.remove(self._vault.thumbnail(digest))

    def _kind_of(self, path: Path) -> str:
        """Return the format, after a look at the header only.

        Raises:
            ApiError: it is no photo, or has too many pixels.
        """
        try:
            with Image.open(path, formats=tuple(SUFFIX)) as image:
                (width, height), kind = image.size, image.format or ""
        except Exception as error:  # Pillow's plugins raise almost anything on strange bytes
            raise ApiError(415, "wrong_type", _why_no_photo(path)) from error
        if width * height > self._most_pixels:
            allowed = f"{self._most_pixels / 1e6:.3g} megapixels"
            raise ApiError(
                413,
                "too_many_pixels",
                f"the photo has {width} x {height} pixels, {allowed} are allowed: make it smaller",
            )
        return "JPEG" if kind == "MPO" else kind

    def _enter(self, upload: Received, name: str, kind: str, shape: Sequence[int]) -> tuple[PhotoOut, bool]:
        row = Photo(
            id=upload.digest, name=name, format=kind, width=shape[1], height=shape[0], bytes=upload.size, created=now()
        )
        try:
            with self._store.writing() as session:
                session.add(row)
        except IntegrityError:  # two uploads of the same photo at once, or another station had it
            return self.get(upload.digest), False
        return photo_out(row), True


def photo_out(photo: Photo) -> PhotoOut:
    """Return the shape that clients see."""
    return PhotoOut.model_validate(photo, from_attributes=True)


def _why_no_photo(path: Path) -> str:
    try:
        _named(path, "the file")
    except PhotoError as error:
        return str(error)
    return "the file is no JPEG, PNG, WebP, TIFF or BMP image that can be read: convert it to JPEG or PNG"


def _named(path: Path, name: str) -> NDArray[np.uint8]:
    """Read a photo; errors call it by the name that the client gave it."""
    with called(name, path):
        return read_photo(path)


def _within(photo: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    height, width = photo.shape[:2]
    factor = min(side / max(height, width), 1.0)
    return photo if factor == 1 else resize(photo, max(round(width * factor), 1), max(round(height * factor), 1))


def _write_jpeg(path: Path, image: NDArray[np.uint8]) -> None:
    make_folder(path.parent)
    with replacing(path) as temporary:
        Image.fromarray(image).save(temporary, format="JPEG", quality=85)
