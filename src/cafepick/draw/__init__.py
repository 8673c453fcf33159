"""Everything that is drawn; nothing here needs torch.

- ``tray``: a whole photo with its verdicts, and the masks of its defects; ``labels`` says where the numbers go.
- ``panels``: one subject and what its verdict rests on; grids of samples.
- ``plots``: the curves of a training run.
- ``ink``: the palette, lines, text and paint, which the others share.
"""

from cafepick.draw.panels import captioned_grid, panel, pictures, sample_grid
from cafepick.draw.plots import curves
from cafepick.draw.tray import masks, overlay

__all__ = ["captioned_grid", "curves", "masks", "overlay", "panel", "pictures", "sample_grid"]
