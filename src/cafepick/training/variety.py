"""Does a generator draw different images, or much the same over and over (mode collapse, Goodfellow et al. 2014)?

AnoGAN looks for the closest good image among those that the generator can draw. If they are all alike, it finds none,
and what its score then tells is how far a subject lies from that one image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

DRAWN: Final = 256
"""Images that are drawn to tell."""
COLLAPSED: Final = 0.3
"""Below, a generator has collapsed. Those that draw different beans and bricks had 0.6 to 1.2; one that drew the
same gravel over and over 0.05, one that drew all labels in one place 0.17."""


def variety(drawn: NDArray[np.uint8], good: NDArray[np.uint8]) -> float:
    """Return how much drawn images vary, in units of how much good ones do: about 1 where all is well, 0 if not at all.

    Args:
        drawn: (n, size, size, c), n > 0.
        good: (m, size, size, c), m > 0; where they are all the same there is nothing to vary, which gives 1.

    Returns:
        The ratio of the standard deviations over images, each the mean over pixels and channels.
    """
    spread, usual = (float(images.std(axis=0, dtype=np.float32).mean()) for images in (drawn, good))
    return spread / usual if usual > 0 else 1.0
