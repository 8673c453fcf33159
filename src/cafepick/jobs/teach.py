"""Teach a model: gather good subjects, train the GAN, calibrate on subjects kept aside, write the artefact."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from cafepick.beans.descriptors import tells_light
from cafepick.config import CropConfig, Recipe, ScaleKind, SheetKind, SubjectKind
from cafepick.detector import Detector
from cafepick.errors import ConfigError
from cafepick.files import check_writable, made_folder
from cafepick.jobs.calibrate import Sample, calibrate_by_kept, digest_of, keep_aside, now
from cafepick.jobs.gather import Failure, Progress, Subjects, gather
from cafepick.jobs.join import join
from cafepick.jobs.oddest import Odd, write_oddest
from cafepick.jobs.restore import forget_restorer, train_restorer
from cafepick.jobs.runlog import RunLog
from cafepick.jobs.seen import FIELD as LEARNT_FROM
from cafepick.jobs.seen import KEPT, record_of
from cafepick.scoring.appearance import check_enough
from cafepick.scoring.aside import hold_back
from cafepick.scoring.exact import Networks
from cafepick.scoring.light import COLOURS
from cafepick.scoring.usual import check_enough_to_be_usual
from cafepick.training.batches import Batches, random_of_step
from cafepick.training.checkpoint import RunFacts, load_checkpoint, require_checkpoint, save_checkpoint
from cafepick.training.device import open_fabric
from cafepick.training.gan import Gan, draw_samples, new_gan, train_gan, uniform_z
from cafepick.training.variety import DRAWN, variety

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lightning_fabric import Fabric
    from numpy.typing import NDArray

    from cafepick.data.sources import Source

MOST_HELD_BACK: Final = 1000
"""More good subjects hardly make a threshold sharper: at 1 %, the bound of the realised rate is 1.6 % with 1,000."""

MOST_FOR_USUAL: Final = 1000
"""Good subjects that tell which differences are usual; more hardly move them."""

MOST_FOR_VARIETY: Final = 1000
"""Good subjects that tell how much they vary."""

SAMPLES: Final = 64
"""Images in a sample grid."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Lesson:
    """What to learn from, and how."""

    source: Source
    model: Path
    """Where the artefact goes."""
    run: Path
    """Run folder: checkpoints, samples, curves."""
    crop: CropConfig
    recipe: Recipe
    recipe_name: str
    scale: ScaleKind | None = None
    """None: by what the photos show, see ``gather``."""
    sheet: SheetKind | None = None
    """Paper that the beans lie on and are measured on; None: by what the photos show, see ``gather``."""
    epochs: int | None = None
    """Length of training in passes over the data, in place of the recipe's steps."""
    hold_back: float = 0.15
    """Share of the photos that the networks do not learn from: they set scales and threshold."""
    seed: int = 0
    device: str = "auto"
    resume: bool = False
    samples: Path | None = None
    """Folder of the sample grids; None: ``samples`` in the run folder."""
    tensorboard: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.hold_back < 1:
            raise ConfigError(f"--hold-back must lie between 0 and 1, both excluded, got {self.hold_back}")
        if self.epochs is not None and self.epochs < 1:
            raise ConfigError(f"--epochs must be above 0, got {self.epochs}")
        if self.sheet not in (None, "none") and self.crop.subject != "beans":
            raise ConfigError(f"--sheet {self.sheet} goes with --subject beans only: whole photos are not measured")
        model, crop = self.recipe.model, self.crop
        if (model.size, model.channels) != (crop.size, crop.channels):
            raise ConfigError(
                f"the model's images must be those of the crops, {crop.size} pixels and {crop.channels} channels, got "
                f"{model.size} and {model.channels}: set them with --size and --channels, not in the recipe"
            )


@dataclass(frozen=True)
class Taught:
    """What came out."""

    finished: bool
    """False when training was stopped; the run folder can be taken up again."""
    step: int
    steps: int
    subjects: int
    """Good subjects trained on."""
    held_back: int
    """Good subjects that set the threshold."""
    aside: tuple[str, ...]
    """The photos of these."""
    alone: tuple[str, ...]
    """Those of them in a light that no photo trained on shows."""
    photos: int
    """Photos of all good subjects."""
    cut: int
    empty: tuple[str, ...]
    failures: tuple[Failure, ...]
    crop: CropConfig
    note: str = ""
    """What a user should know about the sheets of paper in the photos."""
    oddest: tuple[Odd, ...] = ()
    """Good subjects least like the others; none where the model does not look at their appearance."""
    variety: float | None = None
    """How much the generator's images vary, in units of how much the good ones do; None before it is trained."""


def crop_config(
    source: Source, *, subject: SubjectKind | None, size: int, channels: int | None, centre: int | None
) -> CropConfig:
    """Fill in what the user left open from the kind of source: digits and MVTec photos are subjects themselves."""
    whole = source.kind in ("mnist", "mvtec") or centre is not None
    grey = source.kind == "mnist"
    return CropConfig(
        subject=subject or ("whole" if whole else "beans"),
        size=size,
        channels=channels or (1 if grey else 3),
        centre=centre,
    )


