r"""What the comparison learns: where a made-up defect is, and whether there is one.

A focal loss by pixel (Lin et al., arXiv 1708.02002, gamma 2, in the form for labels between 0 and 1 of Li et al.,
arXiv 2006.04388), Dice by image for defects of a few pixels, and cross-entropy for the whole image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

if TYPE_CHECKING:
    from cafepick.models.comparison import Compared
    from cafepick.training.losses import Scalar

VISIBLE: Final = 3.0
"""Pixels that must have changed in full, all told, for an image to count as spoiled; fewer prove nothing."""
FOCUS: Final = 10.0
"""Weight of the focal loss, a mean over pixels of which few are spoiled."""

Mask = Float[Tensor, "b 1 size size"]


def comparison_loss(compared: Compared, where: Mask) -> tuple[Scalar, Scalar]:
    """Return the loss of the map and of the logit.

    Args:
        compared: what the head says.
        where: 0 for good pixels, up to 1 for spoiled ones.
    """
    map_logits = compared.map_logits.float()
    changed = where.sum((1, 2, 3))
    spoiled, certain = changed > VISIBLE, (changed > VISIBLE) | (changed == 0)
    verdicts = cross_entropy(compared.logit.float(), spoiled.float(), reduction="none")
    logit_loss = (verdicts * certain).sum() / certain.sum().clamp(min=1)
    return FOCUS * focal(map_logits, where) + dice(map_logits, where), logit_loss


def focal(logits: Mask, where: Mask) -> Scalar:
    r"""$|y-\sigma|^2$ times cross-entropy: pixels that are told apart already count for little."""
    distance = (where - logits.sigmoid()).abs()
    return (distance.square() * cross_entropy(logits, where, reduction="none")).mean()


def dice(logits: Mask, where: Mask) -> Scalar:
    r"""$1-\frac{2\sum py+1}{\sum p^2+\sum y^2+1}$ per image (Milletari et al., arXiv 1606.04797), the mean."""
    p = logits.sigmoid()
    shared, own = (p * where).sum((1, 2, 3)), (p.square() + where.square()).sum((1, 2, 3))
    return (1 - (2 * shared + 1) / (own + 1)).mean()
