"""What each part of the method brings: the rows of the ablation that ``accuracy.py`` does not measure already.

    python benchmarks/ablation.py usk --data ../shared/data --recipe standard --seeds 0 1 2
    python benchmarks/ablation.py trays --recipe quick
    python benchmarks/ablation.py mnist --recipe quick --limit 500

Cases and commands are those of ``accuracy.py``. Two trainings a case and seed, all networks of the recipe's width:

- ``anogan``: the recipe of the paper, as many steps as GAN and encoder of the recipe together, and 100 steps of search
  instead of 500; everything else as in the paper.
- ``plain``: the recipe without made-up defects anywhere, and with the reconstruction alone for a score. By ``exact``
  it tells what the better GAN brings; by ``fast``, what the encoder does.

What made-up defects, comparison, appearance and fusion bring stands in ``results/accuracy-*.jsonl``, by part;
``accuracy-plain.jsonl`` has the runs from before differences were told in units of what is usual for good subjects
(``scoring/usual.py``), as the first rows here were made, too (``search.differences=plain``). Runs that stand in
``results/ablation.jsonl`` already, with the same limit, are not repeated; ``--table`` prints all rows of all files. A
seed counts there once all its cases are done.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

from accuracy import DATA, RESULTS, Case, cafepick

from cafepick.config import named_recipe

RESULT = RESULTS / "ablation.jsonl"
SEARCH_STEPS = 100
WIDE = "model.width=16"
HOLD_BACK = ["--hold-back", "0.05"]
"""Each good subject kept aside costs a search; the rows of ``accuracy.py`` keep 15 % aside."""
ROWS = {
    "AnoGAN": ("anogan", "exact"),
    "+ better GAN": ("plain", "exact"),
    "+ encoder": ("plain", "fast"),
}
"""Training and method of each row; the first is of the paper."""
LATER = {
    "+ made-up defects": ("reconstruction", "plain"),
    "+ in units of what is usual": ("reconstruction", "standardised"),
    "comparison by itself": ("comparison", None),
    "appearance by itself": ("appearance", None),
    "joined": ("score", None),
}
"""Rows that ``accuracy.py`` has measured, what they are called there, and which differences they must be of."""


def settings(training: str, recipe: str, case: str) -> list[str]:
    """Return the arguments of ``cafepick train`` for one of the two trainings."""
    like = named_recipe(recipe, size=64, channels=3, subject="whole" if case.startswith("mnist") else "beans")
    if training == "anogan":
        changed = {
            "model.width": like.model.width,
            "gan.steps": like.gan.steps + like.encoder.steps,
            "search.steps": SEARCH_STEPS,
        }
        return ["--recipe", "anogan", *_set(changed)]
    changed: dict[str, float | str] = {"gan.corrupted": 0, "encoder.spoiled": 0, "search.differences": "plain"}
    changed |= {"fusion.comparison": 0, "fusion.appearance": 0}
    return ["--recipe", recipe, *_set(changed)]


def _set(changed: Mapping[str, float | str]) -> list[str]:
    return [word for name, value in changed.items() for word in ("--set", f"{name}={value}")]


def measure(case: Case, training: str, recipe: str, seed: int, limit: int | None) -> list[dict[str, Any]]:
    """Teach one model; return what each method finds with it."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        model = Path(name) / "model.cafepick"
        words = ["train", *case.train, "--model", str(model), "--seed", str(seed), *HOLD_BACK]
        words += settings(training, recipe, case.name)
        train_seconds = cafepick(*words)
        for row, (of, method) in ROWS.items():
            if of != training:
                continue
            out = Path(name) / method
            words = ["evaluate", *case.evaluate, "--model", str(model), "--out", str(out), "--method", method]
            seconds = {"train": train_seconds, "evaluate": cafepick(*words)}
            metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
            found.append(
                {
                    "case": case.name,
                    "row": row,
                    "recipe": recipe,
                    "seed": seed,
                    "limit": limit,
                    "settings": [*HOLD_BACK, *settings(training, recipe, case.name)],
                    "method": method,
                    "seconds": seconds,
                    **{key: metrics[key] for key in ("auroc", "parts", "subjects")},
                    "classes": {kind: one["auroc"] for kind, one in metrics["classes"].items()},
                    "date": metrics["date"],
                    "versions": metrics["versions"],
                    "machine": {"processor": platform.processor() or platform.machine(), "system": platform.platform()},
                }
            )
    return found


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def table() -> str:
    """Mean over the cases of each kind of data, then mean and spread over the seeds, for each row."""
    early, lines = read(RESULT), []
    for of, recipe in sorted({(row["case"].split("/")[0], row["recipe"]) for row in early}):
        late = [row for row in _late(of) if row["recipe"] == recipe]
        cases = {row["case"] for row in late}
        for name in ROWS:
            rows = [row for row in early if row["row"] == name and row["case"] in cases and row["recipe"] == recipe]
            lines += _lines(f"{of} {recipe} {name}", cases, rows, None)
        newest = max((_differences(row) for row in late), default="plain")
        for name, (part, differences) in LATER.items():
            rows = [row for row in late if _differences(row) == (differences or newest)]
            lines += _lines(f"{of} {recipe} {name}", cases, rows, None if part == "score" else part)
    return "\n".join(lines)


