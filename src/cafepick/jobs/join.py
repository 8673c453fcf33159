"""Give a trained model the parts of its score: learn the appearance of good subjects, and each part's scale."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from cafepick.beans.descriptors import layout_of
from cafepick.jobs.calibrate import ENOUGH_FOR_SCALES, Sample, score_each
from cafepick.scoring.appearance import apart_from_self, fit_appearance
from cafepick.scoring.fusion import APPEARANCE, Fusion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cafepick.config import CropConfig, FusionConfig
    from cafepick.detector import Detector
    from cafepick.jobs.gather import Progress
    from cafepick.scoring.appearance import Appearance, Looked
    from cafepick.types import Scored

MOST_FOR_SCALES: Final = 200
"""Good subjects trained on that give the scales where too few were kept aside; each costs as much as judging one."""


class Joined(NamedTuple):
    """A detector that is ready to be calibrated by the subjects kept aside."""

    detector: Detector
    """With all parts of its score."""
    kept: Sample
    """What was kept aside, with what an appearance that did not know them says of them."""
    scored: Mapping[str, Scored] | None
    """What ``score_each`` gave for them, if they were scored already."""
    good: NDArray[np.float64] | None = None
    """(n + m,) how unusual each good subject looks, by what all others taught; those kept aside last. None where the
    model does not look."""


class Looks(NamedTuple):
    """What good subjects look like."""

    appearance: Appearance
    """By all of them, those kept aside included."""
    good: NDArray[np.float64]
    """(n + m,) score of each by what the others taught."""
    unusual: Looked
    """Of those kept aside, by what those trained on taught."""


def join(
    detector: Detector, learnt_from: Sample, kept: Sample, weights: FusionConfig, *, seed: int, progress: Progress
) -> Joined:
    """Give ``detector`` the parts that ``weights`` ask for.

    The appearance is learnt from all good subjects: where photos are few, those kept aside show a light that no other
    does. The networks do not know those, so how their scores spread there is how they will spread on new photos.

    Args:
        detector: with trained networks.
        learnt_from: the subjects that the networks learnt from.
        kept: those kept aside.
        weights: of the parts; with the reconstruction alone, the detector stays as it is.
        seed: of the appearance.
        progress: called with the stage, how much is done and how much there is.

    Raises:
        TrainingError: there are too few subjects to learn an appearance from.
    """
    if weights.appearance == weights.comparison == 0:
        return Joined(detector, kept, None)
    fixed: dict[str, NDArray[np.float64]] = {}
    if weights.appearance > 0:
        looks = learn_looks(learnt_from, kept, detector.crop, seed=seed, progress=progress)
        detector = detector.with_parts(looks.appearance, {})
        kept = kept._replace(unusual=looks.unusual.scores, excess=looks.unusual.excess)
        fixed[APPEARANCE] = looks.good
    enough = len(kept.images) >= ENOUGH_FOR_SCALES
    scored = score_each(
        detector, kept if enough else _some(learnt_from, seed), stage="joining the parts", progress=progress
    )
    fusions = {way: Fusion.fit({**found.parts, **fixed}, asdict(weights)) for way, found in scored.items()}
    ready = detector.with_parts(detector.appearance, fusions)
    return Joined(ready, kept, scored if enough else None, fixed.get(APPEARANCE))


def _some(good: Sample, seed: int) -> Sample:
    rows = np.random.default_rng(seed).permutation(len(good.images))[:MOST_FOR_SCALES]
    return Sample(good.images[rows], good.descriptors[rows])


def learn_looks(learnt_from: Sample, kept: Sample, crop: CropConfig, *, seed: int, progress: Progress) -> Looks:
    """Learn what good subjects look like, from those learnt from and those kept aside; arguments are those of ``join``.

    Those kept aside are judged by what the others taught, as finely as new subjects will be by what all taught: it is
    fitted as if it had as many. Else new ones would be judged by more components or kinds than set the threshold.
    At the places of a closer look it is only coarser: fewer taught it, so those kept aside look odder than new ones.
    """
    stage, layout = "learning the appearance", layout_of(crop)
    everything = np.concatenate([learnt_from.descriptors, kept.descriptors])
    progress(stage, 0, 3)
    appearance = fit_appearance(everything, seed=seed, layout=layout)
    progress(stage, 1, 3)
    blind = fit_appearance(learnt_from.descriptors, seed=seed, layout=layout, as_if=len(everything))
    progress(stage, 2, 3)
    apart = apart_from_self(everything, seed=seed, layout=layout)
    appearance = appearance.scaled(apart)
    blind = blind.scaled(apart._replace(aspects=apart.aspects[: len(learnt_from.descriptors)]))
    progress(stage, 3, 3)
    return Looks(appearance, appearance.joined(apart.aspects), blind.look(kept.descriptors))
