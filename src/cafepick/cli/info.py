"""``cafepick info``: what a model file holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def info(
    model: Annotated[Path, typer.Argument(help="A *.cafepick file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole header as JSON.")] = False,
    samples: Annotated[Path | None, typer.Option(help="Also draw what the model takes for good into this PNG.")] = None,
) -> None:
    """Print what a model learnt, from what, and how its verdicts are calibrated."""
    import json

    from cafepick.artefact import load_artefact
    from cafepick.cli.tables import print_facts
    from cafepick.detector import check_descriptors, reservations
    from cafepick.errors import ArtefactError

    artefact = load_artefact(model)
    if samples is not None:
        _draw_samples(model, samples)
    if as_json:
        typer.echo(json.dumps(artefact.header, indent=2, sort_keys=True))
        return
    print_facts(str(model), artefact.header)
    graph = [tensor.size for name, tensor in artefact.tensors.items() if name.startswith("graph.")]
    numbers = sum(tensor.size for tensor in artefact.tensors.values()) - sum(graph)
    tensors = f"{len(artefact.tensors) - len(graph)} tensors, {numbers:,} numbers"
    beside = f", a graph of {sum(graph) / 1e6:.1f} MB" if graph else ""
    typer.echo(f"{tensors}{beside}, {model.stat().st_size / 1e6:.1f} MB")
    for words in reservations(artefact.header):
        typer.echo(f"careful: {words}")
    try:
        check_descriptors(model, artefact)
    except ArtefactError as error:
        typer.echo(f"careful: it cannot judge here: {error}")


def _draw_samples(model: Path, picture: Path) -> None:
    from cafepick.detector import Detector
    from cafepick.draw import sample_grid
    from cafepick.images import write_image

    write_image(picture, sample_grid(Detector.load(model).networks.draw(64)))
    typer.echo(f"samples: {picture}")
