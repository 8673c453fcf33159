"""The one file ``*.cafepick`` that holds everything detection needs: tensors, and a JSON header that explains them.

The file is a safetensors file, so it holds data only and opening it runs nothing. ``docs/artefact.md`` specifies it,
in enough detail to write another reader. Reading is strict: what was not written by cafepick, is incomplete, was
changed, or is newer than this program is refused, and no number in the file can make the reader use more memory than
a few times the size of the file.
"""

from __future__ import annotations

import hashlib
import json
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import numpy as np
from safetensors import SafetensorError, deserialize

from cafepick import __version__
from cafepick.errors import ArtefactError
from cafepick.files import replacing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

FORMAT: Final = "cafepick"
VERSION: Final = 1
"""Of the file format; a reader knows this one and those before."""
NEEDS: Final = "0.1.0"
"""The oldest cafepick that reads ``VERSION``, written into the file for those that do not."""

DTYPES: Final = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "U8": "|u1"}
"""safetensors name -> numpy type."""

MOST_BYTES: Final = 2**31
"""A larger file is no model of ours and would fill the memory."""
MOST_TABLE_BYTES: Final = 2**24
"""A larger table of contents is no model of ours."""

_LENGTH: Final = struct.Struct("<Q")
_FOREIGN: Final = (  # what a file is that begins so
    (b"PK\x03\x04", "a zip file (a PyTorch checkpoint is one)"),
    (b"\x80", "a pickle"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x1f\x8b", "a gzip file"),
    (b"GGUF", "a GGUF file"),
)


@dataclass(frozen=True, eq=False)
class Artefact:
    """What a ``*.cafepick`` file holds."""

    header: dict[str, Any]
    """Plain JSON values; ``docs/artefact.md`` has the schema."""
    tensors: dict[str, NDArray[Any]]
    """Arrays by name, writable, in the machine's byte order."""
    checksum: str = ""
    """SHA-256 of the content, in hexadecimal: what tells two models apart."""


def save_artefact(path: str | Path, header: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write a ``*.cafepick`` file, whole or not at all; equal content gives equal bytes.

    Args:
        path: the file.
        header: plain JSON values.
        tensors: float64, float32, float16, int64 or uint8 arrays by name.

    Raises:
        ArtefactError: a tensor has another type, or the header holds something that JSON does not have.
        OutputError: the file cannot be written.
    """
    text = _canonical_header(header)
    stored = {name: _stored(name, tensor) for name, tensor in tensors.items()}
    metadata = {
        "format": FORMAT,
        "version": str(VERSION),
        "needs": NEEDS,
        "header": text,
        "sha256": _checksum(str(VERSION), text, stored),
    }
    content = _to_safetensors(stored, metadata)
    with replacing(Path(path)) as temporary:
        temporary.write_bytes(content)


def load_artefact(path: str | Path) -> Artefact:
    """Read a ``*.cafepick`` file.

    Raises:
        ArtefactError: the file is missing, empty, truncated, foreign, damaged, changed or too new.
    """
    path = Path(path)
    content = _read(path)
    table = _table_of(path, content)
    metadata = table.get("__metadata__")
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise ArtefactError(f"{path} is a safetensors file of something else, not a cafepick model: give a *.cafepick")
    text = _header_text(path, metadata)
    tensors = _tensors_of(path, content)
    if metadata.get("sha256") != _checksum(metadata["version"], text, tensors):
        raise ArtefactError(
            f"{path} was changed after cafepick wrote it: its checksum does not fit its content; "
            f"copy the original again, or train anew"
        )
    header = _parse_json(path, text)
    if not isinstance(header, dict):
        _refuse_damaged(path, "the header is no JSON object")
    native = {name: array.astype(array.dtype.newbyteorder("=")) for name, array in tensors.items()}
    return Artefact(header, native, metadata["sha256"])


def above(prefix: str, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the tensors with ``prefix`` before each name."""
    return {prefix + name: tensor for name, tensor in tensors.items()}


def below(tensors: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """Return the tensors whose names begin with ``prefix``, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _canonical_header(header: Mapping[str, Any]) -> str:
    """Sorted keys, no spaces, ASCII: equal headers give equal text."""
    try:
        return json.dumps(header, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ArtefactError(f"the header of a model must be plain JSON values: {error}") from error


def _stored(name: str, tensor: NDArray[Any]) -> NDArray[Any]:
    """Return ``tensor`` contiguous and little-endian, as it lies in the file."""
    little = tensor.dtype.newbyteorder("<")
    if little.str not in DTYPES.values():
        kinds = ", ".join(np.dtype(kind).name for kind in DTYPES.values())
        raise ArtefactError(f"tensor {name!r} has type {tensor.dtype}, a model file takes {kinds}: convert it")
    return np.asarray(tensor, dtype=little, order="C")


def _checksum(version: str, header: str, tensors: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 over version, header and all tensors by name, each part preceded by its length."""
    digest = hashlib.sha256()
    parts: list[bytes | memoryview] = [FORMAT.encode(), version.encode(), header.encode()]
    for name, tensor in sorted(tensors.items()):
        shape = ",".join(str(side) for side in tensor.shape)
        parts += [name.encode(), _dtype_name(tensor).encode(), shape.encode(), tensor.tobytes()]
    for part in parts:
        digest.update(_LENGTH.pack(len(part)))
        digest.update(part)
    return digest.hexdigest()


def _dtype_name(tensor: NDArray[Any]) -> str:
    return next(name for name, kind in DTYPES.items() if kind == tensor.dtype.newbyteorder("<").str)


def _to_safetensors(tensors: Mapping[str, NDArray[Any]], metadata: dict[str, str]) -> bytes:
    """Lay out a safetensors file.

    By hand, because the library writes the metadata in random order; its reader is used for reading.
    """
    ordered = sorted(tensors.items(), key=lambda item: (-item[1].itemsize, item[0]))  # so that every tensor is aligned
    table: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    for name, tensor in ordered:
        begin, end = end, end + tensor.nbytes
        table[name] = {"dtype": _dtype_name(tensor), "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(table, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([_LENGTH.pack(len(text)), text, *(tensor.tobytes() for _, tensor in ordered)])


def _read(path: Path) -> bytes:
    try:
        state = path.stat()
        if not (stat.S_ISREG(state.st_mode) or stat.S_ISDIR(state.st_mode)):
            raise ArtefactError(f"{path} is a pipe or a device, not a model: name a *.cafepick file")
        size = state.st_size
        if size > MOST_BYTES:
            raise ArtefactError(f"{path} has {size:,} bytes, the most is {MOST_BYTES:,}: no model is so large")
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise ArtefactError(f"there is no model {path}: check the name, or train one with  cafepick train") from error
    except IsADirectoryError as error:
        raise ArtefactError(f"{path} is a folder, not a model: name a *.cafepick file in it") from error
    except OSError as error:
        raise ArtefactError(f"cannot read {path}: {error.strerror or error}; check disk and permissions") from error
    if not content:
        raise ArtefactError(f"{path} is empty (0 bytes): copy it again, or train anew")
    return content


def _table_of(path: Path, content: bytes) -> dict[str, Any]:
    """Return the table of contents of a safetensors file, checked to lie within the file."""
    for mark, name in _FOREIGN:
        if content.startswith(mark) and content[8:9] != b"{":
            raise ArtefactError(f"{path} is {name}, not a cafepick model: give a *.cafepick file")
    if len(content) <= 8:
        _refuse_truncated(path, len(content), 9)
    if content[8:9] != b"{":
        raise ArtefactError(f"{path} is not a cafepick model: give a *.cafepick file")
    (length,) = _LENGTH.unpack_from(content)
    if length > MOST_TABLE_BYTES:
        _refuse_damaged(path, f"its table of contents claims {length:,} bytes")
    if 8 + length > len(content):
        _refuse_truncated(path, len(content), 8 + length)
    table = _parse_json(path, content[8 : 8 + length])
    end = 8 + length + max(map(_end_of, table.values()), default=0)
    if end > len(content):
        _refuse_truncated(path, len(content), end)
    return table


def _end_of(entry: Any) -> int:
    """Return where a tensor's bytes end, 0 for what is no tensor; the library judges what is malformed."""
    offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
    ends = offsets[1:2] if isinstance(offsets, list) else []
    return next((end for end in ends if isinstance(end, int) and end < 2**63), 0)


def _header_text(path: Path, metadata: dict[str, Any]) -> str:
    """Return the header as it stands in the file, after a check of the format's version."""
    version, text = metadata.get("version"), metadata.get("header")
    if not (isinstance(version, str) and version.isascii() and version.isdigit() and isinstance(text, str)):
        _refuse_damaged(path, "its version or header is missing")
    if len(version) > 4 or int(version) > VERSION:
        raise ArtefactError(
            f"{path} has format {version[:20]}, this is cafepick {__version__} and reads formats up to {VERSION}: "
            f"it needs cafepick {str(metadata.get('needs', 'of a later version'))[:20]} or newer, "
            f"run  pip install --upgrade cafepick"
        )
    return text


def _tensors_of(path: Path, content: bytes) -> dict[str, NDArray[Any]]:
    """Return the tensors as they lie in the file, little-endian and read-only."""
    try:
        entries = deserialize(content)  # refuses gaps, overlaps, overflowing shapes and unknown types
    except SafetensorError as error:
        _refuse_damaged(path, str(error))
    tensors = {}
    for name, entry in entries:
        if entry["dtype"] not in DTYPES:
            _refuse_damaged(path, f"tensor {name!r} has type {entry['dtype']}, known are {', '.join(DTYPES)}")
        tensors[name] = np.frombuffer(entry["data"], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def _parse_json(path: Path, text: str | bytes) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        _refuse_damaged(path, f"its JSON cannot be read, {error}")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) != len(dict(pairs)):
        raise ValueError("a key comes twice")
    return dict(pairs)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _refuse_damaged(path: Path, why: str) -> NoReturn:
    raise ArtefactError(f"{path} is damaged ({why[:200]}): copy the original again, or train anew")


def _refuse_truncated(path: Path, size: int, needed: int) -> NoReturn:
    raise ArtefactError(f"{path} is truncated: it has {size:,} bytes of at least {needed:,}; copy the original again")
