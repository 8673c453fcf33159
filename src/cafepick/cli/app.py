"""The command line: one file a command, and the one place where an error becomes a message and an exit status.

Exit status: 0 done · 1 an error, told in one message · 2 wrong usage · 3 done, but some photos could not be read ·
130 stopped by Ctrl-C.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cafepick import __version__
from cafepick.cli.bench import bench
from cafepick.cli.calibrate import calibrate
from cafepick.cli.demo import demo
from cafepick.cli.detect import detect
from cafepick.cli.download import download
from cafepick.cli.evaluate import evaluate
from cafepick.cli.export import export
from cafepick.cli.info import info
from cafepick.cli.serve import serve
from cafepick.cli.train import train
from cafepick.cli.watch import watch
from cafepick.errors import CafepickError, MissingExtraError
from cafepick.process import prepare_process

app = typer.Typer(
    name="cafepick",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Teach a camera to hand-pick coffee: train on good beans only, then see which beans to pick out, and why.",
)
for command in (demo, download, train, detect, evaluate, calibrate, export, info, serve, watch, bench):
    app.command()(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cafepick {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[  # noqa: ARG001 - its callback has it
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Hold the options that come before a command, and prepare for it."""
    prepare_process()


def main() -> None:
    """Run the command line; errors raised on purpose become one message and exit status 1."""
    try:
        app()
    except CafepickError as error:
        sys.exit(f"error: {error}")
    except ModuleNotFoundError as error:
        extra = EXTRA_OF.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        sys.exit(f"error: {MissingExtraError(error.name or '', extra)}")
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        sys.exit(130)


EXTRA_OF = {
    "torch": "train",
    "lightning_fabric": "train",
    "jaxtyping": "train",
    "sklearn": "train",
    "threadpoolctl": "train",
    "matplotlib": "train",
    "tensorboard": "tensorboard",
    "onnx": "export",
    "onnxscript": "export",
    "onnxruntime": "onnx",
    "openvino": "openvino",
    "scipy": "watch",
    "paho": "watch",
    "fastapi": "serve",
    "uvicorn": "serve",
    "sqlalchemy": "serve",
    "alembic": "serve",
    "prometheus_client": "serve",
    "psycopg": "postgres",
}
"""Which extra brings an optional package."""

if __name__ == "__main__":
    main()
