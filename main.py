"""The seed's ``python main.py``: its flags and folders as ``cafepick`` commands, which are printed and run."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Final

SOME_PHOTOS_FAILED: Final = 3
"""Exit status of a ``cafepick`` command that did its work, except for photos that could not be read."""

DIGITS: Final = 100
"""Test digits that are judged, spread over all, where there are no images of one's own; 10,000 would take hours."""

DESCRIPTION: Final = (
    "The flags and folders of the TensorFlow script: images in data/DATASET, models in checkpoint, results in "
    "test_data/test_result. Each cafepick command that does the work is printed and run."
)


def truth(text: str) -> bool:
    """Read a flag's value as TensorFlow's flags did: ``--train``, ``--train=True``, ``--train false``."""
    if text.lower() in ("true", "t", "1", "yes"):
        return True
    if text.lower() in ("false", "f", "0", "no"):
        return False
    raise argparse.ArgumentTypeError(f"expected True or False, got {text!r}")


def size_or_inf(text: str) -> int | None:
    """Read ``--train_size``: a number of images, or ``inf`` for all."""
    return None if text.lower() in ("inf", "infinity") else int(float(text))


def parser() -> argparse.ArgumentParser:
    """Return the seed's flags with the seed's defaults."""
    flags = argparse.ArgumentParser(description=DESCRIPTION, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    for name, what in (
        ("train", "train on data/DATASET, or go on with a training that was begun"),
        ("anomaly_test", "look for anomalies in the images of --test_dir"),
        ("crop", "cut the central --input_height square out of each image"),
        ("visualize", "draw samples of the trained generator into --sample_dir"),
    ):
        flags.add_argument(
            f"--{name}", nargs="?", const=True, default=False, type=truth, metavar="True|False", help=what
        )
    flags.add_argument("--dataset", default="celebA", help="mnist, or a folder of images in data/")
    flags.add_argument("--input_height", type=int, default=108, help="side of the central square that --crop keeps")
    flags.add_argument("--input_width", type=int, help="the same as --input_height")
    flags.add_argument("--output_height", type=int, default=64, help="side of the model's images")
    flags.add_argument("--output_width", type=int, help="the same as --output_height")
    flags.add_argument("--input_fname_pattern", default="*.jpg", help="which files are images")
    flags.add_argument("--epoch", type=int, default=25, help="passes over the training images")
    flags.add_argument("--learning_rate", type=float, default=0.0002, help="of Adam in training")
    flags.add_argument("--beta1", type=float, default=0.5, help="of Adam in training")
    flags.add_argument("--train_size", type=size_or_inf, default=None, help="use at most so many images")
    flags.add_argument("--batch_size", type=int, default=64, help="images per training step")
    flags.add_argument("--test_epoch", type=int, help="steps of the latent search; None keeps the model's")
    flags.add_argument("--test_learning_rate", type=float, help="of the latent search; None keeps the model's")
    flags.add_argument("--checkpoint_dir", type=Path, default=Path("checkpoint"), help="where models lie")
    flags.add_argument("--sample_dir", type=Path, default=Path("samples"), help="where sample grids go")
    flags.add_argument("--test_dir", type=Path, default=Path("test_data"), help="images to judge")
    flags.add_argument("--test_result_dir", type=Path, help="where results go; None: TEST_DIR/test_result")
    return flags


def commands(flags: argparse.Namespace) -> list[list[str]]:
    """Return the ``cafepick`` command lines that do what the flags ask."""
    model = flags.checkpoint_dir / f"{flags.dataset}.cafepick"
    wanted = []
    if flags.train:
        wanted.append(train_command(flags, model))
    if flags.visualize:
        wanted.append(["info", str(model), "--samples", str(flags.sample_dir / f"{flags.dataset}.png")])
    if flags.anomaly_test:
        search = search_settings(flags)
        if search and not flags.train:  # trained with other search settings, maybe: the threshold must fit them
            wanted.append(["calibrate", "--model", str(model), *search])
        wanted.append(detect_command(flags, model))
    return wanted


def train_command(flags: argparse.Namespace, model: Path) -> list[str]:
    """Return ``cafepick train ...``, the paper's method on whole images; it goes on with a training that was begun."""
    run = model.with_suffix(".run")
    mnist = flags.dataset == "mnist"
    source = ["mnist", "--data-dir", "data/mnist"] if mnist else [f"data/{flags.dataset}"]
    command = ["train", *source, "--model", str(model), "--subject", "whole", "--recipe", "anogan"]
    command += ["--size", str(flags.output_height), "--epochs", str(flags.epoch), "--samples", str(flags.sample_dir)]
    command += [] if mnist else ["--pattern", flags.input_fname_pattern]
    command += ["--crop", str(flags.input_height)] if flags.crop else []
    command += ["--limit", str(flags.train_size)] if flags.train_size else []
    command += ["--resume", str(run)] if (run / "checkpoint.safetensors").is_file() else []
    for setting, value in (("batch", flags.batch_size), ("learning_rate", flags.learning_rate), ("beta1", flags.beta1)):
        command += ["--set", f"gan.{setting}={value}"]
    return command + search_settings(flags)


def search_settings(flags: argparse.Namespace) -> list[str]:
    """Return the settings of the latent search that were given."""
    given = (("steps", flags.test_epoch), ("learning_rate", flags.test_learning_rate))
    return [word for name, value in given if value is not None for word in ("--set", f"search.{name}={value}")]


def advice(end: SystemExit, flags: argparse.Namespace) -> str | None:
    """Return what to do, in the flags of this script, where a training that was begun cannot go on; else None."""
    from cafepick.errors import CheckpointError  # noqa: PLC0415 - so that --help is quick

    if not isinstance(end.__context__, CheckpointError):
        return None
    run = flags.checkpoint_dir / f"{flags.dataset}.run"
    return (
        f"with main.py: give the flags that it was begun with, name another folder with --checkpoint_dir, or delete "
        f"{run} to begin anew"
    )


def detect_command(flags: argparse.Namespace, model: Path) -> list[str]:
    """Return ``cafepick detect ...``; mnist without images of one's own is judged on some of its test digits."""
    out = flags.test_result_dir or flags.test_dir / "test_result"
    pattern = f"{flags.test_dir}/{flags.input_fname_pattern}"
    own = any(flags.test_dir.glob(flags.input_fname_pattern))
    digits = ["mnist", "--data-dir", "data/mnist", "--limit", str(DIGITS)]
    source = digits if flags.dataset == "mnist" and not own else [pattern]
    return ["detect", *source, "--model", str(model), "--out", str(out), "--panels", "all"]


def check(flags: argparse.Namespace, flag_parser: argparse.ArgumentParser) -> None:
    """Refuse what cannot be done, before anything runs."""
    for side in ("input", "output"):
        height, width = getattr(flags, f"{side}_height"), getattr(flags, f"{side}_width")
        if width not in (None, height):
            flag_parser.error(f"images are square here: --{side}_width must be {height}, got {width}")
    if not (flags.train or flags.anomaly_test or flags.visualize):
        flag_parser.error("nothing to do: give --train, --anomaly_test or --visualize")


def main() -> None:
    """Translate, print and run."""
    flag_parser = parser()
    flags = flag_parser.parse_args()
    check(flags, flag_parser)
    from cafepick.cli.app import main as cafepick  # noqa: PLC0415 - so that --help is quick

    status = 0
    for command in commands(flags):
        print(f"$ {shlex.join(['cafepick', *command])}", flush=True)
        sys.argv = ["cafepick", *command]
        try:
            cafepick()
        except SystemExit as end:
            if end.code not in (None, 0, SOME_PHOTOS_FAILED):
                more = advice(end, flags)
                if more is None:
                    raise
                raise SystemExit(f"{end.code}\n{more}") from end
            status = status or int(end.code or 0)
    sys.exit(status)


if __name__ == "__main__":
    main()
