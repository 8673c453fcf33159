"""What an exported model needs, in a clean environment without torch: installs it, judges a drawn tray, tells the size.

    python benchmarks/light_install.py exported.cafepick

The package index is asked for the versions of constraints.txt.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import numpy as np

from cafepick.artefact import load_artefact
from cafepick.data.demo import draw_tray
from cafepick.images import write_image

ROOT = Path(__file__).parents[1]


def main() -> None:
    model = Path(sys.argv[1]).resolve()
    graph = load_artefact(model).header["graph"]["format"]
    with tempfile.TemporaryDirectory() as folder:
        home, photo = Path(folder, "venv"), Path(folder, "tray.png")
        write_image(photo, draw_tray(np.random.default_rng(0), width=800, height=600, beans=40).photo)
        venv.create(home, with_pip=True)
        python = home / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        wanted = ["--constraint", str(ROOT / "constraints.txt"), f"{ROOT}[{graph}]"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
        assert subprocess.run([python, "-c", "import torch"], check=False, capture_output=True).returncode == 1
        judge = [python, "-m", "cafepick.cli.app", "detect", photo, "--model", model, "--out", Path(folder, "out")]
        subprocess.run(judge, check=True)
        (packages,) = home.rglob("site-packages")
        size = sum(path.stat().st_size for path in packages.rglob("*") if path.is_file())
        print(json.dumps({"graph": graph, "installed_mb": round(size / 1e6), "pip_included": True}))


if __name__ == "__main__":
    main()
