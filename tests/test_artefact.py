"""The model file: what goes in comes out, and nothing else is ever taken for a model."""

import hashlib
import json
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cafepick import artefact as module
from cafepick.artefact import load_artefact, save_artefact
from cafepick.errors import ArtefactError, OutputError

HEADER = {"model": {"size": 64, "latent": 100}, "training": {"seed": 0, "source": "豆/good"}, "history": [1, 2.5, None]}
TENSORS = {
    "generator.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "generator.half": np.linspace(0, 1, 5, dtype=np.float16),
    "calibration.scores": np.array([1 / 3, 2 / 3]),
    "steps": np.array(4000),
    "flags": np.array([1, 0, 255], np.uint8),
    "empty": np.zeros((0, 3), np.float32),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("artefact")


@pytest.fixture(scope="module")
def content(folder):
    """Bytes of a valid file."""
    save_artefact(folder / "valid.cafepick", HEADER, TENSORS)
    return (folder / "valid.cafepick").read_bytes()


def load_bytes(folder, content):
    path = folder / "changed.cafepick"
    path.write_bytes(content)
    return load_artefact(path)


def same(loaded, header=HEADER, tensors=TENSORS):
    return loaded.header == header and {
        name: (array.dtype, array.shape, array.tobytes()) for name, array in loaded.tensors.items()
    } == {name: (array.dtype, array.shape, array.tobytes()) for name, array in tensors.items()}


def table_of(content):
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def with_table(table, data):
    text = table if isinstance(table, bytes) else json.dumps(table).encode()
    return struct.pack("<Q", len(text)) + text + data


# --- there and back ---


def test_what_goes_in_comes_out(folder, content):
    assert same(load_bytes(folder, content))


def test_loaded_tensors_can_be_written_to(folder, content):
    for array in load_bytes(folder, content).tensors.values():
        array[...] = 0


kinds = st.sampled_from([np.float64, np.float32, np.float16, np.int64, np.uint8])
tensors_ = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    kinds.flatmap(lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0))),
    max_size=4,
)
json_ = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), json_, max_size=4), tensors_)
def test_any_header_and_any_tensors_come_back(folder, header, tensors):
    path = folder / "any.cafepick"
    save_artefact(path, header, tensors)
    assert same(load_artefact(path), header, tensors)


def test_equal_content_gives_equal_bytes(folder, content):
    def backwards(mapping):
        return dict(reversed(mapping.items()))

    save_artefact(folder / "again.cafepick", backwards(HEADER), backwards(TENSORS))
    assert (folder / "again.cafepick").read_bytes() == content


def test_strided_and_big_endian_tensors_are_stored_by_value(folder):
    tensors = {"strided": np.arange(20.0)[::2].reshape(2, 5).T, "big": np.arange(3, dtype=">i8")}
    save_artefact(folder / "strided.cafepick", {}, tensors)
    loaded = load_artefact(folder / "strided.cafepick").tensors
    assert all(np.array_equal(loaded[name], tensor) for name, tensor in tensors.items())
    assert loaded["big"].dtype == np.int64


def test_the_file_is_a_safetensors_file(folder, content):
    loaded = safetensors.numpy.load(content)
    assert all(np.array_equal(loaded[name], tensor) for name, tensor in TENSORS.items())
    with safetensors.safe_open(folder / "valid.cafepick", "np") as opened:
        metadata = opened.metadata()
    assert metadata["format"] == "cafepick"
    assert metadata["version"] == "1"
    assert json.loads(metadata["header"]) == HEADER


def test_a_file_written_by_the_library_is_read(folder, content):
    table, _ = table_of(content)
    assert same(load_bytes(folder, safetensors.numpy.save(TENSORS, table["__metadata__"])))


def test_the_checksum_is_the_one_that_the_specification_describes(content):
    """Another reader's view: computed from docs/artefact.md alone."""
    table, data = table_of(content)
    metadata = table.pop("__metadata__")
    parts = [b"cafepick", metadata["version"].encode(), metadata["header"].encode()]
    for name in sorted(table, key=lambda name: name.encode()):
        begin, end = table[name]["data_offsets"]
        shape = ",".join(map(str, table[name]["shape"]))
        parts += [name.encode(), table[name]["dtype"].encode(), shape.encode(), data[begin:end]]
    digest = hashlib.sha256(b"".join(struct.pack("<Q", len(part)) + part for part in parts))
    assert metadata["sha256"] == digest.hexdigest()


def test_the_first_format_never_changes(folder):
    """Golden: a file of format 1 as it was written by cafepick 0.1.0; newer releases must read it."""
    golden = bytes.fromhex(GOLDEN_HEX)
    loaded = load_bytes(folder, golden)
    assert loaded.header == {"model": {"size": 28}}
    assert loaded.tensors["z"].tolist() == [0.5, -1.0]


