"""``cafepick demo``: what it tells the user to open is there."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from cli_commands import CAFEPICK, ONE_THREAD


def test_the_demo_makes_what_it_names(tmp_path: Path) -> None:
    command = [*CAFEPICK, "demo", "--out", str(tmp_path / "demo"), "--trays", "4", "--steps", "6"]
    ran = subprocess.run(command, env=ONE_THREAD, check=True, capture_output=True, text=True, timeout=280)
    named = re.findall(r"^  .+: (\S+)$", ran.stdout, flags=re.MULTILINE)
    assert len(named) == 4
    assert all(Path(path).exists() for path in named), named
    metrics = json.loads((tmp_path / "demo" / "results" / "metrics.json").read_text())
    assert metrics["finding"]["recall"] > 0.9
    assert 0 <= metrics["auroc"]["value"] <= 1
    assert metrics["pixel"]["images"] == 6
