"""What a closer look at whole subjects brings, the appearance by itself: AUROC with it and without, in a few minutes.

    pip install scikit-image  # for the real textures; without it they are left out
    python benchmarks/closer_look.py --data ../shared/data --json benchmarks/results/closer_look.json

The closer look was developed on these: ``printed``, a drawn label that lies nearly alike; ``brick``, ``gravel`` and
``grass``, windows of photographs that scikit-image brings, the upper part to learn from and the lower to judge, with
drawn defects; ``usk``, photographs of single beans as if they were the subjects. ``accuracy.py parts`` has others.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy and OpenCV start their threads

import cv2
import numpy as np
from numpy.typing import NDArray

from cafepick.beans.closer import side_for
from cafepick.beans.crop import crop_whole
from cafepick.beans.descriptors import descriptors_of, layout_of
from cafepick.config import CropConfig
from cafepick.files import write_json
from cafepick.images import read_photo
from cafepick.scoring.appearance import apart_from_self, fit_appearance
from cafepick.scoring.metrics import auroc

SIDE = 256
LEARN, GOOD, DEFECTIVE = 200, 80, 30
"""Photos to learn from; good ones to judge; defective ones of each kind."""
TEXTURES = {"brick": "gravel", "gravel": "grass", "grass": "brick"}
"""Each with another, of which foreign patches are."""

Random = np.random.Generator
Picture = NDArray[np.float64]
"""(SIDE, SIDE) or (SIDE, SIDE, 3), 0..255."""
Photo = NDArray[np.uint8]


class Subject(NamedTuple):
    """Photos of one kind of thing."""

    learn: list[Photo]
    judge: list[Photo]
    kinds: list[str]
    """Of those to judge: ``good``, or the defect's."""