def test_a_failed_save_leaves_the_old_file(folder, content):
    path = folder / "kept.cafepick"
    path.write_bytes(content)
    with pytest.raises(ArtefactError, match="'z' has type complex128, a model file takes float64, float32"):
        save_artefact(path, HEADER, {"z": np.zeros(1, complex)})
    with pytest.raises(OutputError, match="cannot write"):
        save_artefact(path / "below" / "a file", HEADER, TENSORS)
    assert path.read_bytes() == content


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"bytes"])
def test_a_header_that_is_no_json_is_refused(folder, value):
    with pytest.raises(ArtefactError, match="must be plain JSON values"):
        save_artefact(folder / "no.cafepick", {"x": value}, {})
    assert not (folder / "no.cafepick").exists()


# --- refusals, each with its own words ---


def test_a_missing_file(folder):
    with pytest.raises(ArtefactError, match=r"there is no model .*nowhere.cafepick: check the name, or train one"):
        load_artefact(folder / "nowhere.cafepick")


def test_a_folder(folder):
    with pytest.raises(ArtefactError, match="is a folder, not a model"):
        load_artefact(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_what_never_ends_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.cafepick")
    for path in (tmp_path / "pipe.cafepick", "/dev/zero"):
        with pytest.raises(ArtefactError, match=r"is a pipe or a device, not a model: name a \*\.cafepick file"):
            load_artefact(path)


def test_an_empty_file(folder):
    with pytest.raises(ArtefactError, match=r"is empty \(0 bytes\)"):
        load_bytes(folder, b"")


@given(st.data())
def test_a_truncated_file(folder, content, data):
    size = data.draw(st.integers(1, len(content) - 1))
    with pytest.raises(ArtefactError, match=rf"is truncated: it has {size:,} bytes of at least"):
        load_bytes(folder, content[:size])


def test_bytes_after_the_end(folder, content):
    with pytest.raises(ArtefactError, match="is damaged"):
        load_bytes(folder, content + b"\0")


def test_foreign_files(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "model.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b"x" * 100)
    foreign = {
        "a zip file": (tmp_path / "model.pt").read_bytes(),
        "a pickle": pickle.dumps(TENSORS),
        "not a cafepick model": b"a text file, rather long",
        "is not a cafepick model": b"\0" * 1000,
        "safetensors file of something else": safetensors.numpy.save(TENSORS),
        "a safetensors file of something": safetensors.numpy.save(TENSORS, {"format": "pt"}),
    }
    for words, foreign_content in foreign.items():
        with pytest.raises(ArtefactError, match=words):
            load_bytes(folder, foreign_content)


def test_loading_a_pickle_runs_nothing(folder, tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path.joinpath("sprung").touch, ())

    with pytest.raises(ArtefactError, match="is a pickle"):
        load_bytes(folder, pickle.dumps(Trap()))
    assert not (tmp_path / "sprung").exists()


def test_a_newer_file_says_which_cafepick_it_needs(folder, content, monkeypatch):
    monkeypatch.setattr(module, "VERSION", 2)
    monkeypatch.setattr(module, "NEEDS", "0.7.0")
    save_artefact(folder / "newer.cafepick", {}, {})
    monkeypatch.undo()
    with pytest.raises(ArtefactError, match=r"has format 2, .* formats up to 1: it needs cafepick 0\.7\.0 or newer"):
        load_artefact(folder / "newer.cafepick")


@pytest.mark.parametrize("version", [None, 1, "", "one", "-1", "1.5", "²"])
def test_a_version_that_is_none(folder, content, version):
    table, data = table_of(content)
    table["__metadata__"]["version"] = version
    with pytest.raises(ArtefactError, match="its version or header is missing"):
        load_bytes(folder, with_table(table, data))


def test_a_tampered_header(folder, content):
    changed = content.replace(b'\\"seed\\":0', b'\\"seed\\":1')
    assert changed != content
    with pytest.raises(ArtefactError, match="was changed after cafepick wrote it"):
        load_bytes(folder, changed)


def test_a_tampered_tensor(folder, content):
    with pytest.raises(ArtefactError, match="was changed after cafepick wrote it"):
        load_bytes(folder, content[:-1] + b"\1")


def test_a_renamed_reshaped_or_retyped_tensor(folder, content):
    for old, new in ((b'"flags"', b'"Flags"'), (b"[2,3,4]", b"[4,3,2]"), (b'"I64"', b'"F64"')):
        assert old in content
        with pytest.raises(ArtefactError, match="was changed after cafepick wrote it"):
            load_bytes(folder, content.replace(old, new))


def test_a_file_too_large_for_a_model_is_not_read(folder):
    path = folder / "large.cafepick"
    with path.open("wb") as stream:
        stream.truncate(module.MOST_BYTES + 1)  # sparse: takes no space
    with pytest.raises(ArtefactError, match="the most is 2,147,483,648"):
        load_artefact(path)
    path.unlink()


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


ATTACKS = {
    "overlap": {"a": entry(), "b": entry(offsets=(0, 4))},
    "gap": {"a": entry(), "b": entry(offsets=(8, 12))},
    "backwards": {"a": entry(offsets=(4, 0))},
    "negative": {"a": entry(offsets=(-4, 0))},
    "far": {"a": entry(offsets=(0, 2**62))},
    "beyond 64 bits": {"a": entry(offsets=(0, 2**70))},
    "fraction": {"a": entry(offsets=(0, 4.0))},
    "huge shape": {"a": entry(shape=(2**62,))},
    "overflowing shape": {"a": entry(shape=(2**32, 2**32, 2))},
    "negative shape": {"a": entry(shape=(-1, -1))},
    "shape and bytes differ": {"a": entry(shape=(2,))},
    "unknown type": {"a": entry(dtype="F1")},
    "type that numpy lacks": {"a": entry(dtype="BF16", shape=(2,))},
    "no offsets": {"a": {"dtype": "F32", "shape": [1]}},
    "no table": {"a": 4},
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_malformed_tables_are_refused(folder, content, attack):
    metadata = table_of(content)[0]["__metadata__"]
    with pytest.raises(ArtefactError, match=r"is damaged|is truncated"):
        load_bytes(folder, with_table({"__metadata__": metadata} | ATTACKS[attack], bytes(4)))


@pytest.mark.parametrize(
    "text",
    [
        b"{" * 100_000,
        b'{"a":' * 100_000,
        b'{"__metadata__":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' + b"9" * 10_000 + b"}",
        b'{"a":1,"a":2}',
        b'{"a":NaN}',
        b'{"a":"\xff"}',
        b"{}{}",
    ],
)
def test_malformed_json_is_refused(folder, text):
    with pytest.raises(ArtefactError, match="is damaged"):
        load_bytes(folder, with_table(text, b""))


@pytest.mark.parametrize("header", ["[]", "1", "", "{", '{"a":1,"a":2}', "[" * 100_000, "\ud800"])
def test_a_header_that_is_no_object_is_refused_though_its_checksum_fits(folder, header):
    sha = "0" * 64 if header == "\ud800" else module._checksum("1", header, {})
    metadata = {"format": "cafepick", "version": "1", "needs": "0.1.0", "header": header, "sha256": sha}
    with pytest.raises(ArtefactError, match="is damaged"):
        load_bytes(folder, with_table({"__metadata__": metadata}, b""))


@pytest.mark.parametrize("length", [0, 1, 2**24 + 1, 2**31, 2**62, 2**63, 2**64 - 1])
def test_lengths_that_lie_are_refused(folder, content, length):
    with pytest.raises(ArtefactError, match=r"is damaged|is truncated"):
        load_bytes(folder, struct.pack("<Q", length) + content[8:])


# --- any damage at all ---


def loads_equal_or_is_refused(folder, changed):
    try:
        loaded = load_bytes(folder, changed)
    except ArtefactError:
        return True
    return same(loaded)


def test_no_flipped_bit_gives_other_content(folder, content):
    """Every byte of the file, one bit each in turn."""
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << (place % 8)
        assert loads_equal_or_is_refused(folder, bytes(changed)), place


@settings(max_examples=300)
@given(st.data())
def test_no_changed_byte_gives_other_content(folder, content, data):
    place = data.draw(st.integers(0, len(content) - 1))
    changed = content[:place] + bytes([data.draw(st.integers(0, 255))]) + content[place + 1 :]
    assert loads_equal_or_is_refused(folder, changed)


@given(st.data())
def test_no_removed_or_inserted_piece_gives_other_content(folder, content, data):
    place = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(place, min(len(content), place + 50)))
    changed = content[:place] + data.draw(st.binary(max_size=20)) + content[end:]
    assert loads_equal_or_is_refused(folder, changed)


@given(st.binary(max_size=200))
@example(b"{}      {")
def test_noise_is_refused(folder, noise):
    with pytest.raises(ArtefactError, match=r"model|truncated|damaged|empty"):
        load_bytes(folder, noise)


GOLDEN_HEX = (
    "f0000000000000007b225f5f6d657461646174615f5f223a7b22666f726d6174223a22636166657069636b222c227665"
    "7273696f6e223a2231222c226e65656473223a22302e312e30222c22686561646572223a227b5c226d6f64656c5c223a"
    "7b5c2273697a655c223a32387d7d222c22736861323536223a2234623030393462663834623436383335373030633662"
    "303934636264356134613839356230346265323139626164393035643066613937613865626666363866227d2c227a22"
    "3a7b226474797065223a22463332222c227368617065223a5b325d2c22646174615f6f666673657473223a5b302c385d"
    "7d7d2020202020200000003f000080bf"
)
