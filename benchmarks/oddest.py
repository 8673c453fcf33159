"""Defective beans among the good ones: how many does ``oddest.png`` show, and what does it help to take them out?

    python benchmarks/oddest.py --data ../shared/data [--recipe quick] [--seed 0] [--json FILE]

As in ``accuracy.py dirty``, defective beans of ``usk/valid`` are mixed into the good ones, 5 % of all. A model is
trained; a user looks at its ``oddest.png``, takes out the photos in it that are defective, and trains anew. The user is
played by the labels: who sees that a bean is defective less often, gains less. Both models, and one of good beans
alone, are evaluated on the rest of ``usk/valid``.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from accuracy import dirty, link_all, measure

from cafepick.files import write_json
from cafepick.jobs.oddest import MOST, TABLE

FIRST = (24, 48, MOST, 190, 380)
"""How many of the oddest are counted."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--recipe", default="quick")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clean, mixed = dirty(asked.data, None, folder)
        rows = {"mixed": measure(mixed, asked.recipe, asked.seed, [], folder / "kept")}
        (table,) = (folder / "kept").rglob(TABLE)
        with table.open(encoding="utf-8", newline="") as lines:
            oddest = [row["image"] for row in csv.DictReader(lines)]
        defective = {path.name for path in (asked.data / "usk/valid/defect").iterdir()}
        seen = {number: len(defective.intersection(oddest[:number])) for number in FIRST}
        taken_out = defective.intersection(oddest[:MOST])
        kept = [photo for photo in sorted((folder / "train").iterdir()) if photo.name not in taken_out]
        link_all(kept, folder / "looked")
        looked = replace(mixed, train=[str(folder / "looked"), *mixed.train[1:]])
        for case_name, case in (("clean", clean), ("looked through", looked)):
            rows[case_name] = measure(case, asked.recipe, asked.seed, [], None)
    found: dict[str, Any] = {
        "recipe": asked.recipe,
        "seed": asked.seed,
        "subjects": len(oddest),
        "mixed_in": len(defective.intersection(oddest)),
        "among_the_oddest": seen,
        "taken_out": len(taken_out),
        "results": rows,
    }
    print(found["mixed_in"], seen, {name: row["auroc"]["value"] for name, row in rows.items()})
    if asked.json:
        write_json(asked.json, found)


if __name__ == "__main__":
    main()
