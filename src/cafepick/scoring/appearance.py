r"""How unusual a subject's descriptors are among those of good subjects.

Good beans come in kinds (round, long, freckled), so their descriptors $x$ are taken for a mixture of Gaussians,

$$p(x) = \sum_k w_k\, \mathcal N(x; \mu_k, \Sigma_k),$$

fitted by expectation maximisation. Several mixtures with different numbers of
kinds are averaged, as no number is right. The fewer good beans there are, the fewer kinds are told apart and the more
the covariances are drawn towards the sphere. A mixture is sharp where it saw many beans and careless far from them, so
the distance $d$ to the nearest good beans has its say as well: the score is $-\overline{\log p(x)} + \tfrac12 d^2$.
What changes with the light is taken out of the descriptors first (``light``), where they tell the light.
Descriptors by the hundred, as of a photo that is itself the subject, are projected first (``projection``). Where there
is a closer look besides, what it shows is asked place by place (``places``), and the score is the sum of the surprises
of all three answers, as in ``fusion``: -log p, p among good subjects that others taught.
Scoring needs numpy alone; fitting needs scikit-learn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from cafepick.errors import ArtefactError, TrainingError
from cafepick.scoring.density import Densities, Mixture, Remembered
from cafepick.scoring.light import Light
from cafepick.scoring.places import MOST_FOR_USUAL, QUESTIONS, Places, fit_places, usual_of, worst
from cafepick.scoring.projection import Projection, fit_projection, projected_without_self
from cafepick.scoring.surprise import Surprise
from cafepick.types import Layout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

SUBJECTS_A_KIND: Final = 300
MOST_KINDS: Final = 12
AROUND: Final = (2 / 3, 1.0, 4 / 3)
"""The mixtures have so many times the number of kinds that the number of good beans suggests."""
SHRINKAGE: Final = 60.0
"""Added to the variances of standardised descriptors: so much divided by the number of good beans, within
``SHRINKAGE_RANGE``."""
SHRINKAGE_RANGE: Final = (0.02, 1.0)
FARTHEST: Final = 10.0
"""Standard deviations at which a descriptor stops counting, so that one absurd number does not decide alone."""
MOST_REMEMBERED: Final = 4000
"""Good subjects kept to measure that distance from."""
FOLDS: Final = 5
"""Good subjects are scored by mixtures that were fitted without them, in so many parts."""
FEWEST: Final = 4
"""Good subjects that ``scores_without_self`` needs: two to learn from while two others are scored."""
PROJECTION: Final = "projection."
LIGHT: Final = "light."
PLACES: Final = "places."
SCALES: Final = "scales"
NO_PLACES: Final = Layout()
QUANTILES: Final = 201
"""Of each descriptor, kept so that a verdict can say what is unusual."""


class Looked(NamedTuple):
    """What an appearance says of n subjects."""

    scores: NDArray[np.float64]
    """(n,)"""
    excess: NDArray[np.float64] | None
    """(n, p) how far each place exceeds what is usual; None: there is no closer look."""


class Apart(NamedTuple):
    """What is said of n good subjects by what others taught."""

    aspects: NDArray[np.float64]
    """(n, c)"""
    usual: NDArray[np.float64] | None
    """(2, 2) what is usual at their places (``places.Places.usual``); None: there is no closer look."""


class Oddest(NamedTuple):
    """What is least usual of one subject."""

    place: int
    """Of the descriptor."""
    deviations: float
    """How many standard deviations it is from the mean of good subjects."""
    below: float
    """Share of good subjects in like light that have less of it, 0..1; ties count half."""


@dataclass(frozen=True, eq=False)
class Appearance:
    """What descriptors of good subjects look like; ``fit_appearance`` makes one."""

    mean: NDArray[np.float64]
    """(d,)"""
    deviation: NDArray[np.float64]
    """(d,) above 0; infinite for a descriptor that is the same for all good subjects."""
    mixtures: tuple[Mixture, ...]
    remembered: NDArray[np.float32]
    """(m, d) standardised descriptors of good subjects."""
    quantiles: NDArray[np.float64]
    """(QUANTILES, d) of good subjects, ascending."""
    projection: Projection | None = None
    """From (D,) descriptors to the (d,) of everything above; None: they are the same, but for the light."""
    light: Light | None = None
    """What the light does to descriptors, the last of which tell it; None: they do not."""
    places: Places | None = None
    """What a closer look shows, whose descriptors are the last; None: there is none."""
    scales: tuple[Surprise, ...] = ()
    """Of each column of ``aspects``; empty where there is but one, or before ``scaled``."""

    def score(self, descriptors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n,) scores of descriptors (n, D); higher is more unusual. Each depends on its own row alone."""
        return self.look(descriptors).scores

    def look(self, descriptors: NDArray[np.float64]) -> Looked:
        """Return scores, and where a closer look finds something, of descriptors (n, D)."""
        answers = self.answers(descriptors)
        excess = None if self.places is None or answers is None else self.places.excess(answers)
        return Looked(self.joined(self.aspects(descriptors, answers)), excess)

    def answers(self, descriptors: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Return what ``places`` says of descriptors (n, D), or None."""
        return None if self.places is None else self.places.answers(descriptors[:, -self.places.width :])

    def aspects(self, descriptors: NDArray[np.float64], answers: NDArray[np.float64] | None) -> NDArray[np.float64]:
        """Return (n, c) of descriptors (n, D) and what ``answers`` gave of them.

        How unusual subjects look, c = 1, and their worst places by a closer look, c = 3.
        """
        x = self.standardised(descriptors)
        distances = self._near.distances(x)
        densities = [self._densities.mean_log(one) for one in x]  # one by one: alike in any batch
        looks = (0.5 * np.square(distances) - np.array(densities, np.float64))[:, None]
        return looks if answers is None else np.concatenate([looks, worst(answers)], axis=1)

    def joined(self, aspects: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n,) scores of what ``aspects`` gave."""
        if self.places is None:
            return aspects[:, 0]
        return np.sum([scale.of(column) for scale, column in zip(self.scales, aspects.T, strict=True)], axis=0)

    def scaled(self, good: Apart) -> Appearance:
        """Return it with scales by what is said of good subjects; one aspect needs none."""
        if self.places is None:
            return self
        scales = tuple(Surprise.fit(column) for column in good.aspects.T)
        return replace(self, scales=scales, places=replace(self.places, usual=good.usual))

    @cached_property
    def _near(self) -> Remembered:
        return Remembered(self.remembered)

    @cached_property
    def _densities(self) -> Densities:
        return Densities.of(self.mixtures)

    def standardised(self, descriptors: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, d) in standard deviations from the mean of good subjects."""
        return self._standardised(self._in_usual_light(descriptors))

    def _standardised(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, d) of descriptors in usual light."""
        return np.minimum(np.maximum((x - self.mean) / self.deviation, -FARTHEST), FARTHEST)

    def oddest(self, descriptors: NDArray[np.float64]) -> Oddest:
        """Return which of a subject's descriptors (D,) is the least usual, and how unusual."""
        x = self._in_usual_light(descriptors[None])
        deviations = self._standardised(x)[0]
        place = int(np.abs(deviations).argmax())
        value, known = x[0, place], self.quantiles[:, place]
        below = np.count_nonzero(known < value) + np.count_nonzero(known <= value)
        return Oddest(place, float(deviations[place]), below / (2 * len(known)))

    @property
    def width(self) -> int:
        """Number D of descriptors that a subject must come with."""
        return len(self.usual())

    def usual(self) -> NDArray[np.float64]:
        """Return (D,) descriptors of a subject that is usual in every way; where they are projected, on the plane."""
        if self.light is not None:
            surface = self.light.surfaces[int(self.light.counts.argmax())]
            return np.concatenate([self.mean + self.light.shift(surface), surface])
        looks = self.mean if self.projection is None else self.projection.back(self.mean)
        return looks if self.places is None else np.concatenate([looks, self.places.means.ravel()])

    def in_light_of(self, descriptors: NDArray[np.float64], *, as_if: int | None = None) -> Appearance:
        """Return it with the light known in which good subjects (n, D) were seen that were not trained on.

        Where descriptors do not tell the light, it stays as it is; with n = 0 it is as trained. ``as_if`` is the number
        of subjects that they stand for.
        """
        return self if self.light is None else replace(self, light=self.light.seen_too(descriptors, as_if=as_if))

    def _in_usual_light(self, descriptors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n, d) of (n, D)."""
        if self.light is not None:
            return self.light.evened(descriptors)
        if self.places is not None:
            descriptors = descriptors[:, : -self.places.width]
        return descriptors if self.projection is None else self.projection.of(descriptors)

    def to_tensors(self) -> dict[str, NDArray[Any]]:
        """Return everything as named arrays, for the artefact."""
        named: dict[str, NDArray[Any]] = {
            "mean": self.mean,
            "deviation": np.where(np.isinf(self.deviation), 0.0, self.deviation),
            "remembered": self.remembered,
            "quantiles": self.quantiles,
        }
        for number, mixture in enumerate(self.mixtures):
            named |= {f"mixture{number}.{name}": array for name, array in mixture._asdict().items()}
        projected = {} if self.projection is None else self.projection.to_tensors()
        lit = {} if self.light is None else self.light.to_tensors()
        named |= {PROJECTION + name: array for name, array in projected.items()}
        named |= {LIGHT + name: array for name, array in lit.items()}
        if self.places is not None:
            named |= {PLACES + name: array for name, array in self.places.to_tensors().items()}
            named[SCALES] = np.stack([scale.good for scale in self.scales])
        return named

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]]) -> Appearance:
        """Build it from the arrays that ``to_tensors`` gave.

        Raises:
            ArtefactError: an array is missing or has another shape than the others say.
        """
        projected, lit, closer = (
            {key.removeprefix(prefix): tensors[key] for key in tensors if key.startswith(prefix)}
            for prefix in (PROJECTION, LIGHT, PLACES)
        )
        try:
            deviation = tensors["deviation"]
            count = sum(name.startswith("mixture") and name.endswith(".means") for name in tensors)
            mixtures = tuple(
                Mixture(*(tensors[f"mixture{number}.{field}"] for field in Mixture._fields)) for number in range(count)
            )
            appearance = cls(
                tensors["mean"],
                np.where(deviation > 0, deviation, np.inf),
                mixtures,
                tensors["remembered"],
                tensors["quantiles"],
                Projection.from_tensors(projected) if projected else None,
                Light.from_tensors(lit) if lit else None,
                Places.from_tensors(closer) if closer else None,
                tuple(Surprise(np.sort(good)) for good in tensors[SCALES]) if closer else (),
            )
        except KeyError as error:
            raise ArtefactError(f"the model lacks the tensor {error} of its appearance: train anew") from error
        _check_shapes(appearance)
        return appearance


def fit_appearance(
    descriptors: NDArray[np.float64], *, seed: int, layout: Layout = NO_PLACES, as_if: int | None = None
) -> Appearance:
    """Learn what descriptors of good subjects look like; where a closer look is among them, it is to be ``scaled``.

    Args:
        descriptors: (n, D).
        seed: of the mixtures' starts.
        layout: what they consist of; those of a grid are projected.
        as_if: number of good subjects that kinds and shrinkage are chosen for; None: as many as there are.

    Raises:
        TrainingError: there are fewer than 2 subjects, or a descriptor is not finite.
    """
    if len(descriptors) < 2 or not np.isfinite(descriptors).all():
        raise TrainingError(
            f"the appearance of good subjects needs at least 2 of them with finite descriptors, got {len(descriptors)}"
        )
    subjects = len(descriptors) if as_if is None else as_if
    light, projection, places = None, None, None
    if layout.closer is not None:
        count, numbers = layout.closer
        places = fit_places(descriptors[:, -count * numbers :], places=count, seed=seed)
        descriptors = descriptors[:, : -count * numbers]
    if layout.light_last:
        light = Light.of(descriptors)
        descriptors = light.evened(descriptors)
    if layout.cells is not None:
        projection = fit_projection(descriptors, places=layout.cells, as_if=subjects)
        descriptors = projected_without_self(descriptors, projection, seed=seed)
    mean, spread = descriptors.mean(axis=0), descriptors.std(axis=0)
    deviation = np.where(spread > 1e-9 * (1 + np.abs(mean)), spread, np.inf)
    quantiles = np.quantile(descriptors, np.linspace(0, 1, QUANTILES), axis=0)
    x = Appearance(mean, deviation, (), np.empty(0, np.float32), quantiles).standardised(descriptors)
    shrinkage = float(np.clip(SHRINKAGE / subjects, *SHRINKAGE_RANGE))
    mixtures = tuple(_fit_mixture(x, min(kinds, len(x)), shrinkage, seed) for kinds in kinds_of(subjects))
    remembered = np.random.default_rng(seed).permutation(x)[:MOST_REMEMBERED].astype(np.float32)
    return Appearance(mean, deviation, mixtures, remembered, quantiles, projection, light, places)


def apart_from_self(descriptors: NDArray[np.float64], *, seed: int, layout: Layout = NO_PLACES) -> Apart:
    """Return what is said of good subjects (n, D) by what was learnt from others, as it will be of new good subjects.

    Arguments are those of ``fit_appearance``.

    Raises:
        TrainingError: there are fewer than ``FEWEST``, or a descriptor is not finite.
    """
    check_enough(len(descriptors))
    order = np.random.default_rng(seed).permutation(len(descriptors))
    aspects = np.empty((len(descriptors), 1 if layout.closer is None else 1 + QUESTIONS))
    told: list[NDArray[np.float64]] = []
    for part in np.array_split(order, min(FOLDS, len(descriptors) // 2)):
        others = np.setdiff1d(order, part)
        known = fit_appearance(descriptors[others], seed=seed, layout=layout, as_if=len(order))
        answers = known.answers(descriptors[part])
        aspects[part] = known.aspects(descriptors[part], answers)
        if answers is not None:
            told.append(answers[: ceil(MOST_FOR_USUAL / FOLDS)])
    return Apart(aspects, usual_of(np.concatenate(told)) if told else None)


def scores_in_their_light(
    known: Appearance, descriptors: NDArray[np.float64], photos: NDArray[np.int64], *, seed: int
) -> tuple[Appearance, NDArray[np.float64]]:
    """Learn the light of good subjects that were not trained on, and score each by what other photos show of it.

    The light differs a little from photo to photo, and a new photo has none in its own: were a subject scored by others
    of its photo, it would look more usual than subjects of new photos will.

    Args:
        known: learnt from others.
        descriptors: (n, D).
        photos: (n,) number of the photo that each comes from; at least two.
        seed: of the parts that the photos are scored in.

    Returns:
        The appearance with their light known, and scores (n,), as those of good subjects in new photos in like light.
    """
    order = np.random.default_rng(seed).permutation(np.unique(photos))
    scores = np.empty(len(descriptors))
    for part in np.array_split(order, min(FOLDS, len(order))):
        mine = np.isin(photos, part)
        others = known.in_light_of(descriptors[~mine], as_if=len(descriptors))
        scores[mine] = others.score(descriptors[mine])
    return known.in_light_of(descriptors), scores


def check_enough(subjects: int) -> None:
    """Refuse to learn an appearance from too few good subjects.

    Raises:
        TrainingError: there are fewer than ``FEWEST``.
    """
    if subjects < FEWEST:
        raise TrainingError(
            f"the appearance of good subjects needs at least {FEWEST} of them to learn from, got {subjects} besides "
            f"those kept aside: add photos of good ones, best a hundred or more"
        )


def kinds_of(subjects: int) -> tuple[int, ...]:
    """Return how many kinds each mixture tells apart, given the number of good subjects."""
    middle = min(max(subjects / SUBJECTS_A_KIND, 1), MOST_KINDS)
    return tuple(sorted({max(round(share * middle), 1) for share in AROUND}))


def _fit_mixture(x: NDArray[np.float64], kinds: int, shrinkage: float, seed: int) -> Mixture:
    from sklearn.mixture import GaussianMixture  # noqa: PLC0415 - needed for training only, and slow to import
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    with threadpool_limits(1, "blas"):  # two threads take three times as long for matrices as small as these
        fitted: Any = GaussianMixture(kinds, reg_covar=shrinkage, random_state=seed, max_iter=300).fit(x)
    return Mixture(np.log(fitted.weights_), fitted.means_, fitted.precisions_cholesky_)


def _check_shapes(appearance: Appearance) -> None:
    d = len(appearance.mean)
    fits = appearance.deviation.shape == (d,)
    fits &= appearance.projection is None or len(appearance.projection.components) + 2 == d
    fits &= appearance.light is None or appearance.light.shifts.shape[1] == d
    fits &= appearance.light is None or appearance.projection is None
    fits &= appearance.places is None or (appearance.light is None and len(appearance.scales) == 1 + QUESTIONS)
    fits &= all(len(scale.good) > 1 and np.isfinite(scale.good).all() for scale in appearance.scales)
    for table in (appearance.quantiles, appearance.remembered):
        fits &= table.ndim == 2 and table.shape[1] == d and len(table) > 0
    for mixture in appearance.mixtures:
        kinds = len(mixture.log_weights)
        fits &= mixture.means.shape == (kinds, d) and mixture.precisions.shape == (kinds, d, d) and kinds > 0
    if not (fits and appearance.mixtures):
        raise ArtefactError("the tensors of the model's appearance do not fit together: train anew")