def teach(lesson: Lesson, *, progress: Progress, stopping: Callable[[], bool] = lambda: False) -> Taught:
    """Train, calibrate and save a model.

    Args:
        lesson: what to learn from, and how.
        progress: called with the stage, how much is done and how much there is.
        stopping: asked after each training step; True saves a checkpoint and returns early.

    Raises:
        SourceError: no subject was found.
        CalibrationError: there are too few photos to keep some aside.
        CheckpointError: ``lesson.resume``, and the run folder holds no checkpoint, one of other data or settings, or a
            damaged one.
        TrainingError: there are too few subjects to learn an appearance from, or training diverged.
        ConfigError: there is no such device here.
        OutputError: the run folder or the model cannot be written.
    """
    began = time.monotonic()
    fabric = open_fabric(lesson.device)  # what cannot work is refused before the beans are looked for
    if lesson.resume:
        require_checkpoint(lesson.run)
    check_writable(lesson.model)
    with made_folder(lesson.run):
        good = _good_ones(lesson, progress)
        recipe = _with_length(lesson, count=good.learnt)
        _check_enough_for(recipe, good.learnt)
    crops = good.subjects.crops[~good.held]
    networks, step = _train_all(lesson, recipe, crops, fabric=fabric, progress=progress, stopping=stopping)
    taught = _told(good, finished=networks is not None, step=step, steps=recipe.gan.steps + recipe.encoder.steps)
    if networks is None:
        return taught
    taught = replace(taught, variety=_variety(networks, crops, seed=lesson.seed))
    facts = {**_facts(lesson, recipe, taught, good, time.monotonic() - began), **_prints(good, recipe)}
    detector = Detector(networks, crop=good.subjects.config, search=recipe.search, facts={"training": facts})
    return replace(taught, oddest=_save_joined(lesson, recipe, detector, good, progress))


class _Good(NamedTuple):
    """The good subjects of a lesson."""

    subjects: Subjects
    """All of them."""
    held: NDArray[np.bool_]
    """(n,) True for those kept aside."""
    alone: tuple[int, ...]
    """Their photos in a light that no photo trained on shows, as positions in ``subjects.names``."""

    @property
    def learnt(self) -> int:
        """How many the networks learn from."""
        return int(np.sum(~self.held))

    def sample(self, which: NDArray[np.bool_]) -> Sample:
        """Return some of them as a detector scores them."""
        return Sample(self.subjects.crops[which], self.subjects.descriptors[which])


def _good_ones(lesson: Lesson, progress: Progress) -> _Good:
    """Find and cut the good subjects; choose whom to keep aside."""
    subjects = gather(
        lesson.source,
        lesson.crop,
        scale=lesson.scale,
        sheet=lesson.sheet,
        closer=lesson.recipe.fusion.appearance > 0,
        progress=progress,
    )
    share = min(lesson.hold_back, MOST_HELD_BACK / len(subjects.crops))
    surfaces = subjects.descriptors[:, -COLOURS:] if tells_light(subjects.config) else None
    held, alone = hold_back(subjects.groups, share=share, seed=lesson.seed, surfaces=surfaces)
    return _Good(subjects, held, alone)


def _check_enough_for(recipe: Recipe, count: int) -> None:
    """Refuse, now and not after the training, to learn from too few subjects."""
    if recipe.fusion.appearance > 0:
        check_enough(count)
    if recipe.search.differences == "standardised" and recipe.encoder.steps > 0:
        check_enough_to_be_usual(count)


def _told(good: _Good, *, finished: bool, step: int, steps: int) -> Taught:
    subjects = good.subjects
    return Taught(
        finished=finished,
        step=step,
        steps=steps,
        subjects=good.learnt,
        held_back=int(np.sum(good.held)),
        aside=tuple(subjects.names[photo] for photo in np.unique(subjects.groups[good.held]).tolist()),
        alone=tuple(subjects.names[photo] for photo in good.alone),
        photos=len(subjects.names),
        cut=subjects.cut,
        empty=subjects.empty,
        failures=subjects.failures,
        crop=subjects.config,
        note=subjects.note,
    )


def _prints(good: _Good, recipe: Recipe) -> dict[str, str]:
    """Return the prints of the photos that the model knows, and of those that only set its threshold."""
    looked_at = good.held & (recipe.fusion.appearance > 0)  # those kept aside whose appearance is learnt, too
    learnt, only_kept = (
        record_of(good.subjects.prints[group] for group in good.subjects.groups[which])
        for which in (~good.held | looked_at, good.held & ~looked_at)
    )
    return {LEARNT_FROM: learnt, **({KEPT: only_kept} if only_kept else {})}


