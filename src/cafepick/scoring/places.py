r"""What good subjects show place by place, and how unlike it a new one is at its worst places.

A closer look gives a vector x of a few numbers at each place p (``beans.closer``). Two questions are asked of each:

- *here*: is it what good subjects show at this place? The squared Mahalanobis distance
  $(x - \mu_p)^\top \Sigma_p^{-1} (x - \mu_p)$, with each place's covariance drawn towards the mean of all
  (Defard et al., PaDiM, arXiv 2011.08785). This tells where a part lies as others do.
- *anywhere*: is it what good subjects show at any place? $-\log$ of a mixture of Gaussians over places of all
  (Böttger and Ulrich, Real-time texture error detection on textured surfaces, 2016). This tells where a texture runs on
  or the subject lies any way.

Neither is asked to be right everywhere: each gives one number a subject, the mean over its worst places, and a map of
how far each place exceeds what is usual.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cafepick.errors import ArtefactError, TrainingError
from cafepick.scoring.density import Densities, Mixture

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

WORST: Final = 0.01
"""Share of the places, one at least, that give the number of a subject."""
TOWARDS_ALL: Final = 0.3
"""Share of the mean covariance in that of a place."""
KINDS: Final = 16
"""Of places, at most: one for ``PLACES_A_KIND`` of them."""
PLACES_A_KIND: Final = 64
MOST_PLACES: Final = 16_000
"""Places drawn from all good subjects to learn the kinds from."""
LEAST_VARIANCE: Final = 0.02
"""Added to the variances of standardised numbers."""
FLATTEST: Final = 1e-6
"""Variance of a number that is the same everywhere."""
QUESTIONS: Final = 2
ARRAYS: Final = ("means", "precisions", "middle", "spread")
HARDLY: Final = 0.99
"""Quantile of the answers at places of good subjects: what exceeds the mean as far counts 1 in a map."""
MOST_FOR_USUAL: Final = 200
"""Good subjects that tell mean and quantile, at most; each by what others taught, as what a subject taught knows it."""
LEAST_STEP: Final = 1.0
"""A quantile is taken for so far beyond the mean at least: photos that are all alike have no spread."""
MOST_STEPS: Final = 100.0
"""Beyond, one place is as odd as another."""
SMALLEST: Final = 1e-6
"""Added to a distance before its logarithm is taken."""
DIGITS: Final = 9
"""Decimals of a subject's numbers: the last digits of long sums say nothing."""


@dataclass(frozen=True, eq=False)
class Places:
    """What good subjects show at each of p places, in d numbers; ``fit_places`` learns it."""

    means: NDArray[np.float64]
    """(p, d) mean at each place."""
    precisions: NDArray[np.float64]
    """(p, d, d) inverse covariance at each place."""
    middle: NDArray[np.float64]
    """(d,) mean over all places."""
    spread: NDArray[np.float64]
    """(d,) standard deviation over all places."""
    mixture: Mixture
    """Of places of all good subjects, standardised by ``middle`` and ``spread``."""
    usual: NDArray[np.float64] | None = None
    """(2, 2) of each question the mean answer at places of good subjects that others taught, and how far beyond it
    ``HARDLY`` any lies (``usual_of``); None: ``excess`` cannot be told."""

    @property
    def width(self) -> int:
        """Numbers of a subject in all."""
        return self.means.size

    def answers(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n, 2, p) answers to both questions at each place of subjects (n, p d).

        Each subject's depend on itself alone, to the bit.
        """
        return np.array([self._answers(row) for row in x]).reshape(len(x), QUESTIONS, len(self.means))

    def _answers(self, row: NDArray[np.float64]) -> NDArray[np.float64]:
        x = row.reshape(self.means.shape)
        apart = x - self.means
        here = ((apart[:, None] @ self.precisions)[:, 0] * apart).sum(axis=1)
        return np.stack((here, -self._densities.mean_logs((x - self.middle) / self.spread)))

    def excess(self, answers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n, p) of answers (n, 2, p): how far they exceed what is usual, summed; 0 and more.

        Raises:
            TrainingError: what is usual is not known yet.
        """
        if self.usual is None:
            raise TrainingError("what is usual at places of good subjects is not known yet: learn it from others first")
        mean, step = self.usual.T[..., None]
        return np.clip((answers - mean) / step, 0, MOST_STEPS).sum(axis=1)

    @cached_property
    def _densities(self) -> Densities:
        return Densities.of((self.mixture,))

    def to_tensors(self) -> dict[str, NDArray[Any]]:
        """Return everything as named arrays, for the artefact."""
        named = {name: getattr(self, name) for name in ARRAYS}
        named |= {} if self.usual is None else {"usual": self.usual}
        return {**named, **{f"mixture.{name}": array for name, array in self.mixture._asdict().items()}}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]]) -> Places:
        """Build it from the arrays that ``to_tensors`` gave.

        Raises:
            ArtefactError: an array is missing or has another shape than the others say.
        """
        try:
            means, precisions, middle, spread, usual = (tensors[name] for name in (*ARRAYS, "usual"))
            mixture = Mixture(*(tensors[f"mixture.{field}"] for field in Mixture._fields))
        except KeyError as error:
            raise ArtefactError(f"the model lacks the tensor {error} of its places: train anew") from error
        p, d = means.shape if means.ndim == 2 else (0, 0)
        kinds = len(mixture.log_weights)
        fits = p > 0 and precisions.shape == (p, d, d) and middle.shape == spread.shape == (d,)
        fits = fits and usual.shape == (QUESTIONS, 2) and bool((usual[:, 1] > 0).all())
        fits = fits and mixture.means.shape == (kinds, d) and mixture.precisions.shape == (kinds, d, d)
        if not (fits and kinds and (spread > 0).all()):
            raise ArtefactError("the tensors of the model's places do not fit together: train anew")
        return cls(means, precisions, middle, spread, mixture, usual)


