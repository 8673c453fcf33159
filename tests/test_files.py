"""Files appear whole or not at all."""

import csv
import json
import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cafepick.errors import OutputError
from cafepick.files import check_writable, copy_file, made_folder, replacing, write_csv, write_json, write_text


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_appears_only_when_the_block_ends(tmp_path: Path):
    path = tmp_path / "new" / "folder" / "scores.csv"
    with replacing(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
        assert temporary.parent == path.parent
    assert path.read_text() == "whole"
    assert names_in(path.parent) == ["scores.csv"]


def fail_halfway(path: Path) -> None:
    path.write_text("half")
    raise ZeroDivisionError("stopped")


def test_a_failing_block_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    path = tmp_path / "model.bin"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError, match="stopped"), replacing(path) as temporary:
        fail_halfway(temporary)
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["model.bin"]


def test_the_temporary_file_is_hidden_and_keeps_the_suffix(tmp_path: Path):
    with replacing(tmp_path / "panel.png") as temporary:
        temporary.touch()
        assert temporary.name.startswith(".")
        assert temporary.suffix == ".png"


def test_new_files_have_the_usual_permissions(tmp_path: Path):
    (tmp_path / "plain").touch()
    write_text(tmp_path / "replaced", "text")
    assert (tmp_path / "replaced").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path):
    path = tmp_path / "a.txt"
    with replacing(path) as first, replacing(path) as second:
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"
    assert names_in(tmp_path) == ["a.txt"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot write .*file/a\.txt: .*choose another place"):
        write_text(tmp_path / "file" / "a.txt", "text")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=r"cannot write .*folder: Is a directory"):
        write_text(tmp_path / "folder", "text")
    assert names_in(tmp_path) == ["file", "folder"]


def test_a_place_is_looked_at_before_the_work_and_left_as_it_was(tmp_path: Path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder").mkdir()
    for name in ("file", "new", "folder/new", "not/yet/there"):
        check_writable(tmp_path / name)
    for name, said in (
        ("folder", "Is a directory"),
        ("file/a.txt", "Not a directory"),
        ("file/a/b", "Not a directory"),
    ):
        with pytest.raises(OutputError, match=f"cannot write .*{name}: {said}; .*choose another place"):
            check_writable(tmp_path / name)
    assert names_in(tmp_path) == ["file", "folder"]
    assert names_in(tmp_path / "folder") == []
    assert (tmp_path / "file").read_text() == "old"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="nothing is forbidden here")
def test_a_folder_that_may_not_be_written_is_told_before_the_work(tmp_path: Path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match=r"cannot write .*a\.txt: Permission denied"):
        check_writable(tmp_path / "a.txt")


def test_a_folder_made_for_work_that_failed_goes_if_nothing_lies_in_it(tmp_path: Path):
    (tmp_path / "old").mkdir()
    for name in ("old", "new"):
        with pytest.raises(ZeroDivisionError, match="stopped"), made_folder(tmp_path / name):
            raise ZeroDivisionError("stopped")
    with pytest.raises(ZeroDivisionError, match="stopped"), made_folder(tmp_path / "full"):
        fail_halfway(tmp_path / "full" / "a.txt")
    with made_folder(tmp_path / "done"):
        pass
    assert names_in(tmp_path) == ["done", "full", "old"]


@given(text=st.text())
def test_text_is_kept_byte_for_byte(tmp_path_factory: pytest.TempPathFactory, text: str):
    path = tmp_path_factory.getbasetemp() / "text.txt"
    write_text(path, text)
    assert path.read_bytes() == text.encode()


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_json_has_no_nan_and_leaves_the_old_file(tmp_path: Path, number: float):
    path = tmp_path / "metrics.json"
    write_json(path, {"auroc": 0.5, "name": "café"})
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(path, {"auroc": number})
    assert json.loads(path.read_text(encoding="utf-8")) == {"auroc": 0.5, "name": "café"}


def test_csv_quotes_what_needs_it_and_leaves_none_empty(tmp_path: Path):
    path = tmp_path / "scores.csv"
    write_csv(path, ["image", "score"], [["a, b.jpg", 0.25], ['say "hi".png', None]])
    assert path.read_text() == 'image,score\n"a, b.jpg",0.25\n"say ""hi"".png",\n'
    with path.open(newline="") as stream:
        assert list(csv.reader(stream))[2] == ['say "hi".png', ""]


def test_a_row_of_another_length_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"a row of scores\.csv needs 2 fields, got 1"):
        write_csv(tmp_path / "scores.csv", ["image", "score"], [["a.jpg"]])
    assert names_in(tmp_path) == []


def test_names_that_are_not_utf_8_can_be_written(tmp_path: Path):
    name = b"\x83R.jpg".decode("utf-8", "surrogateescape")
    write_csv(tmp_path / "a.csv", ["image"], [[name]])
    assert (tmp_path / "a.csv").read_text(encoding="utf-8") == "image\n\\udc83R.jpg\n"
    write_json(tmp_path / "a.json", [name])
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == [name]


def test_a_copy_is_whole_and_its_missing_source_is_named(tmp_path: Path):
    source, copy = tmp_path / "one.bin", tmp_path / "deep" / "two.bin"
    source.write_bytes(bytes(range(256)) * 9000)
    copy_file(source, copy)
    assert copy.read_bytes() == source.read_bytes()
    with pytest.raises(OutputError, match=r"cannot read .*gone\.bin: No such file"):
        copy_file(tmp_path / "gone.bin", copy)
    assert copy.read_bytes() == source.read_bytes()
    assert sorted(path.name for path in tmp_path.rglob("*.bin")) == ["one.bin", "two.bin"]
