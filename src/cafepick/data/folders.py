"""Which files of a folder or a glob are meant as photos, in the order in which a person would list them."""

from __future__ import annotations

import glob
import os
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cafepick.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SIDE_SUFFIXES: Final = frozenset(
    """
    .txt .md .rst .pdf .doc .docx .odt .htm .html .css .js .log
    .json .jsonl .csv .tsv .xls .xlsx .ods .xml .yaml .yml .toml .ini .cfg .db .sqlite
    .py .ipynb .sh .bat .zip .tar .gz .tgz .7z .rar .bak .tmp .part .lock
    .npy .npz .pkl .pt .pth .onnx .safetensors .cafepick .xmp .aae .thm
    """.split()  # noqa: SIM905 - a list would take fifty lines
)
"""What lies beside photos without being meant as one; any other file is taken for a photo, and told if it is none."""

SIDE_NAMES: Final = frozenset({"readme", "license", "licence", "makefile", "changelog", "thumbs.db", "desktop.ini"})

RESULT_FILES: Final = (
    {"scores.csv", "summary.json"},
    {"scores.partial.jsonl"},
    {"checkpoint.safetensors", "log.csv"},
)
"""A folder that holds all of one set is the result of ``detect``, the unfinished one, or a run folder of ``train``: its
pictures are not photos to look at again."""
RESULT_FOLDERS: Final = frozenset({"overlays", "panels", "masks", "maps"})
"""Of ``detect``, where it was told to write into the folder of the photos itself."""


def natural_key(name: str) -> list[tuple[list[int | str], str]]:
    """Return a sort key that puts ``bean2`` before ``bean10`` and ignores case, folder by folder."""
    return [(_words_and_numbers(step.casefold()), step) for step in name.split("/")]


def relative_name(path: Path, root: Path) -> str:
    """Return ``path`` relative to ``root``, with ``/`` on every system."""
    return path.relative_to(root).as_posix()


def is_meant_as_photo(path: Path) -> bool:
    """Tell whether a file should be read as a photo: all but hidden files and known side files."""
    name = path.name.casefold()
    return not name.startswith(".") and path.suffix.casefold() not in SIDE_SUFFIXES and name not in SIDE_NAMES


def matches_pattern(path: Path, pattern: str | None) -> bool:
    """Tell whether the file's name matches a shell pattern; cameras write ``.JPG``, so case does not count."""
    return pattern is None or fnmatchcase(path.name.casefold(), pattern.casefold())


def walk(root: Path) -> Iterator[Path]:
    """Yield every file below ``root``, at any depth.

    Hidden folders and what earlier runs of cafepick left are skipped. Links are followed, but no folder is entered
    twice, so that links in a circle end.

    Raises:
        SourceError: a folder cannot be listed.
    """
    entered = {root.resolve()}
    for folder, subfolders, files in os.walk(root, followlinks=True, onerror=_refuse):
        for name in files:
            yield Path(folder, name)
        subfolders.sort(key=natural_key)
        subfolders[:] = [name for name in subfolders if _enter(Path(folder, name), entered)]


def expand(pattern: str) -> Iterator[Path]:
    """Yield every file that a glob matches; ``**`` stands for any number of folders.

    Raises:
        SourceError: a folder cannot be listed.
    """
    parts = Path(pattern).parts
    fixed = parts.index("**") if "**" in parts else len(parts)
    start = str(Path(*parts[:fixed]))
    starts = [Path(found) for found in glob.glob(start)] if fixed else [Path()]  # noqa: PTH207 - Path.glob is relative
    if fixed == len(parts):
        yield from (path for path in starts if path.is_file())
        return
    for start in filter(Path.is_dir, starts):  # glob's own ** follows links in a circle
        yield from (path for path in walk(start) if _matches(path.relative_to(start).parts, parts[fixed:]))


def glob_root(pattern: str) -> Path:
    """Return the folder that a glob starts from: its leading parts without wildcards."""
    parts = Path(pattern).parts
    wild = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:wild])


def photos_among(paths: Iterable[Path], root: Path, pattern: str | None) -> list[Path]:
    """Return the files meant as photos whose name matches ``pattern``, in natural order of their names."""
    kept = {path for path in paths if is_meant_as_photo(path) and matches_pattern(path, pattern)}
    return sorted(kept, key=lambda path: natural_key(relative_name(path, root)))


def _words_and_numbers(text: str) -> list[int | str]:
    """Split at numbers: words stand at even places, numbers at odd ones, so that like meets like."""
    return [int(part) if place % 2 else part for place, part in enumerate(re.split(r"([0-9]+)", text))]


def _enter(folder: Path, entered: set[Path]) -> bool:
    target = folder.resolve()
    result = _is_result(folder) or (folder.name in RESULT_FOLDERS and _is_result(folder.parent))
    if folder.name.startswith(".") or target in entered or result:
        return False
    entered.add(target)
    return True


def _is_result(folder: Path) -> bool:
    return any(all((folder / name).exists() for name in names) for names in RESULT_FILES)


def _refuse(error: OSError) -> None:
    raise SourceError(f"cannot look into {error.filename}: {error.strerror}; check the permissions") from error


def _matches(steps: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    """Tell whether the steps of a path match the parts of a glob."""
    if not wanted:
        return not steps
    if wanted[0] == "**":
        return _matches(steps, wanted[1:]) or (bool(steps) and _matches(steps[1:], wanted))
    return bool(steps) and fnmatchcase(steps[0], wanted[0]) and _matches(steps[1:], wanted[1:])
