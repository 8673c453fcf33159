"""A table of labels says what each photo or bean is, or why it cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from cafepick.data.labels import read_labels
from cafepick.errors import SourceError


def table(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "labels.csv"
    path.write_text(text, encoding=encoding)
    return path


def test_a_label_a_photo(tmp_path):
    labels = read_labels(table(tmp_path, "image,label\na.jpg,good\nlot 2/b.jpg,black\n"))
    assert labels.of("a.jpg", 1) == labels.of("a.jpg", 7) == "good"
    assert labels.of("lot 2/b.jpg", 1) == "black"
    assert labels.of("c.jpg", 1) is None
    assert labels.classes == {"good", "black"}


def test_a_label_a_bean_goes_before_that_of_its_photo(tmp_path):
    labels = read_labels(table(tmp_path, "image,bean,label\na.jpg,,good\na.jpg,2,insect\nb.jpg,1,sour\n"))
    assert [labels.of("a.jpg", bean) for bean in (1, 2, 3)] == ["good", "insect", "good"]
    assert [labels.of("b.jpg", bean) for bean in (1, 2)] == ["sour", None]


def test_what_spreadsheets_write_is_read(tmp_path):
    path = table(tmp_path, "Label;Image\r\ngood;.\\lot\\a.jpg\r\n;\r\n焙煎;b.jpg\r\n", encoding="utf-8-sig")
    labels = read_labels(path)
    assert labels.photos == {"lot/a.jpg": "good", "b.jpg": "焙煎"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"needs the columns image, label and perhaps bean: no image"),
        ("image,class\na,good\n", r"no label in its first line"),
        ("image,label\n", r"holds no label: add a line for each photo"),
        ("image,label\na.jpg,\n", r"line 2 needs an image and a label, got 'a.jpg' and ''"),
        ("image,bean,label\na.jpg,0,good\n", r"line 2 needs the number of a bean, counted from 1.*got '0'"),
        ("image,bean,label\na.jpg,x,good\n", r"got 'x'"),
        ("image,label\na.jpg,good\na.jpg,sour\n", r"line 3 calls a.jpg sour, an earlier line good: keep one"),
    ],
)
def test_unusable_tables_are_refused_by_line(tmp_path, text, message):
    with pytest.raises(SourceError, match=message):
        read_labels(table(tmp_path, text))


def test_a_missing_or_foreign_file_is_an_error(tmp_path):
    with pytest.raises(SourceError, match="cannot read the labels"):
        read_labels(tmp_path / "none.csv")
    with pytest.raises(SourceError, match="is not UTF-8"):
        read_labels(table(tmp_path, "image,label\nä.jpg,good\n", encoding="latin-1"))


def test_labels_that_match_no_photo_are_an_error_and_some_are_told(tmp_path):
    labels = read_labels(table(tmp_path, "image,label\na.jpg,good\nb.jpg,sour\n"))
    assert labels.check_against(["a.jpg", "c.jpg"], "lot") == ("b.jpg",)
    with pytest.raises(SourceError, match=r"none of the 2 photos in .*such as a.jpg, is in lot.*like x/a.jpg"):
        labels.check_against(["x/a.jpg"], "lot")
