"""The training images, and all randomness of a step, as pure functions of (seed, step).

A run that was interrupted therefore goes on as if nothing had happened: there is no state of a data loader or of a
random generator to save.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cafepick.errors import TrainingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ORDER, _STEP = 0, 1  # separate streams of one seed
_LARGEST_SEED: Final = 2**63 - 1


def random_of_step(seed: int, step: int, *, rank: int = 0) -> torch.Generator:
    """Return the generator, on the CPU, of all that is drawn by chance in ``step`` (from 1) on device ``rank``."""
    return _generator(seed, _STEP, step, rank)


@dataclass(frozen=True, eq=False)
class Batches:
    """The images of a run, in an order that depends on the seed alone.

    Every epoch is a new permutation; a batch may begin in one epoch and end in the next, so that no image is left out
    and any number of images, even fewer than a batch, will do.
    """

    crops: NDArray[np.uint8]
    """(n, size, size, c)."""
    batch: int
    """Images a step."""
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.crops) == 0:
            raise TrainingError("training needs good subjects, got none: name a folder with photos of good subjects")

    def at(self, step: int, *, rank: int = 0, world: int = 1) -> Float[Tensor, "b c size size"]:
        """Return the images of ``step`` (from 1), pixels in [-1, 1], channels last in memory.

        Of several devices (``world``), each takes the part of the batch that its ``rank`` says.
        """
        images = torch.from_numpy(self.crops[self.indices(step)[rank::world]])  # (b, size, size, c)
        return images.permute(0, 3, 1, 2).float() / 127.5 - 1

    def indices(self, step: int) -> NDArray[np.int64]:
        """Return which images ``step`` (from 1) takes, (b,)."""
        count = len(self.crops)
        places = np.arange((step - 1) * self.batch, step * self.batch)  # in the endless row of epochs
        epochs = range(places[0] // count, places[-1] // count + 1)
        orders = np.concatenate([self._order(epoch) for epoch in epochs])
        return orders[places - epochs[0] * count]

    def fingerprint(self) -> str:
        """Return a hash of the images: equal images in equal order give equal text."""
        digest = hashlib.sha256(str(self.crops.shape).encode())
        digest.update(np.ascontiguousarray(self.crops).data)
        return digest.hexdigest()

    def _order(self, epoch: int) -> NDArray[np.int64]:
        return torch.randperm(len(self.crops), generator=_generator(self.seed, _ORDER, epoch)).numpy()


def _generator(*key: int) -> torch.Generator:
    """Return a generator whose stream is unrelated to those of all other keys."""
    state = np.random.SeedSequence(key).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) & _LARGEST_SEED)