def _late(of: str) -> list[dict[str, Any]]:
    """Rows of networks of width 16, as all of the ablation are; beans have narrower ones by now."""
    plain = [row for row in read(RESULTS / "accuracy-plain.jsonl") if row["case"].split("/")[0] == of]
    later = [row for row in read(RESULTS / f"accuracy-{of}.jsonl") if of == "mnist" or WIDE in row["extra"]]
    return plain + later


def _differences(row: dict[str, Any]) -> str:
    """``plain`` or ``standardised``, which is newer, and comes later in the alphabet."""
    return row["search"].get("differences", "plain")


def _lines(name: str, cases: set[str], rows: list[dict[str, Any]], part: str | None) -> Iterator[str]:
    """Give one line for all defects, and for trays one for each class where it is by the score."""
    done = {seed: [row for row in rows if row["seed"] == seed] for seed in sorted({row["seed"] for row in rows})}
    whole = {seed: rows for seed, rows in done.items() if {row["case"] for row in rows} == cases}
    if not whole:
        return
    yield _line(name, whole, lambda row: row["parts"][part] if part else row["auroc"]["value"])
    if part is None and name.startswith("trays"):
        for kind in sorted(rows[0]["classes"]):
            yield _line(f"{name}, {kind}", whole, lambda row, kind=kind: row["classes"][kind]["value"])


def _line(name: str, by_seed: dict[int, list[dict[str, Any]]], value: Callable[[dict[str, Any]], float]) -> str:
    means = [mean(map(value, rows)) for rows in by_seed.values()]
    return f"{name:<44} seeds {[*by_seed]}: {mean(means):.3f} ± {pstdev(means):.3f}"


def missing(asked: argparse.Namespace, scratch: Path) -> Iterator[tuple[Case, str, int]]:
    """Give the trainings that the result file lacks."""
    cases = list(DATA[asked.of](asked.data, asked.limit, scratch))
    done = {(row["case"], row["row"], row["recipe"], row["seed"], row["limit"]) for row in read(RESULT)}
    for seed in asked.seeds:
        for case in cases:
            for training in ("anogan", "plain"):
                rows = [row for row, (of, _) in ROWS.items() if of == training]
                if not all((case.name, row, asked.recipe, seed, asked.limit) in done for row in rows):
                    yield case, training, seed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("of", choices=("usk", "trays", "mnist"), nargs="?")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--recipe", default="quick")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--limit", type=int, help="evaluate on so many photos")
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    if asked.of and not asked.table:
        with tempfile.TemporaryDirectory() as scratch:
            for case, training, seed in missing(asked, Path(scratch)):
                found = measure(case, training, asked.recipe, seed, asked.limit)
                with RESULT.open("a", encoding="utf-8") as lines:
                    lines.writelines(json.dumps(row) + "\n" for row in found)
    print(table())


if __name__ == "__main__":
    main()
