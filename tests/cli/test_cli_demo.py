"""``cafepick demo``: what it tells the user to open is there."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import numpy as np
from cli_commands import CAFEPICK, ONE_THREAD

from cafepick.artefact import load_artefact
from cafepick.data.demo import draw_tray
from cafepick.images import write_image


def test_the_demo_makes_what_it_names_from_what_it_drew(tmp_path: Path) -> None:
    beside = tmp_path / "demo" / "photos" / "train" / "good"
    for name in ("tray_900.jpg", "mine.jpg"):
        write_image(beside / name, draw_tray(np.random.default_rng(1), width=400, height=300, beans=12).photo)
    command = [*CAFEPICK, "demo", "--out", str(tmp_path / "demo"), "--trays", "4", "--steps", "6"]
    ran = subprocess.run(command, env=ONE_THREAD, check=True, capture_output=True, text=True, timeout=280)
    named = re.findall(r"^  .+: (\S+)$", ran.stdout, flags=re.MULTILINE)
    assert len(named) == 4
    assert all(Path(path).exists() for path in named), named
    metrics = json.loads((tmp_path / "demo" / "results" / "metrics.json").read_text())
    assert metrics["finding"]["recall"] > 0.9
    assert 0 <= metrics["auroc"]["value"] <= 1
    assert metrics["pixel"]["images"] == 6
    assert load_artefact(tmp_path / "demo" / "demo.cafepick").header["training"]["photos"] == 4
    assert [path.name for path in beside.iterdir() if not re.match("tray_00[0-3]", path.name)] == ["mine.jpg"]
