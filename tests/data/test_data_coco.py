"""Annotation files give each photo its outlines; what cannot be used is named."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cafepick.data.coco import attach, read_coco
from cafepick.errors import SourceError
from cafepick.types import Item

SQUARE = [10, 10, 20, 10, 20, 20, 10, 20]
SMALL = [0, 0, 2, 0, 2, 2]


def annotation(
    id_: int, image: int = 1, category: int = 1, segmentation: Any = (SQUARE,), **more: Any
) -> dict[str, Any]:
    return {"id": id_, "image_id": image, "category_id": category, "segmentation": segmentation, **more}


def written(folder: Path, annotations: list[dict[str, Any]], names: tuple[str, ...] = ("a.jpg", "sub/b.jpg")) -> Path:
    content = {
        "images": [{"id": i, "file_name": name} for i, name in enumerate(names, start=1)],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "good"}, {"id": 2, "name": "black"}],
    }
    path = folder / "annotations.json"
    path.write_text(json.dumps(content))
    return path


def test_each_photo_has_its_outlines_and_classes(tmp_path: Path):
    annotations = [annotation(1), annotation(2, category=2, segmentation=[SMALL]), annotation(3, image=2, category=2)]
    first, second = read_coco(written(tmp_path, annotations)).items
    assert (first.path, first.name) == (tmp_path / "a.jpg", "a.jpg")
    assert first.outlines is not None
    np.testing.assert_array_equal(first.outlines[0], [[10, 10], [20, 10], [20, 20], [10, 20]])
    assert first.outlines[0].dtype == np.float32
    assert first.outline_labels == ("good", "black")
    assert first.label is None
    assert second.label == "black"
    assert second.path == tmp_path / "sub" / "b.jpg"


def test_a_photo_without_annotations_has_no_beans(tmp_path: Path):
    item = read_coco(written(tmp_path, [], names=("a.jpg",))).items[0]
    assert (item.outlines, item.outline_labels, item.label) == ((), (), None)


def test_crowds_are_left_out_even_as_rle(tmp_path: Path):
    crowd = annotation(1, segmentation={"counts": [1, 2], "size": [3, 1]}, iscrowd=1)
    assert read_coco(written(tmp_path, [crowd, annotation(2)])).items[0].outline_labels == ("good",)


def test_of_several_polygons_the_largest_counts(tmp_path: Path):
    path = written(tmp_path, [annotation(1, segmentation=[SMALL, SQUARE])])
    outlines = read_coco(path).items[0].outlines
    assert outlines is not None
    assert outlines[0].max() == 20


@pytest.mark.parametrize(
    "polygon",
    [
        [1, 1, 2, 2],
        [1, 1, 2, 2, 3, 3],
        [],
        [1, 2, 3, 4, 5],
        [0, 0, 1, 0, float("nan"), 1],
        [0, 0, 1e9, 0, 1e9, 1e9],
        [0, 0, float("inf"), 0, 9, 9],
    ],
)
def test_polygons_without_area_are_left_out_and_counted(tmp_path: Path, polygon: list[float]):
    coco = read_coco(written(tmp_path, [annotation(7, segmentation=[polygon]), annotation(8)]))
    assert coco.unusable == (7,)
    assert coco.items[0].outline_labels == ("good",)


def test_windows_paths_are_understood(tmp_path: Path):
    assert read_coco(written(tmp_path, [], names=("sub\\a.jpg",))).items[0].name == "sub/a.jpg"


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        ([annotation(4, segmentation={"counts": "abc"})], "annotation 4 is a mask in RLE, which is not supported"),
        ([annotation(4, segmentation=[])], "annotation 4 has no polygon, only a box: draw outlines"),
        ([annotation(4, image=9)], "annotation 4 refers to photo 9 and category 1, which the file does not list"),
        ([annotation(4, category=9)], "annotation 4 refers to photo 1 and category 9"),
        ([{"id": 4}], r"is no COCO file \(KeyError: 'image_id'\): it needs the lists"),
        ([annotation(4, segmentation=["text"])], "is no COCO file"),
        (["text"], "is no COCO file"),
    ],
)
def test_unusable_annotations_are_refused(tmp_path: Path, annotations: list[Any], message: str):
    with pytest.raises(SourceError, match=message):
        read_coco(written(tmp_path, annotations))


def images_only(*names: str, ids: tuple[int, ...]) -> str:
    images = [{"id": i, "file_name": name} for i, name in zip(ids, names, strict=True)]
    return json.dumps({"images": images, "annotations": [], "categories": []})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"cannot be read as JSON"),
        ('{"images": [', "cannot be read as JSON"),
        ("\xff", "cannot be read as JSON"),
        ("[]", "is no COCO file"),
        ('{"accuracy": 1}', r"is no COCO file .*categories"),
        ('{"images": [], "annotations": [], "categories": []}', "lists no photos"),
        (images_only("a", "b", ids=(1, 1)), "gives several photos the same id"),
        (images_only("a", "a", ids=(1, 2)), "lists a more than once"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, message: str):
    path = tmp_path / "a.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(SourceError, match=message):
        read_coco(path)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(SourceError, match=r"there is no annotation file .*a\.json: check the name"):
        read_coco(tmp_path / "a.json")


def items_of(root: Path, *names: str) -> list[Item]:
    return [Item(root / name, name) for name in names]


def test_photos_are_matched_by_their_place_first(tmp_path: Path):
    coco = read_coco(
        written(tmp_path, [annotation(1), annotation(2, image=2, category=2)], names=("b.jpg", "sub/b.jpg"))
    )
    joined, without = attach(items_of(tmp_path / "sub", "b.jpg"), coco, tmp_path / "sub")
    assert joined[0].outline_labels == ("black",)
    assert joined[0].name == "b.jpg"
    assert without == ()


def test_photos_elsewhere_are_matched_by_relative_path_then_by_name(tmp_path: Path):
    coco = read_coco(written(tmp_path, [annotation(1), annotation(2, image=2, category=2)]))
    joined, without = attach(items_of(Path("elsewhere"), "sub/b.jpg", "deep/a.jpg", "c.jpg"), coco, Path("elsewhere"))
    assert [item.outline_labels for item in joined] == [("black",), ("good",), None]
    assert without == ("c.jpg",)


def test_a_name_that_is_not_unique_matches_nothing(tmp_path: Path):
    coco = read_coco(written(tmp_path, [annotation(1)], names=("a.jpg", "b.jpg")))
    joined, without = attach(items_of(Path("elsewhere"), "x/a.jpg", "y/a.jpg", "b.jpg"), coco, Path("elsewhere"))
    assert [item.outlines is None for item in joined] == [True, True, False]
    assert without == ("x/a.jpg", "y/a.jpg")


def test_a_file_for_other_photos_is_refused(tmp_path: Path):
    coco = read_coco(written(tmp_path, [annotation(1)]))
    with pytest.raises(
        SourceError, match=r"none of the 1 photos in .* is in .*annotations\.json, which names 2 photos such as a\.jpg"
    ):
        attach(items_of(tmp_path, "other.jpg"), coco, tmp_path)


@pytest.mark.data
def test_the_real_trays(data_dir: Path):
    coco = read_coco(data_dir / "trays" / "annotations.json")
    assert len(coco.items) == 25
    assert sum(len(item.outlines or ()) for item in coco.items) + len(coco.unusable) == 2_230
    assert all(item.label == item.name.split("/")[0] for item in coco.items)
    assert all(item.path.is_file() for item in coco.items)
