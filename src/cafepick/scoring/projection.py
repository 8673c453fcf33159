r"""Many descriptors that go together -> a few that do not: principal components, and what they leave unexplained.

Good subjects lie near a plane of few dimensions. A descriptor vector x is split into its place in that plane and its
distance from it,

$$h = U^\top (x - \mu), \qquad r = x - \mu - U h,$$

and both count: $h$ for good parts in an unusual combination, $\log\lVert r\rVert^2$ for what no good subject has. The
share of $r$ is taken by place too, since a defect that fills one cell hardly shows in the sum over all (probabilistic
PCA: Tipping and Bishop, J. R. Statist. Soc. B 61, 1999; by place: Defard et al., PaDiM, arXiv 2011.08785).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cafepick.errors import ArtefactError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

MOST_COMPONENTS: Final = 40
SUBJECTS_A_COMPONENT: Final = 10
"""Good subjects that a component needs at least, or it would describe those subjects themselves."""
FOLDS: Final = 5
WORST: Final = 0.05
"""Share of the places, one at least, of which the unexplained rest counts by itself."""
_LEAST: Final = 1e-9


@dataclass(frozen=True, eq=False)
class Projection:
    """A plane near which good subjects lie; ``fit_projection`` finds one."""

    middle: NDArray[np.float64]
    """(D,)"""
    components: NDArray[np.float64]
    """(k, D) orthonormal rows."""
    usual: NDArray[np.float64]
    """(places,) mean squared rest of good subjects at each place; descriptors come place by place."""

    def of(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n, k + 2): components, then the log of the rest in all and at its worst places, of x (n, D)."""
        return np.array([self._of(row) for row in x]).reshape(len(x), len(self.components) + 2)  # alike in any batch

    def _of(self, row: NDArray[np.float64]) -> NDArray[np.float64]:
        centred = row - self.middle
        inside = self.components @ centred
        rest = np.square(centred - inside @ self.components).reshape(len(self.usual), -1).mean(axis=1)
        ratio = np.sort(rest / self.usual)
        count = max(round(WORST * len(ratio)), 1)
        return np.append(inside, [np.log(rest.mean() + _LEAST), np.log(ratio[-count:].mean() + _LEAST)])

    def back(self, projected: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the (D,) descriptors of the place in the plane that a row of ``of`` (k + 2,) names."""
        return self.middle + projected[: len(self.components)] @ self.components

    def to_tensors(self) -> dict[str, NDArray[Any]]:
        """Return everything as named arrays, for the artefact."""
        return {"middle": self.middle, "components": self.components, "usual": self.usual}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]]) -> Projection:
        """Build it from the arrays that ``to_tensors`` gave.

        Raises:
            ArtefactError: an array is missing or has another shape than the others say.
        """
        try:
            projection = cls(tensors["middle"], tensors["components"], tensors["usual"])
        except KeyError as error:
            raise ArtefactError(f"the model lacks the tensor {error} of its projection: train anew") from error
        middle, components, usual = projection.middle, projection.components, projection.usual
        fits = middle.ndim == usual.ndim == 1 and components.ndim == 2 and components.shape[1:] == middle.shape
        if not (fits and len(usual) and len(middle) % len(usual) == 0 and (usual > 0).all()):
            raise ArtefactError("the tensors of the model's projection do not fit together: train anew")
        return projection


def fit_projection(x: NDArray[np.float64], *, places: int, as_if: int | None = None) -> Projection:
    """Find the plane of most variance through descriptors of good subjects.

    Args:
        x: (n, D), n > 1, D a multiple of ``places``, finite.
        places: cells that the descriptors come from, cell by cell.
        as_if: number of good subjects that the components are counted for; None: as many as there are.
    """
    middle = x.mean(axis=0)
    centred = x - middle
    subjects = len(x) if as_if is None else as_if
    count = int(np.clip(subjects // SUBJECTS_A_COMPONENT, 1, min(MOST_COMPONENTS, x.shape[1])))
    _, vectors = np.linalg.eigh(centred.T @ centred / len(x))  # ascending
    components = np.ascontiguousarray(vectors[:, ::-1][:, :count].T)
    rest = np.square(centred - centred @ components.T @ components).reshape(len(x), places, -1).mean(axis=(0, 2))
    return Projection(middle, components, rest + _LEAST)


def projected_without_self(x: NDArray[np.float64], projection: Projection, *, seed: int) -> NDArray[np.float64]:
    """Return what ``projection.of`` gives of the subjects (n, D) that it was fitted to, as if they were new.

    A plane lies nearer to the subjects that it was fitted to than to others, so their distance is taken from planes
    that were fitted without them.
    """
    projected = projection.of(x)
    counted_for = len(projection.components) * SUBJECTS_A_COMPONENT
    order = np.random.default_rng(seed).permutation(len(x))
    for part in np.array_split(order, min(FOLDS, len(x))):
        others = np.setdiff1d(order, part)
        apart = fit_projection(x[others], places=len(projection.usual), as_if=counted_for)
        projected[part, -2:] = apart.of(x[part])[:, -2:]
    return projected