def texture(name: str) -> Subject:
    from skimage import data  # noqa: PLC0415 - optional

    whole, other = (np.asarray(getattr(data, one)(), np.float64) for one in (name, TEXTURES[name]))
    random = np.random.default_rng(0)

    def window(low: int, high: int) -> Picture:
        y, x = random.integers(low, high - 223), random.integers(0, 289)
        shown = cv2.resize(whole[y : y + 224, x : x + 224], (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        return shown * random.uniform(0.93, 1.07)

    def foreign(picture: Picture) -> Picture:
        y, x = random.integers(0, 256, 2)
        patch = other[y : y + SIDE, x : x + SIDE]
        return (patch - patch.mean()) / patch.std() * picture.std() + picture.mean()

    spoil: dict[str, Callable[[Picture], Picture]] = {
        "scratch": lambda p: _mixed(p, _line(random), random.choice([30.0, 225.0]), 0.7, 0.8),
        "stain": lambda p: _mixed(p, _blob(random, 8, 20), random.choice([40.0, 200.0]), 0.6, 1.5),
        "worn": lambda p: _mixed(p, _blob(random, 14, 30), cv2.GaussianBlur(p, (0, 0), 5), 1, 2),
        "foreign": lambda p: _mixed(p, _blob(random, 14, 30), foreign(p), 1, 2),
        "turned": lambda p: _mixed(p, _blob(random, 14, 30), np.rot90(p), 1, 2),
    }
    return _subject(random, lambda: window(0, 280), lambda: window(288, 512), spoil, lambda p: p)


def printed() -> Subject:
    random, label = np.random.default_rng(99), _label()

    def placed(picture: Picture) -> Picture:
        """As a camera sees it: not quite the same way, in uneven light."""
        turn = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), random.normal(0, 1.5), 1 + random.normal(0, 0.01))
        turn[:, 2] += random.normal(0, 2, 2)
        seen = cv2.warpAffine(picture, turn, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
        y, x = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
        light = random.uniform(0.95, 1.05) * (1 + random.uniform(-0.1, 0.1) * x + random.uniform(-0.1, 0.1) * y)
        return seen * light[..., None]

    def missing(picture: Picture) -> Picture:
        x, y = int(random.uniform(0.2, 0.65) * SIDE), int(random.choice([0.36, 0.57]) * SIDE)
        found = picture.copy()
        found[y : y + 30, x : x + int(random.uniform(10, 30))] = (225, 222, 160)
        return found

    spoil: dict[str, Callable[[Picture], Picture]] = {
        "scratch": lambda p: _mixed(p, _line(random), random.choice([60.0, 230.0]), 0.7, 0.8),
        "missing": missing,
        "stain": lambda p: _mixed(p, _blob(random, 5, 14), np.array([150.0, 120, 60]), 0.5, 1),
        "smeared": lambda p: _mixed(p, _blob(random, 10, 20), cv2.GaussianBlur(p, (0, 0), 3), 1, 2),
    }
    return _subject(random, lambda: label, lambda: label, spoil, placed)


def usk(data: Path) -> Subject:
    def some(folder: str, count: int) -> list[Photo]:
        paths = sorted((data / "usk" / folder).iterdir())
        return [read_photo(path) for path in paths[:: len(paths) // count][:count]]

    judge = [(photo, kind) for kind in ("good", "defect") for photo in some(f"valid/{kind}", 200)]
    return Subject(some("train/good", 400), [photo for photo, _ in judge], [kind for _, kind in judge])


def _subject(
    random: Random,
    learnt: Callable[[], Picture],
    judged: Callable[[], Picture],
    spoil: dict[str, Callable[[Picture], Picture]],
    placed: Callable[[Picture], Picture],
) -> Subject:
    def taken(picture: Picture) -> Photo:
        noisy = np.clip(picture + random.normal(0, 2.5, picture.shape), 0, 255).astype(np.uint8)
        return noisy if noisy.ndim == 3 else np.repeat(noisy[..., None], 3, axis=2)

    learn = [taken(placed(learnt())) for _ in range(LEARN)]
    judge = [taken(placed(judged())) for _ in range(GOOD)]
    judge += [taken(placed(work(judged()))) for work in spoil.values() for _ in range(DEFECTIVE)]
    return Subject(learn, judge, ["good"] * GOOD + [kind for kind in spoil for _ in range(DEFECTIVE)])


def _mixed(picture: Picture, mask: NDArray[np.bool_], other: Any, strength: float, softness: float) -> Picture:
    share = strength * cv2.GaussianBlur(mask.astype(np.float64), (0, 0), softness)
    share = share if picture.ndim == 2 else share[..., None]
    return picture * (1 - share) + other * share


def _line(random: Random) -> NDArray[np.bool_]:
    turn, middle = random.uniform(0, 2 * np.pi), random.uniform(0.2, 0.8, 2) * SIDE
    step = np.array([np.cos(turn), np.sin(turn)]) * random.uniform(12, 40)
    ends = [tuple(int(v) for v in middle + side * step) for side in (-1, 1)]
    return cv2.line(np.zeros((SIDE, SIDE), np.uint8), ends[0], ends[1], 1, int(random.integers(1, 5))) > 0


def _blob(random: Random, least: float, most: float) -> NDArray[np.bool_]:
    y, x = np.mgrid[:SIDE, :SIDE]
    middle, axes = random.uniform(0.15, 0.85, 2) * SIDE, random.uniform(least, most, 2)
    wobble = cv2.GaussianBlur(random.normal(0, 1, (SIDE, SIDE)), (0, 0), 6) * 4
    return ((x - middle[0]) / axes[0]) ** 2 + ((y - middle[1]) / axes[1]) ** 2 + wobble < 1


def _label() -> Picture:
    large = np.full((4 * SIDE, 4 * SIDE, 3), (200, 196, 190), np.uint8)
    cv2.circle(large, (512, 512), 430, (225, 222, 160), -1, cv2.LINE_AA)
    for text, at, size, colour, thick in (
        ("CP-40", (205, 491), 7.2, (40, 40, 60), 22),
        ("12V 3A", (246, 676), 5.0, (120, 30, 30), 16),
    ):
        cv2.putText(large, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, colour, thick, cv2.LINE_AA)
    for x, y in ((773, 773), (251, 773), (251, 251), (773, 251)):
        cv2.circle(large, (x, y), 30, (70, 70, 70), -1, cv2.LINE_AA)
    return cv2.resize(large, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float64)


def measured(subject: Subject, *, closely: bool) -> dict[str, Any]:
    """AUROC of the appearance, of what it joins, and by kind of defect."""
    plain = CropConfig(subject="whole")
    detail = side_for(min(subject.learn[0].shape[:2]), plain.size) if closely else None
    config = CropConfig(subject="whole", detail=detail)
    learn, judge = (
        descriptors_of([crop_whole(photo, config) for photo in some], config) for some in (subject.learn, subject.judge)
    )
    layout = layout_of(config)
    good = apart_from_self(learn, seed=0, layout=layout)
    known = fit_appearance(learn, seed=0, layout=layout).scaled(good)
    aspects = known.aspects(judge, known.answers(judge))
    scores, kinds = known.joined(aspects), np.array(subject.kinds)

    def told(values: NDArray[np.float64], kind: str | None = None) -> float:
        rows = np.ones(len(kinds), bool) if kind is None else np.isin(kinds, ["good", kind])
        return round(auroc(kinds[rows] != "good", values[rows]), 3)

    return {
        "auroc": told(scores),
        "by_kind": {kind: told(scores, kind) for kind in sorted({*subject.kinds} - {"good"})},
        "parts": dict(zip(("grid", "here", "anywhere"), map(told, aspects.T), strict=False)),
    }


def subjects(data: Path) -> Iterator[tuple[str, Subject]]:
    yield "printed", printed()
    try:
        yield from ((name, texture(name)) for name in TEXTURES)
    except ModuleNotFoundError:
        print("scikit-image is not installed: no real textures")
    yield "usk", usk(data)


def main() -> None:
    """Measure all and print or write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found: dict[str, Any] = {}
    for name, subject in subjects(options.data):
        found[name] = {
            "learnt_from": len(subject.learn),
            "judged": len(subject.judge),
            **{way: measured(subject, closely=way == "closely") for way in ("crop alone", "closely")},
        }
        print(name, json.dumps(found[name]), flush=True)
    if options.json:
        write_json(options.json, found)


if __name__ == "__main__":
    main()
