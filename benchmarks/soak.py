"""A long run of ``cafepick detect``: does its memory stay flat, and do all photos come out?

    python benchmarks/soak.py --source FOLDER --model M.cafepick [--count 100000] [--json benchmarks/results/soak.json]

The photos of ``FOLDER`` are linked again and again under new names until there are ``--count`` of them. The resident
memory of the process is sampled all along; told is the highest of each tenth of the run.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cafepick
from cafepick.files import write_json

EVERY = 0.2
"""Seconds between samples."""


def soak(photos: list[Path], model: Path, count: int) -> dict[str, Any]:
    """Detect ``count`` photos in one run; return what its memory did."""
    with tempfile.TemporaryDirectory() as name:
        source, out = Path(name) / "photos", Path(name) / "out"
        source.mkdir()
        for number in range(count):
            photo = photos[number % len(photos)].resolve()
            (source / f"{number:07}{photo.suffix}").symlink_to(photo)
        command = [sys.executable, "-m", "cafepick.cli.app", "detect", str(source), "--model", str(model)]
        began, samples = time.monotonic(), list[float]()
        quiet = subprocess.DEVNULL
        running = subprocess.Popen([*command, "--out", str(out), "--panels", "none"], stdout=quiet, stderr=quiet)
        while running.poll() is None:
            samples.append(resident_mb(running.pid))
            time.sleep(EVERY)
        seconds = time.monotonic() - began
        with (out / "scores.csv").open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
    tenths = [max(samples[len(samples) * k // 10 : len(samples) * (k + 1) // 10 or None]) for k in range(10)]
    return {
        "photos": count,
        "different_photos": len(photos),
        "exit_status": running.returncode,
        "photos_in_scores": len({row["image"] for row in rows}),
        "subjects": len(rows),
        "seconds": round(seconds),
        "photos_a_second": round(count / seconds, 1),
        "highest_resident_mb_of_each_tenth": [round(value) for value in tenths],
    }


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process (Linux), 0 when it has ended."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith("VmRSS")), 0.0)


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--source", type=Path, required=True)
    flags.add_argument("--model", type=Path, required=True)
    flags.add_argument("--count", type=int, default=100_000)
    flags.add_argument("--json", type=Path)
    options = flags.parse_args()
    photos = sorted(path for path in options.source.rglob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg"))
    result = {"version": cafepick.__version__, **soak(photos, options.model, options.count)}
    print(json.dumps(result, indent=2))
    if options.json:
        write_json(options.json, result)


if __name__ == "__main__":
    main()
