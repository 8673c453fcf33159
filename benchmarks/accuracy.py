"""Train and evaluate a table of (data, recipe, seed) with the real commands; one line of JSON a run.

    python benchmarks/accuracy.py usk --data ../shared/data --recipes standard anogan --seeds 0 1 2
    python benchmarks/accuracy.py trays --data ../shared/data --recipes standard
    python benchmarks/accuracy.py mnist --data ../shared/data --recipes quick --limit 1000

``usk`` trains on ``usk/train/good`` and evaluates on ``usk/valid``. ``trays`` leaves each photo of ``healthy`` out in
turn, trains on the others and evaluates on the photo left out and all defective ones. ``mnist`` takes each digit in
turn as the one good class and evaluates on test digits, spread evenly over the files with ``--limit``.
``few`` trains on few of USK's good beans. ``dirty`` mixes defective beans of ``usk/valid`` into the good ones, 5 %
of all, and evaluates on the rest of ``usk/valid``, beside a training without them. ``drawn`` trains and evaluates on
trays drawn as ``cafepick demo`` draws them, three sets of them, with their exact masks. ``parts`` does so on drawn
industrial subjects (``parts.py``). Runs that stand in the result file already are not repeated; ``--summary`` prints
mean and spread of what stands there. Nothing here chooses anything by what it measures.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

from parts import write_parts

from cafepick.artefact import load_artefact
from cafepick.data.demo import write_demo_data

RESULTS = Path(__file__).parent / "results"
FEW = (50, 100, 300, 1000)
"""Good beans to learn from; the file ``accuracy-usk`` has what all 3,600 give."""
DRAWN = (7, 8, 9)
"""Seeds of sets of drawn trays; nothing was chosen by looking at them."""

PARTS = 7
"""The same of the drawn industrial subjects."""


@dataclass(frozen=True)
class Case:
    """One model to teach and to evaluate."""

    name: str
    train: list[str]
    """Arguments of ``cafepick train``, source first."""
    evaluate: list[str]
    """Arguments of ``cafepick evaluate``, source first."""


def usk(data: Path, limit: int | None, _scratch: Path) -> Iterator[Case]:
    yield Case("usk", [str(data / "usk/train/good"), "--subject", "beans"], [str(data / "usk/valid"), *only(limit)])


def trays(data: Path, _limit: int | None, scratch: Path) -> Iterator[Case]:
    healthy = sorted((data / "trays/healthy").iterdir())
    for left_out in healthy:
        folder = scratch / left_out.stem
        for photo in healthy:
            place = folder / ("test/healthy" if photo == left_out else "train")
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(photo, place)
        for kind in sorted(path for path in (data / "trays").iterdir() if path.is_dir() and path.name != "healthy"):
            shutil.copytree(kind, folder / "test" / kind.name, dirs_exist_ok=True)
        yield Case(f"trays/{left_out.stem}", [str(folder / "train")], [str(folder / "test"), "--good", "healthy"])


def mnist(data: Path, limit: int | None, _scratch: Path) -> Iterator[Case]:
    for digit in range(10):
        source = ["mnist", "--normal", str(digit), "--data-dir", str(data / "mnist")]
        yield Case(f"mnist/{digit}", [*source, "--size", "28"], [*source, *only(limit)])


def few(data: Path, limit: int | None, scratch: Path) -> Iterator[Case]:
    photos = sorted((data / "usk/train/good").iterdir())
    for count in FEW:
        folder = scratch / str(count)
        link_all([photos[index * len(photos) // count] for index in range(count)], folder)
        yield Case(f"few/{count}", [str(folder), "--subject", "beans"], [str(data / "usk/valid"), *only(limit)])


def dirty(data: Path, limit: int | None, scratch: Path) -> Iterator[Case]:
    good = sorted((data / "usk/train/good").iterdir())
    defective = sorted((data / "usk/valid/defect").iterdir())
    mixed_in = defective[:: len(defective) * 20 // len(good)][: len(good) // 19]  # 5 % of all
    link_all(good + mixed_in, scratch / "train")
    link_all(sorted((data / "usk/valid/good").iterdir()), scratch / "test/good")
    link_all([photo for photo in defective if photo not in mixed_in], scratch / "test/defect")
    for name, source in (("clean", data / "usk/train/good"), ("dirty", scratch / "train")):
        yield Case(f"dirty/{name}", [str(source), "--subject", "beans"], [str(scratch / "test"), *only(limit)])


def link_all(photos: list[Path], folder: Path) -> None:
    folder.mkdir(parents=True)
    for photo in photos:
        (folder / photo.name).symlink_to(photo.resolve())


def only(limit: int | None) -> list[str]:
    return ["--limit", str(limit)] if limit else []


def drawn(_data: Path, _limit: int | None, scratch: Path) -> Iterator[Case]:
    for number in DRAWN:
        drawing = write_demo_data(scratch / str(number), seed=number)
        folder = str(drawing.folder)
        yield Case(f"drawn/{number}", [folder, "--subject", "beans"], [folder, "--outlines", str(drawing.annotations)])


def parts(_data: Path, _limit: int | None, scratch: Path) -> Iterator[Case]:
    for folder in write_parts(scratch, seed=PARTS):
        yield Case(f"parts/{folder.name}", [str(folder)], [str(folder)])


DATA = {"usk": usk, "trays": trays, "mnist": mnist, "few": few, "dirty": dirty, "drawn": drawn, "parts": parts}


def cafepick(*words: str) -> dict[str, int]:
    """Run a command; return its seconds by the clock, and those that it kept processors busy."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "cafepick.cli.app", *words], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"clock": round(time.monotonic() - began), "processor": round(busy)}


