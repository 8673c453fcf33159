r"""What good subjects look like depends on the light: descriptors are measured from what is usual in like light.

White balance takes the light's strength and colour out, but not what a camera makes of them (tone, contrast, sharpness
at another exposure). Photos in like light are known by the colour $c$ of the surface that the subjects lie on, as the
camera wrote it. So from the descriptors $x$ of a subject in light $c$, the difference is taken by which good subjects
in like light differ from all,

$$x' = x - \frac{\sum_i K(c, c_i)\,(x_i - \bar x)}{\sum_i K(c, c_i) + m},$$

over good subjects $i$ with a Gaussian kernel $K$ (Nadaraya, Theory Prob. Appl. 9, 1964; Watson, Sankhya A 26, 1964).
The constant $m$ stands for that many good subjects that are as all are: in a light that was hardly seen, or never,
little or nothing is taken. Good subjects that come to calibrate with, in such a light, make it known (``seen_too``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cafepick.errors import ArtefactError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

COLOURS: Final = 3
"""Numbers that tell the light: CIE L*, a*, b* of the surface."""
LIKE: Final = (3.0, 0.5, 2.0)
"""Standard deviations of the kernel. Good subjects are counted in cells half as wide."""
AS_IF: Final = 30.0
"""The m of the formula: good subjects of no light in particular."""
ALONE: Final = 0.1
"""Others show a photo's light if their subjects, counted by how like their light is, are so many times its own."""
TOLD: Final = 10.0
"""Good subjects that are shown for the sake of their light count so many times: it is the one to be judged in."""

KEPT: Final = 256
"""Surfaces whose shift is kept."""


