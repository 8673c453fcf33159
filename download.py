"""The seed's ``python download.py mnist celebA lsun``: the ``cafepick`` command that does it is printed and run."""

from __future__ import annotations

import shlex
import sys

from cafepick.cli.app import main as cafepick


def main() -> None:
    """Print the command and run it."""
    command = ["cafepick", "download", *(sys.argv[1:] or ["--help"])]
    print(f"$ {shlex.join(command)}", flush=True)
    sys.argv = command
    cafepick()


if __name__ == "__main__":
    main()
