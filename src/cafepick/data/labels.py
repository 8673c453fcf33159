"""``labels.csv``: what each photo, or each bean, truly is, as a person wrote it down.

    image,label              image,bean,label
    lot1/001.jpg,good        lot1/001.jpg,1,good
    lot1/002.jpg,black       lot1/001.jpg,2,insect

``image`` and ``bean`` are those of ``scores.csv``. Where ``bean`` is empty, the label holds for all beans of the photo
that have no line of their own.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cafepick.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

COLUMNS: Final = ("image", "bean", "label")
"""``bean`` may be missing."""


@dataclass(frozen=True)
class Labels:
    """The labels of some photos and beans."""

    path: Path
    photos: dict[str, str]
    """Label by name of the photo."""
    beans: dict[tuple[str, int], str]
    """Label by name of the photo and number of the bean, which counts from 1."""

    @property
    def images(self) -> set[str]:
        """Names of the photos that have a label, or a bean with one."""
        return {*self.photos, *(image for image, _ in self.beans)}

    @property
    def classes(self) -> set[str]:
        """All labels."""
        return {*self.photos.values(), *self.beans.values()}

    def of(self, image: str, bean: int) -> str | None:
        """Return the label of one bean, or None where the file says nothing of it."""
        return self.beans.get((image, bean), self.photos.get(image))

    def check_against(self, names: Collection[str], where: str) -> tuple[str, ...]:
        """Return the photos with labels that are not among ``names``, sorted.

        Raises:
            SourceError: none is.
        """
        unknown = self.images - set(names)
        if unknown == self.images:
            raise SourceError(
                f"none of the {len(unknown)} photos in {self.path}, such as {min(unknown)}, is in {where}, which names "
                f"its photos like {next(iter(names))}: write them as in the column image of scores.csv"
            )
        return tuple(sorted(unknown))


def read_labels(path: Path) -> Labels:
    """Read a table of labels: comma or semicolon, UTF-8, a header with ``image``, ``label`` and perhaps ``bean``.

    Raises:
        SourceError: the file is missing, holds no label, lacks a column, or a line is unusable or contradicts another.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SourceError(f"cannot read the labels {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} is not UTF-8 ({error}): save it as CSV in UTF-8") from error
    header = text.partition("\n")[0]
    reader = csv.DictReader(text.splitlines(), delimiter=";" if ";" in header and "," not in header else ",")
    reader.fieldnames = [name.strip().casefold() for name in reader.fieldnames or ()]
    if missing := sorted({"image", "label"} - set(reader.fieldnames)):
        raise SourceError(f"{path} needs the columns image, label and perhaps bean: no {missing[0]} in its first line")
    labels = Labels(path, {}, {})
    for row in reader:
        _enter(labels, row, line=reader.line_num)
    if not labels.images:
        raise SourceError(f"{path} holds no label: add a line for each photo below the header")
    return labels


def _enter(labels: Labels, row: dict[str, str | None], *, line: int) -> None:
    """Add one line to ``labels``."""
    image, bean, label = ((row.get(column) or "").strip() for column in COLUMNS)
    if not (image or bean or label):
        return
    where = f"{labels.path}, line {line}"
    if not (image and label):
        raise SourceError(f"{where} needs an image and a label, got {image!r} and {label!r}")
    if bean and not (bean.isdecimal() and int(bean) > 0):
        raise SourceError(f"{where} needs the number of a bean, counted from 1 as in scores.csv, got {bean!r}")
    image = image.replace("\\", "/").removeprefix("./")
    before = labels.beans.setdefault((image, int(bean)), label) if bean else labels.photos.setdefault(image, label)
    if before != label:
        raise SourceError(f"{where} calls {image} {bean}".rstrip() + f" {label}, an earlier line {before}: keep one")
