"""How dense good subjects lie around a new one: by mixtures of Gaussians, and by its nearest neighbours.

Each answer depends on its own subject alone, to the bit, whatever else is asked in the same call.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

NEIGHBOURS: Final = 5
"""Good subjects whose mean distance counts."""
FOLDED: Final = 16
"""Of so many distances the least stands for all when it is asked how far the nearest may be."""
AT_ONCE: Final = 256
"""Subjects whose neighbours are looked for together."""


class Mixture(NamedTuple):
    """One mixture of Gaussians over standardised descriptors."""

    log_weights: NDArray[np.float64]
    """(kinds,)"""
    means: NDArray[np.float64]
    """(kinds, d)"""
    precisions: NDArray[np.float64]
    """(kinds, d, d) upper triangular P with inverse covariance P P'."""


@dataclass(frozen=True, eq=False)
class Densities:
    """Several mixtures, put so that all their kinds are computed by one product."""

    precisions: NDArray[np.float64]
    """(d, kinds of all mixtures * d)"""
    means: NDArray[np.float64]
    """(kinds * d,) each mean times its precisions."""
    constants: NDArray[np.float64]
    """(kinds,) logarithm of each kind's density at its mean, times its weight."""
    ends: tuple[int, ...]
    """Number of kinds up to the end of each mixture."""

    @classmethod
    def of(cls, mixtures: Sequence[Mixture]) -> Densities:
        """Put mixtures together."""
        precisions = np.concatenate([mixture.precisions for mixture in mixtures])  # (kinds, d, d)
        means = np.concatenate([mixture.means for mixture in mixtures])
        kinds, d = means.shape
        volumes = np.log(np.diagonal(precisions, axis1=1, axis2=2)).sum(axis=1)
        constants = (
            np.concatenate([mixture.log_weights for mixture in mixtures]) + volumes - 0.5 * d * np.log(2 * np.pi)
        )
        scaled = np.einsum("kd,kde->ke", means, precisions).ravel()
        beside = np.ascontiguousarray(precisions.transpose(1, 0, 2)).reshape(d, kinds * d)
        ends = np.cumsum([len(mixture.means) for mixture in mixtures])
        return cls(beside, scaled, constants, tuple(ends.tolist()))

    def mean_log(self, x: NDArray[np.float64]) -> float:
        """Return the mean over the mixtures of the logarithm of their density at x (d,)."""
        return float(self.mean_logs(x))

    def mean_logs(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the same of many x (..., d): (...,), to the bit as long as their number stays."""
        scaled = (x @ self.precisions - self.means).reshape(*x.shape[:-1], len(self.constants), -1)
        logs = self.constants - 0.5 * np.square(scaled).sum(axis=-1)
        starts = (0, *self.ends[:-1])
        found = [np.logaddexp.reduce(logs[..., a:b], axis=-1) for a, b in zip(starts, self.ends, strict=True)]
        return np.asarray(np.mean(found, axis=0), np.float64)


@dataclass(frozen=True, eq=False)
class Remembered:
    """Good subjects to measure distances from."""

    subjects: NDArray[np.float32]
    """(m, d)"""

    def distances(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean distance of each of x (n, d) to the nearest subjects: (n,)."""
        parts = [self._distances(x[start : start + AT_ONCE]) for start in range(0, len(x), AT_ONCE)]
        return np.concatenate(parts) if parts else np.empty(0)

    def _distances(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Choose by a product of matrices who may be among the nearest, and measure these exactly.

        The product rounds as it happens to be computed; ``slack`` is more than it can be wrong by.
        """
        rows, count = x.astype(np.float32), min(NEIGHBOURS, len(self.subjects))
        squares = self._squares - 2 * (rows @ self.subjects.T)  # (n, m) of the distances, less x^2
        reach = np.sqrt(np.square(rows).sum(axis=1)) + np.sqrt(self._squares.max())
        slack = 8 * (rows.shape[1] + 2) * np.finfo(np.float32).eps * np.square(reach)
        bounds = _not_below(squares, count) + slack
        found = [self.subjects[near <= bound] for near, bound in zip(squares, bounds, strict=True)]
        return np.array([self._exactly(row, near, count) for row, near in zip(rows, found, strict=True)], np.float64)

    def _exactly(self, row: NDArray[np.float32], near: NDArray[np.float32], count: int) -> float:
        squares = np.sort(np.square(near - row).sum(axis=1))
        return float(np.sqrt(squares[:count]).mean())

    @cached_property
    def _squares(self) -> NDArray[np.float32]:
        """(m,) squared length of each subject."""
        return np.square(self.subjects).sum(axis=1)


def _not_below(values: NDArray[Any], count: int) -> NDArray[Any]:
    """Return what ``count`` values of each row (n, m) do not exceed, (n,): the smallest such number, or little more.

    Of each ``FOLDED`` values of a row, only the least is looked at, where enough are left.
    """
    rows, left = len(values), values.shape[1] // FOLDED
    if left >= count:
        values = values[:, : FOLDED * left].reshape(rows, FOLDED, left).min(axis=1)
    return np.partition(values, count - 1, axis=1)[:, count - 1]
