"""Whatever a source is, it lists the photos that a person would expect, in order, with what it knows about them."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cafepick.data.folders import natural_key
from cafepick.data.sources import Purpose, Source, open_source
from cafepick.errors import PhotoError, SourceError
from cafepick.images import read_photo, write_image

PIXEL = np.full((2, 3, 3), 200, np.uint8)


def photos(root: Path, *names: str) -> Path:
    for name in names:
        write_image(root / name, PIXEL)
    return root


def names(source: Source) -> list[str]:
    return [item.name for item in source.items]


def labels(source: Source) -> list[str | None]:
    return [item.label for item in source.items]


def test_a_file(tmp_path: Path):
    photos(tmp_path, "a.png", "b.png")
    source = open_source(tmp_path / "a.png")
    assert (source.kind, source.root, names(source), labels(source)) == ("file", tmp_path, ["a.png"], [None])
    np.testing.assert_array_equal(source.read(source.items[0]), PIXEL)


def test_a_folder_is_listed_at_any_depth_in_natural_order(tmp_path: Path):
    photos(tmp_path, "bean10.png", "bean2.png", "Bean1.jpg", "b/c/x.png", "b/10/x.png", "b/9/x.png")
    source = open_source(str(tmp_path))
    assert source.kind == "folder"
    assert names(source) == ["b/9/x.png", "b/10/x.png", "b/c/x.png", "Bean1.jpg", "bean2.png", "bean10.png"]
    assert labels(source) == ["9", "10", "c", None, None, None]


def test_labels_are_the_names_of_subfolders(tmp_path: Path):
    photos(tmp_path, "good/a.png", "black/a.png")
    assert labels(open_source(tmp_path)) == ["black", "good"]
    assert labels(open_source(tmp_path / "good")) == [None]


def test_good_is_good_in_any_case(tmp_path: Path):
    assert labels(open_source(photos(tmp_path, "Good/a.png", "Black/a.png"))) == ["Black", "good"]


def test_side_files_and_hidden_ones_are_passed_over(tmp_path: Path):
    photos(tmp_path, "a.png", ".hidden.png", ".git/b.png", "sub/.c/d.png")
    for name in ("notes.txt", "annotations.json", "Thumbs.db", ".DS_Store", "README", "scores.CSV"):
        (tmp_path / name).write_text("text")
    assert names(open_source(tmp_path)) == ["a.png"]


def test_what_was_meant_as_a_photo_fails_when_read_not_when_listed(tmp_path: Path):
    photos(tmp_path, "a.png")
    for name in ("b.heic", "c.gif", "d.NEF", "e", "f.mp4", "g.jpg"):
        (tmp_path / name).write_bytes(b"nothing of use")
    source = open_source(tmp_path)
    assert names(source) == ["a.png", "b.heic", "c.gif", "d.NEF", "e", "f.mp4", "g.jpg"]
    for item in source.items[1:]:
        with pytest.raises(PhotoError, match=item.name):
            source.read(item)


def test_a_photo_without_a_suffix_is_read(tmp_path: Path):
    photos(tmp_path, "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a")
    source = open_source(tmp_path)
    np.testing.assert_array_equal(source.read(source.items[0]), PIXEL)


def test_links_in_a_circle_end(tmp_path: Path):
    photos(tmp_path, "a/x.png", "b/y.png")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "b").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "a").symlink_to(tmp_path / "a")
    assert len(open_source(tmp_path).items) == 2
    assert len(open_source(f"{tmp_path}/**/*.png").items) == 2


def test_links_to_photos_elsewhere_are_followed(tmp_path: Path):
    photos(tmp_path / "elsewhere", "deep/x.png")
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "source" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    source = open_source(tmp_path / "source")
    assert names(source) == ["gone.png", "linked/deep/x.png"]
    with pytest.raises(PhotoError, match=r"there is no photo .*gone\.png"):
        source.read(source.items[0])


def test_results_of_an_earlier_run_are_not_looked_at_again(tmp_path: Path):
    photos(tmp_path, "a.png", "test_result/overlays/a.png")
    (tmp_path / "test_result" / "scores.csv").touch()
    assert len(open_source(tmp_path).items) == 2
    (tmp_path / "test_result" / "summary.json").touch()
    assert names(open_source(tmp_path)) == ["a.png"]


def test_results_beside_the_photos_are_not_looked_at_again(tmp_path: Path):
    photos(tmp_path, "a.png", "overlays/a.png", "masks/a.png", "panels/a/001.png")
    for name in ("scores.csv", "summary.json"):
        (tmp_path / name).touch()
    assert names(open_source(tmp_path)) == ["a.png"]


@pytest.mark.parametrize(
    "left", [("scores.partial.jsonl",), ("checkpoint.safetensors", "log.csv")], ids=["detect", "train"]
)
def test_what_an_unfinished_run_drew_is_no_photo(tmp_path: Path, left: tuple[str, ...]):
    photos(tmp_path, "a.png", "run/overlays/a.png", "run/samples/step_000005.png")
    for name in left:
        (tmp_path / "run" / name).touch()
    assert names(open_source(tmp_path)) == ["a.png"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("*_cropped.png", ["a_cropped.png", "sub/b_cropped.png"]), ("*.JPG", ["c.jpg"]), ("?.*", ["a.png", "c.jpg"])],
)
def test_pattern_chooses_by_file_name(tmp_path: Path, pattern: str, expected: list[str]):
    photos(tmp_path, "a.png", "a_cropped.png", "sub/b_cropped.png", "c.jpg")
    assert names(open_source(tmp_path, pattern=pattern)) == expected


@pytest.mark.parametrize(
    ("wanted", "root", "expected"),
    [
        ("*.png", "", ["a.png", "b.png"]),
        ("**/*.png", "", ["a.png", "b.png", "one/c.png", "one/two/d.png"]),
        ("one/**", "one", ["c.png", "e.jpg", "two/d.png"]),
        ("**/two/*", "", ["one/two/d.png"]),
        ("o*/*", "", ["one/c.png", "one/e.jpg"]),
        ("o*/**/*.png", "", ["one/c.png", "one/two/d.png"]),
        ("[ab].png", "", ["a.png", "b.png"]),
        ("one/?.[pj]*", "one", ["c.png", "e.jpg"]),
    ],
)
def test_globs(tmp_path: Path, wanted: str, root: str, expected: list[str]):
    photos(tmp_path, "a.png", "b.png", "one/c.png", "one/e.jpg", "one/two/d.png")
    source = open_source(f"{tmp_path}/{wanted}")
    assert (source.kind, source.root, names(source)) == ("glob", tmp_path / root, expected)


def test_relative_globs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    photos(tmp_path, "a.png", "sub/b.png")
    monkeypatch.chdir(tmp_path)
    assert names(open_source("*.png")) == ["a.png"]
    assert names(open_source("**/*.png")) == ["a.png", "sub/b.png"]
    assert names(open_source("sub/*.png")) == ["b.png"]


def test_a_file_with_brackets_in_its_name_is_no_glob(tmp_path: Path):
    photos(tmp_path, "bean[1].png")
    assert open_source(tmp_path / "bean[1].png").kind == "file"


def mvtec(root: Path) -> Path:
    photos(
        root, "train/good/000.png", "train/good/001.png", "test/good/000.png", "test/crack/000.png", "test/hole/000.png"
    )
    return photos(root, "ground_truth/crack/000_mask.png", "ground_truth/hole/000.png")


def test_mvtec_training_takes_the_good_training_photos(tmp_path: Path):
    source = open_source(mvtec(tmp_path), purpose="train")
    assert source.kind == "mvtec"
    assert names(source) == ["train/good/000.png", "train/good/001.png"]
    assert labels(source) == ["good", "good"]
    assert source.note == "MVTec layout: 2 photos from train/good"


def test_mvtec_detection_takes_the_test_photos_with_labels_and_masks(tmp_path: Path):
    source = open_source(mvtec(tmp_path))
    assert names(source) == ["test/crack/000.png", "test/good/000.png", "test/hole/000.png"]
    assert labels(source) == ["crack", "good", "hole"]
    truth = tmp_path / "ground_truth"
    assert [item.mask_path for item in source.items] == [truth / "crack/000_mask.png", None, truth / "hole/000.png"]


def test_training_takes_good_alone_where_other_classes_lie_beside_it(tmp_path: Path):
    photos(tmp_path, "good/a.png", "good/b.png", "black/c.png", "sour/d.png", "e.png")
    source = open_source(tmp_path, purpose="train")
    assert names(source) == ["good/a.png", "good/b.png"]
    assert source.note == "only the 2 photos in good count as good; left out: 1 in black, 1 in no folder, 1 in sour"
    assert len(open_source(tmp_path).items) == 5


@pytest.mark.parametrize("name", ["healthy", "Normal", "ok"])
def test_training_knows_good_ones_by_their_other_names(tmp_path: Path, name: str):
    source = open_source(photos(tmp_path, f"{name}/a.png", "black/c.png"), purpose="train")
    assert names(source) == [f"{name}/a.png"]
    assert source.note == f"only the 1 photos in {name} count as good; left out: 1 in black"
    both = open_source(photos(tmp_path, "good/b.png"), purpose="train")
    assert names(both) == ["good/b.png"], "the first name that is there counts, as in an evaluation"


def test_training_on_classes_without_good_takes_all_and_says_so(tmp_path: Path):
    source = open_source(photos(tmp_path, "monday/a.png", "black/c.png"), purpose="train")
    assert len(source.items) == 2
    assert source.note is not None
    assert source.note.startswith(
        "all photos count as good: 1 in black, 1 in monday; if only some are, name these alone"
    )


def test_training_on_one_class_has_nothing_to_say(tmp_path: Path):
    assert open_source(photos(tmp_path, "good/a.png"), purpose="train").note is None


def annotations(folder: Path, classes: dict[str, list[str]]) -> Path:
    """Write a COCO file: photo name -> class of each of its outlines."""
    categories = sorted({name for found in classes.values() for name in found})
    images = [{"id": i, "file_name": name} for i, name in enumerate(classes)]
    outlines = [
        {"id": 100 * i + j, "image_id": i, "category_id": categories.index(name), "segmentation": [[0, 0, 2, 0, 2, 2]]}
        for i, found in enumerate(classes.values())
        for j, name in enumerate(found)
    ]
    path = folder / "annotations.json"
    named = [{"id": i, "name": name} for i, name in enumerate(categories)]
    path.write_text(json.dumps({"images": images, "annotations": outlines, "categories": named}))
    return path


def test_a_coco_file_is_a_source(tmp_path: Path):
    photos(tmp_path, "good/a.png", "b.png")
    source = open_source(annotations(tmp_path, {"good/a.png": ["good"], "b.png": ["good", "black"]}))
    assert (source.kind, source.root) == ("coco", tmp_path)
    assert names(source) == ["good/a.png", "b.png"]
    assert labels(source) == ["good", None]
    np.testing.assert_array_equal(source.read(source.items[1]), PIXEL)


def test_training_on_a_coco_file_takes_good_outlines_alone(tmp_path: Path):
    path = annotations(tmp_path, {"a.png": ["good", "black", "good"], "b.png": ["black"], "c.png": []})
    source = open_source(path, purpose="train")
    assert names(source) == ["a.png"]
    assert source.items[0].outline_labels == ("good", "good")
    assert len(source.items[0].outlines or ()) == 2
    assert source.note == "only the 2 outlines in good count as good; left out: 2 in black"


def test_training_on_a_coco_file_knows_good_outlines_by_their_other_names(tmp_path: Path):
    path = annotations(tmp_path, {"a.png": ["healthy", "black"], "b.png": ["black"]})
    source = open_source(path, purpose="train")
    assert [(item.name, item.label, item.outline_labels) for item in source.items] == [
        ("a.png", "healthy", ("healthy",))
    ]


def test_outlines_for_a_folder_and_a_word_about_photos_without(tmp_path: Path):
    root = photos(tmp_path, "a.png", *(f"c{i}.png" for i in range(7)))
    source = open_source(root, outlines=annotations(tmp_path, {"a.png": ["black"]}))
    assert source.items[0].outline_labels == ("black",)
    assert source.items[0].label == "black"
    assert source.items[1].outlines is None
    assert source.note is not None
    assert source.note.startswith("7 of 8 photos have no outlines in ")
    assert source.note.endswith("so their beans are looked for: c0.png, c1.png, c2.png, c3.png, c4.png and 2 more")


def test_folders_decide_before_outlines_which_photos_are_good(tmp_path: Path):
    root = photos(tmp_path, "good/a.png", "black/b.png")
    file = annotations(tmp_path, {"good/a.png": ["healthy"], "black/b.png": ["black"]})
    source = open_source(root, purpose="train", outlines=file)
    assert names(source) == ["good/a.png"]
    assert source.items[0].label == "good"


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("nowhere", {}, "there is no file or folder .*nowhere: check the name, or put a glob in quotes"),
        ("empty", {}, r"found no photos in .*empty and its folders: photos end in \.bmp, \.jpeg"),
        ("texts", {}, r"found no photos in .*texts and its folders; 1 other files are there, e\.g\. a\.txt"),
        (".", {"pattern": "*.webp"}, r"found no photos named \*\.webp in .*; \d other files are there"),
        ("*.tif", {}, r"found no photos in what .*\*\.tif matches: photos end in"),
        ("nowhere/**/*.png", {}, "found no photos in what .* matches"),
        (".", {"normal": [8]}, "--normal goes with the source mnist only: leave it out"),
        (".", {"outlines": Path("nowhere.json")}, r"there is no annotation file nowhere\.json"),
    ],
)
def test_nothing_usable(tmp_path: Path, source: str, options: dict[str, object], message: str):
    photos(tmp_path, "a.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").touch()
    with pytest.raises(SourceError, match=message):
        open_source(f"{tmp_path}/{source}", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("source", ["mnist", "annotations.json"])
def test_outlines_go_with_photos_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str):
    monkeypatch.chdir(tmp_path)
    path = annotations(tmp_path, {"a.png": ["good"]})
    with pytest.raises(SourceError, match="--outlines goes with a file, a folder or a glob only"):
        open_source(source, outlines=path)


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(path: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(SourceError, match=r"cannot look into .*: Permission denied; check the permissions"):
        open_source(tmp_path)


@given(numbers=st.lists(st.integers(0, 10**6), unique=True, min_size=2, max_size=20), seed=st.integers(0, 99))
def test_numbered_names_sort_by_number(numbers: list[int], seed: int):
    ordered = [f"Tray {number} b.jpg" for number in sorted(numbers)]
    shuffled = random.Random(seed).sample(ordered, len(ordered))
    assert sorted(shuffled, key=natural_key) == ordered


@given(texts=st.lists(st.text(st.sampled_from("aA1٣²/.é9"), max_size=6), max_size=8))
def test_any_names_can_be_sorted_and_different_ones_differ(texts: list[str]):
    assert len(sorted(texts, key=natural_key)) == len(texts)
    assert len({str(natural_key(text)) for text in texts}) == len(set(texts))


@pytest.mark.data
def test_real_mnist_is_read_once_and_gives_photos(data_dir: Path):
    for folder in (data_dir / "mnist", data_dir):
        source = open_source("mnist", normal=[8], data_dir=folder)
        assert (source.kind, len(source.items)) == ("mnist", 10_000)
        photo = source.read(source.items[61])
        assert (photo.shape, photo.dtype) == ((28, 28, 3), np.uint8)
        assert source.items[61].label == "good"


@pytest.mark.data
def test_real_folders(data_dir: Path):
    source = open_source(data_dir / "usk" / "valid")
    assert {label: labels(source).count(label) for label in set(labels(source))} == {"good": 1200, "defect": 400}
    healthy = open_source(data_dir / "trays" / "healthy", outlines=data_dir / "trays" / "annotations.json")
    assert set(labels(healthy)) == {"healthy"}
    assert healthy.note is None
    np.testing.assert_array_equal(healthy.read(healthy.items[0]), read_photo(healthy.items[0].path))


@pytest.mark.parametrize("purpose", ["train", "detect"])
def test_an_empty_name_is_not_the_folder_that_one_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, purpose: Purpose
):
    photos(tmp_path, "a.png")
    monkeypatch.chdir(tmp_path)
    assert names(open_source(".", purpose=purpose)) == ["a.png"]
    with pytest.raises(SourceError, match=r"the source is an empty name: .* \. is this folder"):
        open_source("", purpose=purpose)