def _save_joined(
    lesson: Lesson, recipe: Recipe, detector: Detector, good: _Good, progress: Progress
) -> tuple[Odd, ...]:
    """Join the parts of the score, calibrate and save; return the good subjects least like the others."""
    learnt_from, kept = good.sample(~good.held), good.sample(good.held)
    joined = join(detector, learnt_from, kept, recipe.fusion, seed=lesson.seed, progress=progress)
    keep_aside(lesson.run, joined.kept)
    oddest: tuple[Odd, ...] = ()
    if joined.good is not None and joined.detector.appearance is not None:
        order = np.argsort(good.held, kind="stable")  # those learnt from, then those kept aside
        scores = np.empty(len(good.held))
        scores[order] = joined.good
        oddest = write_oddest(lesson.run, good.subjects, scores, joined.detector.appearance)
    ready = calibrate_by_kept(
        joined.detector, joined.kept, conditions=good.subjects.conditions, scored=joined.scored, progress=progress
    )
    ready.save(lesson.model)
    return oddest


def _train_all(
    lesson: Lesson,
    recipe: Recipe,
    crops: NDArray[np.uint8],
    *,
    fabric: Fabric,
    progress: Progress,
    stopping: Callable[[], bool],
) -> tuple[Networks | None, int]:
    """Train the GAN and, where the recipe has one, the encoder; return the networks if done, and the steps done."""
    gan = _train(lesson, recipe, crops, fabric=fabric, progress=progress, stopping=stopping)
    networks = Networks.of(recipe.model, gan.averaged, gan.discriminator)
    if gan.step < recipe.gan.steps or recipe.encoder.steps == 0:
        return (networks if gan.step == recipe.gan.steps else None), gan.step
    quick = train_restorer(
        lesson.run,
        recipe,
        gan,
        crops,
        seed=lesson.seed,
        fabric=fabric,
        resume=lesson.resume,
        progress=progress,
        stopping=stopping,
    )
    complete = networks.with_quick_methods(quick.encoder, quick.decoder, quick.comparison, recipe.comparison)
    if quick.step < recipe.encoder.steps:
        return None, gan.step + quick.step
    if recipe.search.differences == "standardised":
        complete = complete.with_usual(_some(crops, MOST_FOR_USUAL, seed=lesson.seed))
    return complete, gan.step + quick.step


def _some(crops: NDArray[np.uint8], most: int, *, seed: int) -> NDArray[np.uint8]:
    return crops[np.random.default_rng(seed).permutation(len(crops))[:most]]


def _variety(networks: Networks, crops: NDArray[np.uint8], *, seed: int) -> float:
    return variety(networks.draw(DRAWN, seed=seed), _some(crops, MOST_FOR_VARIETY, seed=seed))


def _train(
    lesson: Lesson,
    recipe: Recipe,
    crops: NDArray[np.uint8],
    *,
    fabric: Fabric,
    progress: Progress,
    stopping: Callable[[], bool],
) -> Gan:
    """Train up to the recipe's length or until asked to stop; what there is then lies in a checkpoint."""
    batches = Batches(crops, batch=recipe.gan.batch, seed=lesson.seed)
    gan = new_gan(recipe.model, recipe.gan, seed=lesson.seed, fabric=fabric)
    log = RunLog(lesson.run, samples=lesson.samples, tensorboard=lesson.tensorboard)
    facts = RunFacts(
        model=recipe.model, gan=recipe.gan, seed=lesson.seed, images=len(crops), data=batches.fingerprint()
    )
    if lesson.resume:
        load_checkpoint(lesson.run, gan, facts)
        log.take_up(gan.step)
    z = uniform_z(SAMPLES, recipe.model.latent, random_of_step(lesson.seed, 0))  # the same in each grid
    for record in train_gan(gan, batches, recipe.gan, fabric=fabric):
        log.add(record)
        progress("training", record.step, recipe.gan.steps)
        stop = stopping() or record.step == recipe.gan.steps
        if stop or record.step % recipe.gan.checkpoint_every == 0:
            forget_restorer(lesson.run)
            log.flush(draw_samples(gan.averaged, z))  # first: who goes on from the checkpoint does not come by here
            save_checkpoint(lesson.run, gan, facts)
        if stop:
            break
    log.close()
    return gan


def _with_length(lesson: Lesson, *, count: int) -> Recipe:
    """Return the recipe, its steps as many as ``lesson.epochs`` passes over ``count`` subjects need."""
    if lesson.epochs is None:
        return lesson.recipe
    return lesson.recipe.lasting(max(ceil(lesson.epochs * count / lesson.recipe.gan.batch), 1))


def _facts(lesson: Lesson, recipe: Recipe, taught: Taught, good: _Good, seconds: float) -> dict[str, Any]:
    """What the artefact says about how it was made."""
    return {
        "source": str(lesson.source.root),
        "photos": taught.photos,
        "subjects": taught.subjects,
        "held_back": taught.held_back,
        "alone": len(taught.alone),
        "held_back_sha256": digest_of(good.subjects.crops[good.held]),
        "recipe": lesson.recipe_name,
        "gan": asdict(recipe.gan),
        "encoder": asdict(recipe.encoder),
        "seed": lesson.seed,
        "variety": None if taught.variety is None else round(taught.variety, 3),
        "seconds": round(seconds, 1),
        "date": now(),
    }
