"""The layers of the design hold: nothing imports from a layer above its own, and light things stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "cafepick"

LAYERS = (
    ("errors", "types"),
    ("config", "cores", "files", "process"),
    ("images",),
    ("data", "beans", "models", "scoring.calibrate", "scoring.metrics"),
    ("training", "scoring"),
    ("artefact",),
    ("detector", "draw", "report", "yardstick"),
    ("jobs",),
    ("export", "bench", "watch"),
    ("cli", "server"),
)
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
    if path != PACKAGE / "__init__.py"
)


def rank(module: str) -> int:
    """Return the layer of ``module``, named below the package: that of its longest known prefix."""
    parts = module.split(".")
    names = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next(RANK[name] for name in names if name in RANK)


def imports_of(module: str) -> list[str]:
    """Return the cafepick modules that ``module`` imports, at its top or inside a function."""
    path = PACKAGE.joinpath(*module.split("."))
    tree = ast.parse((path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text(encoding="utf-8"))
    names = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    names += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    return [name.removeprefix("cafepick.") for name in names if name.startswith("cafepick.")]


@pytest.mark.parametrize("module", MODULES)
def test_imports_never_point_up(module: str) -> None:
    up = [name for name in imports_of(module) if rank(name) > rank(module)]
    assert not up, f"{module} reaches into a higher layer: {up}"


def test_training_and_scoring_do_not_know_each_other() -> None:
    for module in MODULES:
        other = {"training": "scoring", "scoring": "training"}.get(module.split(".")[0])
        assert not [name for name in imports_of(module) if other and name.split(".")[0] == other], module


@pytest.mark.parametrize(
    "module",
    [
        "images",
        "beans.scene",
        "beans.crop",
        "scoring.calibrate",
        "scoring.metrics",
        "scoring.evaluation",
        "scoring.agreement",
        "scoring.exported",
        "jobs.calibrate",
        "artefact",
        "detector",
        "draw",
        "cli.app",
    ],
)
def test_these_need_no_torch_to_import(module: str) -> None:
    check = f"import sys, cafepick.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_torchvision_and_pickle_are_never_imported() -> None:
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not {name.split(".")[0] for name in names} & {"torchvision", "pickle", "dill", "joblib"}, path


def test_only_the_command_line_prints() -> None:
    for path in PACKAGE.rglob("*.py"):
        calls = [
            n.func.id
            for n in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
        ]
        assert "print" not in calls or "cli" in path.parts, path