@dataclass(frozen=True, eq=False)
class Light:
    """How good subjects differ from light to light."""

    surfaces: NDArray[np.float64]
    """(k, COLOURS) surfaces that good subjects were seen on."""
    counts: NDArray[np.float64]
    """(k,) how many of them."""
    shifts: NDArray[np.float64]
    """(k, d) what the mean of their descriptors is above ``usual``."""
    usual: NDArray[np.float64]
    """(d,) mean descriptors of all that were trained on."""
    trained: int
    """How many of the k, the first, were seen in training; the others later."""

    @classmethod
    def of(cls, x: NDArray[np.float64]) -> Light:
        """Learn it from descriptors of good subjects (n, d + COLOURS), the last of which tell the light."""
        usual = x[:, :-COLOURS].mean(axis=0)
        means, counts = _by_surface(x)
        return cls(means[:, -COLOURS:], counts, means[:, :-COLOURS] - usual, usual, len(counts))

    def seen_too(self, x: NDArray[np.float64], *, as_if: int | None = None) -> Light:
        """Return it with what good subjects (n, d + COLOURS) show that were not trained on.

        What was seen so before is forgotten: what comes of it depends on the training and on these subjects alone, and
        nothing counts twice.

        Args:
            x: their descriptors.
            as_if: number of subjects that they stand for; None: as many as they are.
        """
        means, counts = _by_surface(x)
        counts *= 1 if as_if is None else as_if / len(x)
        old = slice(self.trained)
        return replace(
            self,
            surfaces=np.concatenate([self.surfaces[old], means[:, -COLOURS:]]),
            counts=np.concatenate([self.counts[old], counts]),
            shifts=np.concatenate([self.shifts[old], means[:, :-COLOURS] - self.usual]),
        )

    def evened(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n, d) descriptors as they would be in usual light, of (n, d + COLOURS)."""
        rows = [row[:-COLOURS] - self._shift(*row[-COLOURS:].tolist()) for row in x]
        return np.array(rows).reshape(len(x), self.shifts.shape[1])

    def knows(self, surface: Sequence[float]) -> bool:
        """Return whether good subjects were seen in light like that on a surface of this colour (COLOURS,).

        They were if the kernel gives them the weight of one subject in just that light: a hundred may be three standard
        deviations away, where little is taken out.
        """
        return float(self._like(np.array(surface)).sum()) >= 1

    def shift(self, surface: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (d,) what is added to descriptors in light like that on a surface of this colour (COLOURS,)."""
        weights = self._like(surface)
        weights[self.trained :] *= TOLD
        return weights @ self.shifts / (weights.sum() + AS_IF)

    @cached_property
    def _shift(self) -> Callable[..., NDArray[np.float64]]:
        """``shift``, computed once for all subjects of a photo: they lie on one surface."""
        return lru_cache(maxsize=KEPT)(lambda *surface: self.shift(np.array(surface)))

    def __getstate__(self) -> dict[str, Any]:
        """Leave out ``_shift``, which no pickle takes and which is made anew."""
        return {name: value for name, value in vars(self).items() if name != "_shift"}

    @property
    def is_told(self) -> bool:
        """Whether good subjects were seen besides those that were trained on."""
        return len(self.counts) > self.trained

    def _like(self, surface: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (k,) good subjects, each counted by how like its light is."""
        return self.counts * _kernel(self.surfaces, surface)

    def to_tensors(self) -> dict[str, NDArray[Any]]:
        """Return everything as named arrays, for the artefact."""
        named = {"surfaces": self.surfaces, "counts": self.counts, "shifts": self.shifts, "usual": self.usual}
        return {**named, "trained": np.array(self.trained, np.int64)}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]]) -> Light:
        """Build it from the arrays that ``to_tensors`` gave.

        Raises:
            ArtefactError: an array is missing or has another shape than the others say.
        """
        try:
            *arrays, trained = (tensors[name] for name in ("surfaces", "counts", "shifts", "usual", "trained"))
        except KeyError as error:
            raise ArtefactError(f"the model lacks the tensor {error} of its light: train anew") from error
        surfaces, counts, shifts, usual = arrays
        cells = counts.size
        fits = counts.shape == (cells,) and surfaces.shape == (cells, COLOURS) and shifts.shape == (cells, usual.size)
        fits = fits and usual.ndim == 1 and trained.shape == () and 0 < trained <= cells and trained % 1 == 0
        if not (fits and all(np.isfinite(array).all() for array in arrays) and (counts > 0).all()):
            raise ArtefactError("the tensors of the model's light do not fit together: train anew")
        return cls(surfaces, counts, shifts, usual, int(trained))


@dataclass(frozen=True, eq=False)
class Shown:
    """What lights a set of photos shows, and which of them would still be shown without some of the photos."""

    surfaces: NDArray[np.float64]
    """(p, COLOURS) of photo 0, 1, ..."""
    counts: NDArray[np.int64]
    """(p,) subjects of each."""

    def parted(self, photos: Sequence[int], enough: float) -> tuple[list[int], list[int]]:
        """Part photos into some whose lights the others show, and these.

        Args:
            photos: all of them, in the order in which they are taken.
            enough: subjects; when the first part shows as many, no more are taken.

        Returns:
            Those taken, in the order given, and the others, the farther from all that are left the later.
        """
        taken: list[int] = []
        left: list[int] = []
        everything = self._lights(np.ones(len(photos), np.bool_))
        shown = np.array([_kernel(self._means, surface) @ everything for surface in self.surfaces]) - self.counts
        least = ALONE * self.counts
        for photo in photos:
            without = shown - self.counts[photo] * _kernel(self.surfaces, self._means[self._cells[photo]])
            without[photo] = shown[photo]
            serves = shown[photo] >= least[photo] and (without[taken] >= least[taken]).all()
            if serves and self.counts[taken].sum() < enough:
                taken.append(photo)
                shown = without
            else:
                left.append(photo)
        left.sort(key=lambda photo: -shown[photo] / self.counts[photo])
        return taken, left

    def alone(self, aside: NDArray[np.bool_]) -> list[int]:
        """Return which photos of those ``aside`` (p,) lie in a light that none of the others shows."""
        others = self._lights(~aside)
        return [photo for photo in np.flatnonzero(aside).tolist() if self._share(photo, others) < ALONE]

    def _share(self, photo: int, lights: NDArray[np.float64]) -> float:
        """Return how many subjects the ``lights`` (k,) show in one like that of a photo, by how many it shows."""
        return float(_kernel(self._means, self.surfaces[photo]) @ lights) / float(self.counts[photo])

    def _lights(self, photos: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return (k,) how many subjects photos show on surfaces of each cell."""
        return np.bincount(self._cells, weights=self.counts * photos, minlength=len(self._means)).astype(np.float64)

    @cached_property
    def _cells(self) -> NDArray[np.int64]:
        """(p,) cell that each photo's surface lies in."""
        return _cells(self.surfaces)

    @cached_property
    def _means(self) -> NDArray[np.float64]:
        """(k, COLOURS) mean surface of each cell."""
        return _by_surface(self.surfaces)[0]


def _kernel(surfaces: NDArray[np.float64], surface: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (k,) how like the light on each of ``surfaces`` (k, COLOURS) is to that on ``surface``, in (0, 1]."""
    return np.exp(-0.5 * np.square((surfaces - surface) / LIKE).sum(axis=1))


def _by_surface(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean descriptors (k, d + COLOURS) of subjects (n, d + COLOURS) on surfaces alike, and how many (k,)."""
    cell = _cells(x[:, -COLOURS:])
    counts = np.bincount(cell)
    sums = np.zeros((len(counts), x.shape[1]))
    np.add.at(sums, cell, x)
    return sums / counts[:, None], counts.astype(np.float64)


def _cells(surfaces: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the number of the cell that each of ``surfaces`` (n, COLOURS) lies in, (n,)."""
    return np.unique(np.floor(surfaces / (np.array(LIKE) / 2)), axis=0, return_inverse=True)[1].ravel()
