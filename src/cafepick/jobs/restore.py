"""The second stage of teaching: encoder, decoder and comparison, once the GAN is trained."""

from __future__ import annotations

from dataclasses import astuple, fields
from typing import TYPE_CHECKING, Final

import numpy as np

from cafepick.draw import sample_grid
from cafepick.files import write_csv
from cafepick.images import write_image
from cafepick.jobs.runlog import read_records
from cafepick.training.batches import Batches, random_of_step
from cafepick.training.checkpoint import (
    ENCODER_FILE,
    RunFacts,
    fingerprint_of,
    has_checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from cafepick.training.encoder import AFTER_GAN, Restorer, RestoreRecord, new_restorer, show, train_encoder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lightning_fabric import Fabric
    from numpy.typing import NDArray

    from cafepick.config import Recipe
    from cafepick.jobs.gather import Progress
    from cafepick.training.gan import Gan

LOG_FILE: Final = "encoder_log.csv"
PICTURE: Final = "encoder.png"
"""Good subjects, the same with made-up defects, what is drawn of them, and where the comparison sees a defect."""
SHOWN: Final = 16
NAMES: Final = tuple(field.name for field in fields(RestoreRecord))


def train_restorer(
    run: Path,
    recipe: Recipe,
    gan: Gan,
    crops: NDArray[np.uint8],
    *,
    seed: int,
    fabric: Fabric,
    resume: bool,
    progress: Progress,
    stopping: Callable[[], bool],
) -> Restorer:
    """Train up to ``recipe.encoder.steps`` or until asked to stop; what there is then lies in a checkpoint.

    Args:
        run: run folder; gets the checkpoint, the log and a picture.
        recipe: settings of networks and training.
        gan: trained; it stays as it is.
        crops: (n, size, size, c) good subjects.
        seed: decides all that is random.
        fabric: where to train.
        resume: go on where the checkpoint of this stage, if there is one, ends.
        progress: called after each step.
        stopping: asked after each step.

    Raises:
        CheckpointError: the checkpoint belongs to other data, settings or another GAN, or is damaged.
        TrainingError: training diverged.
        OutputError: the run folder cannot be written.
    """
    config = recipe.encoder
    batches = Batches(crops, batch=config.batch, seed=seed)
    restorer = new_restorer(gan, recipe.model, config, recipe.comparison, seed=seed, fabric=fabric)
    facts = RunFacts(
        model=recipe.model,
        gan=recipe.gan,
        seed=seed,
        images=len(crops),
        data=batches.fingerprint(),
        encoder=config,
        comparison=recipe.comparison,
        trained_gan=fingerprint_of(gan.averaged, gan.discriminator),
    )
    if resume and has_checkpoint(run, name=ENCODER_FILE):
        load_checkpoint(run, restorer, facts, name=ENCODER_FILE)
    records = [astuple(record) for record in read_records(run / LOG_FILE, RestoreRecord, up_to=restorer.step)]
    for record in train_encoder(restorer, batches, config, recipe.gan, fabric=fabric):
        records.append(astuple(record))
        progress("training the encoder", record.step, config.steps)
        stop = stopping() or record.step == config.steps
        if stop or record.step % config.checkpoint_every == 0:
            write_csv(run / LOG_FILE, NAMES, records)
            write_image(run / PICTURE, _picture(restorer, batches, seed))
            save_checkpoint(run, restorer, facts, name=ENCODER_FILE)  # last: who goes on from it does not come by here
        if stop:
            break
    return restorer


def forget_restorer(run: Path) -> None:
    """Remove the checkpoint of this stage: the GAN that it builds on has changed."""
    (run / ENCODER_FILE).unlink(missing_ok=True)


def _picture(restorer: Restorer, batches: Batches, seed: int) -> NDArray[np.uint8]:
    """Draw what is made of a few subjects, always the same, a row each kind of picture."""
    good = batches.at(1)[:SHOWN].to(next(restorer.encoder.parameters()).device)
    rows = show(restorer, good, random_of_step(seed, AFTER_GAN))
    return sample_grid(np.concatenate(rows))
