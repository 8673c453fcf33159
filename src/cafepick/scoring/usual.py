r"""How much features of good subjects usually differ from those of their reconstructions.

Some features differ wherever an encoder draws a little softer than the photo; others hardly ever do, so that a small
difference tells. Each difference $d_i = f_i(x) - f_i(\hat x)$ of a subject $x$ from its reconstruction $\hat x$ is
therefore measured in standard deviations from its mean on good subjects,

$$\sum_i \left|\frac{d_i - \mu_i}{\sigma_i}\right|,$$

over the discriminator's last two maps: the last knows what is seen, the one before it still knows where. What is usual
is learnt from reconstructions of one pass; those that ``refine`` searches are measured by the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cafepick.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAPS: Final = 2
"""Of the discriminator's maps, so many of the last count."""
AS_IF: Final = 5
"""The variance of each feature is drawn towards that of all, as if so many subjects more had shown it: a feature that
hardly ever differs would otherwise decide alone."""
FEWEST: Final = 2
"""Good subjects that have a deviation."""
FLATTEST: Final = 1e-12
"""Share of the mean square: below, what is left of a variance is rounding."""


class UsualDifference(nn.Module):
    """Mean and deviation of the difference of each feature, over good subjects.

    Args:
        features: number of features, of the flattened maps one after another.
    """

    mean: Float[Tensor, " f"]
    deviation: Float[Tensor, " f"]

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("deviation", torch.ones(features))

    @classmethod
    def of(cls, chunks: Iterable[Float[Tensor, "n f"]]) -> UsualDifference:
        """Learn them from the differences of good subjects, some at a time.

        Raises:
            TrainingError: there are fewer than 2 subjects, or no feature differs.
        """
        count, total, squares = 0, torch.zeros(()), torch.zeros(())
        for chunk in chunks:
            differences = chunk.double()
            count += len(chunk)
            total = total + differences.sum(dim=0)
            squares = squares + differences.square().sum(dim=0)
        check_enough_to_be_usual(count)
        mean = total / count
        variance = (squares / count - mean.square()).clamp_min(0) * count / (count - 1)
        overall = variance.mean()
        if not overall > FLATTEST * squares.mean() / count:  # NaN is not
            raise TrainingError("all good subjects differ alike from their reconstructions: training went wrong")
        usual = cls(len(mean))
        usual.mean = mean.float()
        usual.deviation = ((count * variance + AS_IF * overall) / (count + AS_IF)).sqrt().float()
        return usual

    def forward(self, seen: Sequence[Tensor], seen_likeness: Sequence[Tensor]) -> Float[Tensor, " b"]:
        """Sum up how unusually the maps (b, c, h, w) of subjects differ from those of their reconstructions.

        Args:
            seen: all maps of the discriminator, finest first.
            seen_likeness: the same of the reconstructions.
        """
        differences = differences_of(seen, seen_likeness)
        return ((differences - self.mean) / self.deviation).abs().sum(dim=1)


def differences_of(seen: Sequence[Tensor], seen_likeness: Sequence[Tensor]) -> Float[Tensor, "b f"]:
    """Return the difference of each feature of the last ``MAPS`` maps, in float32."""
    pairs = zip(seen[-MAPS:], seen_likeness[-MAPS:], strict=True)
    return torch.cat([(a.float() - b.float()).flatten(1) for a, b in pairs], dim=1)


def check_enough_to_be_usual(subjects: int) -> None:
    """Refuse to learn what is usual from too few good subjects.

    Raises:
        TrainingError: there are fewer than ``FEWEST``.
    """
    if subjects < FEWEST:
        raise TrainingError(
            f"what differences are usual is learnt from {FEWEST} good subjects or more besides those kept aside, got "
            f"{subjects}: add photos of good ones, best a hundred or more"
        )
