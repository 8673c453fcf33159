"""A killed run loses none of the photos that it recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cafepick.errors import ConfigError, OutputError
from cafepick.jobs.journal import Journal

RUN = {"model": "abc", "false_reject": 0.01, "source": "trays"}
ROWS = [["a.jpg", 1, "OK"], ["a.jpg", 2, "NG"]]


def journal_with_one_photo(path: Path) -> None:
    with Journal.start(path, RUN) as journal:
        journal.add("a.jpg", ROWS, ["the surface is much darker"])


def test_rows_and_notes_come_back(tmp_path: Path) -> None:
    journal_with_one_photo(tmp_path / "j")
    with Journal.resume(tmp_path / "j", RUN) as journal:
        assert journal.rows == {"a.jpg": ROWS}
        assert journal.notes == {"a.jpg": ["the surface is much darker"]}


def test_rows_are_on_disk_before_the_journal_closes(tmp_path: Path) -> None:
    journal = Journal.start(tmp_path / "j", RUN)
    journal.add("a.jpg", ROWS)
    assert json.loads((tmp_path / "j").read_text().splitlines()[-1]) == {"image": "a.jpg", "rows": ROWS, "notes": []}
    journal.remove()
    assert not (tmp_path / "j").exists()


@pytest.mark.parametrize("cut", range(1, 30, 4))
def test_a_line_cut_short_is_dropped_and_the_rest_kept(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "j"
    journal_with_one_photo(path)
    with Journal.resume(path, RUN) as journal:
        journal.add("b.jpg", ROWS)
    path.write_bytes(path.read_bytes()[:-cut])
    with Journal.resume(path, RUN) as journal:
        assert list(journal.rows) == ["a.jpg"]
        journal.add("b.jpg", [])
    with Journal.resume(path, RUN) as journal:
        assert journal.rows == {"a.jpg": ROWS, "b.jpg": []}


def test_even_a_first_line_cut_short_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.write_text('{"model": "ab')
    with Journal.resume(path, RUN) as journal:
        assert journal.rows == {}
        journal.add("a.jpg", ROWS)
    with Journal.resume(path, RUN) as journal:
        assert journal.rows == {"a.jpg": ROWS}


def test_a_journal_that_is_damaged_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal_with_one_photo(path)
    path.write_bytes(path.read_bytes() + bytes(100) + b"\n")
    with pytest.raises(ConfigError, match=r"is damaged .* go without --resume to begin anew"):
        Journal.resume(path, RUN)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot make the folder .*file.*choose another place"):
        Journal.start(tmp_path / "file" / "j", RUN)
    with pytest.raises(OutputError, match="cannot write"):
        Journal.start(tmp_path, RUN)


def test_another_run_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal_with_one_photo(path)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"false_reject was 0\.01 and is 0\.05"):
        Journal.resume(path, RUN | {"false_reject": 0.05})
    assert path.read_bytes() == before


def test_what_is_kept_is_read_photo_by_photo(tmp_path: Path) -> None:
    with Journal.start(tmp_path / "j", RUN) as journal:
        for number in range(5):
            notes = ["odd"] if number == 3 else []
            journal.add(f"{number}.jpg", [[f"{number}.jpg", number]], notes, {"n": number} if number == 2 else None)
        assert list(journal.rows.pairs(["4.jpg", "1.jpg"])) == [("4.jpg", [["4.jpg", 4]]), ("1.jpg", [["1.jpg", 1]])]
        assert list(journal.notes.pairs()) == [("3.jpg", ["odd"])]
        assert journal.more == {"2.jpg": {"n": 2}}
        journal.keep_only({"1.jpg", "3.jpg"})
        assert list(journal.rows) == ["1.jpg", "3.jpg"]
        journal.add("1.jpg", [])
        assert journal.rows == {"1.jpg": [], "3.jpg": [["3.jpg", 3]]}
    with Journal.resume(tmp_path / "j", RUN) as journal:
        assert len(journal.rows) == 5
        assert journal.rows["1.jpg"] == []


def test_a_line_longer_than_what_is_read_at_once_is_cut_too(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal_with_one_photo(path)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"image": "b.jpg", "rows": "' + b"x" * 200_000)
    with Journal.resume(path, RUN) as journal:
        assert journal.rows == {"a.jpg": ROWS}
    assert path.read_bytes() == whole
