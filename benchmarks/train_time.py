"""How long ``cafepick train`` takes by the clock, stage by stage, on all cores.

    python benchmarks/train_time.py --data ../shared/data/usk/train/good [--recipe quick] [--against FOLDER]
        [--json benchmarks/results/train_time.json]

The machine should have nothing else to do. ``FOLDER`` holds another version's package ``cafepick`` (the ``src`` of an
earlier commit), which is measured next. A stage is told when it first reports, so the first one has the start of the
program, too, and the last one the writing of the model.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cafepick
from cafepick.files import write_json


def measure(package: Path, data: Path, recipe: str) -> dict[str, Any]:
    """Train once with the package in a folder; return the seconds of each stage."""
    began, load = time.monotonic(), os.getloadavg()[0]
    stages: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "cafepick.cli.app", "train", str(data), "--subject", "beans"]
        command += ["--recipe", recipe, "--model", str(Path(folder) / "model.cafepick")]
        environment = {**os.environ, "PYTHONPATH": str(package)}
        training = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment
        )
        assert training.stderr is not None
        for line in training.stderr:
            stage, told, count = line.strip().partition(": ")
            if told and "/" in count:
                stages[stage] = time.monotonic() - began  # its last report: when it ended
        if training.wait():
            sys.exit("the training failed: run it by itself to see why")
    ends = [0.0, *stages.values()]
    seconds = {stage: round(end - before, 1) for stage, end, before in zip(stages, ends[1:], ends, strict=False)}
    return {"seconds": round(time.monotonic() - began, 1), "stages": seconds, "load_before": round(load, 1)}


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--data", type=Path, required=True)
    flags.add_argument("--recipe", default="quick")
    flags.add_argument("--against", type=Path)
    flags.add_argument("--json", type=Path)
    options = flags.parse_args()
    versions = {"now": Path(cafepick.__file__).parents[1]} | ({"before": options.against} if options.against else {})
    result = {name: measure(package, options.data, options.recipe) for name, package in versions.items()}
    print(json.dumps(result, indent=2))
    if options.json:
        write_json(options.json, {"recipe": options.recipe, "cores": os.cpu_count(), **result})


if __name__ == "__main__":
    main()