def measure(case: Case, recipe: str, seed: int, extra: list[str], keep: Path | None) -> dict[str, Any]:
    """Teach and evaluate one model; return what came out."""
    with tempfile.TemporaryDirectory() as name:
        model, out = Path(name) / "model.cafepick", Path(name) / "out"
        train = ["train", *case.train, "--model", str(model), "--recipe", recipe, "--seed", str(seed), *extra]
        kept = None if keep is None else keep / f"{case.name.replace('/', '-')}-{recipe}-{seed}"
        resumed = kept is not None and (kept / "model.run").is_dir()
        if kept is not None and resumed:  # trained before: only what follows is done anew
            shutil.copytree(kept / "model.run", model.with_suffix(".run"))
            train += ["--resume", str(model.with_suffix(".run"))]
        train_seconds = cafepick(*train)
        evaluate_seconds = cafepick("evaluate", *case.evaluate, "--model", str(model), "--out", str(out))
        metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
        header = load_artefact(model).header
        if kept is not None:
            shutil.copytree(name, kept, dirs_exist_ok=True)
    columns = (
        "auroc",
        "average_precision",
        "parts",
        "false_reject",
        "promise",
        "miss_rate",
        "subjects",
        "finding",
        "pixel",
    )
    return {
        "case": case.name,
        "recipe": recipe,
        "seed": seed,
        "extra": extra,
        "networks_trained_before": resumed,
        "steps": header["training"]["gan"]["steps"],
        "search": header["search"],
        "seconds": {"train": train_seconds, "evaluate": evaluate_seconds},
        **{key: metrics[key] for key in columns},
        "classes": {name: found["auroc"] for name, found in metrics["classes"].items()},
        "date": metrics["date"],
        "versions": metrics["versions"],
        "machine": {"processor": platform.processor() or platform.machine(), "system": platform.platform()},
    }


def summary(results: list[dict[str, Any]]) -> str:
    """Mean and spread over seeds of each case and recipe."""
    lines = []
    for case, recipe, *extra in sorted({(row["case"], row["recipe"], *row["extra"]) for row in results}):
        rows = [row for row in results if (row["case"], row["recipe"], row["extra"]) == (case, recipe, extra)]
        found = {"score": [row["auroc"]["value"] for row in rows]}
        if all(row.get("pixel") for row in rows):
            found |= {f"pixel {name}": [row["pixel"][name] for row in rows] for name in ("auroc", "aupro")}
        found |= {part: [row["parts"][part] for row in rows] for part in ("residual", "discrimination")}
        numbers = "  ".join(f"{name} {mean(values):.3f} ± {pstdev(values):.3f}" for name, values in found.items())
        lines.append(f"{case:<28} {' '.join((recipe, *extra)):<9} {len(rows)} seeds  {numbers}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("of", choices=DATA)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--recipes", nargs="+", default=["standard"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--limit", type=int, help="evaluate on so many photos")
    parser.add_argument("--extra", nargs=argparse.REMAINDER, default=[], help="more arguments of cafepick train")
    parser.add_argument("--keep", type=Path, help="folder for models, runs and reports")
    parser.add_argument("--summary", action="store_true")
    asked = parser.parse_args()
    path = RESULTS / f"accuracy-{asked.of}.jsonl"
    results = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    if not asked.summary:
        with tempfile.TemporaryDirectory() as scratch:
            for case in DATA[asked.of](asked.data, asked.limit, Path(scratch)):
                for recipe in asked.recipes:
                    for seed in asked.seeds:
                        key = (case.name, recipe, seed, asked.extra)
                        if key in [(row["case"], row["recipe"], row["seed"], row["extra"]) for row in results]:
                            continue
                        results.append(measure(case, recipe, seed, asked.extra, asked.keep))
                        path.parent.mkdir(exist_ok=True)
                        with path.open("a", encoding="utf-8") as lines:
                            lines.write(json.dumps(results[-1]) + "\n")
    print(summary(results))


if __name__ == "__main__":
    main()