def fit_places(x: NDArray[np.float64], *, places: int, seed: int) -> Places:
    """Learn what good subjects show.

    Args:
        x: (n, p d), n > 1, finite, place by place.
        places: p.
        seed: of the places drawn and of the mixture's start.
    """
    x = x.reshape(len(x), places, -1)
    means = x.mean(axis=0)
    covariances = np.stack([np.cov(at.T, bias=True) for at in np.moveaxis(x, 1, 0)]).reshape(places, x.shape[2], -1)
    towards = (1 - TOWARDS_ALL) * covariances + TOWARDS_ALL * covariances.mean(axis=0)
    precisions = np.linalg.inv(towards + FLATTEST * np.eye(x.shape[2]))
    everywhere = x.reshape(-1, x.shape[2])
    middle, spread = everywhere.mean(axis=0), np.sqrt(everywhere.var(axis=0) + FLATTEST)
    drawn = np.random.default_rng(seed).permutation(len(everywhere))[:MOST_PLACES]
    return Places(means, precisions, middle, spread, _mixture((everywhere[drawn] - middle) / spread, seed))


def worst(answers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n, 2) of answers (n, 2, p): how odd the worst places are *here*, as a logarithm, and *anywhere*."""
    count = max(round(WORST * answers.shape[2]), 1)
    here, anywhere = np.sort(answers, axis=2)[..., -count:].mean(axis=2).T
    return np.asarray(np.stack((np.log(here + SMALLEST), anywhere), axis=1).round(DIGITS), np.float64)


def usual_of(answers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what is usual (``Places.usual``), of answers (n, 2, p) of good subjects by what others taught."""
    mean = answers.mean(axis=(0, 2))
    return np.stack((mean, np.maximum(np.quantile(answers, HARDLY, axis=(0, 2)) - mean, LEAST_STEP)), axis=1)


def _mixture(x: NDArray[np.float64], seed: int) -> Mixture:
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415 - for training only, and slow to import
    from sklearn.mixture import GaussianMixture  # noqa: PLC0415
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    kinds = max(min(KINDS, len(x) // PLACES_A_KIND), 1)
    with threadpool_limits(1, "blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # kinds that still shift a little tell as much
        fitted: Any = GaussianMixture(
            kinds, reg_covar=LEAST_VARIANCE, random_state=seed, max_iter=50, tol=1e-2, init_params="k-means++"
        ).fit(x)
    return Mixture(np.log(fitted.weights_), fitted.means_, fitted.precisions_cholesky_)
