"""Curves of a training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cafepick.draw import ink
from cafepick.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

Series = Mapping[str, Sequence[float]]

WINDOWS: Final = 60
"""A curve is smoothed over this share of its length (one sixtieth); its raw values stay visible, faintly."""
STYLES: Final = ((ink.BLUE, "-"), (ink.VERMILION, "--"), (ink.GREEN, "-."), (ink.INK, ":"))


def curves(records: Sequence[Any] | Series) -> NDArray[np.uint8]:
    """Plot losses above and accuracies below, over the steps of a run.

    Args:
        records: dataclass records with ``step`` and numbers, as training yields them; or the same as one series a name.
            What has ``accuracy`` in its name is a share, 0..1; all else is drawn as a loss.

    Returns:
        (H, W, 3) RGB.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = _new_figure()
    series = records if isinstance(records, Mapping) else _columns(records)
    steps = np.asarray(series.get("step", ()), float)
    losses = {name: values for name, values in series.items() if name != "step" and "accuracy" not in name}
    shares = {name: values for name, values in series.items() if "accuracy" in name}
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    _draw_curves(above, steps, losses, "loss")
    _draw_curves(below, steps, shares, "accuracy")
    below.set_ylim(-0.03, 1.03)
    below.axhline(0.5, color="0.6", linewidth=0.8)
    below.set_xlabel("step")
    return _pixels(figure)


def _columns(records: Sequence[Any]) -> dict[str, list[float]]:
    rows = [asdict(record) for record in records]
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}


def _new_figure() -> Figure:
    """Return a figure that belongs to no window and no global state."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - optional, and slow to import
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("matplotlib", "train") from error
    figure = Figure(figsize=(10, 6.5), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _draw_curves(axes: Axes, steps: NDArray[np.float64], series: Series, label: str) -> None:
    for (name, values), (colour, style) in zip(series.items(), STYLES * len(series), strict=False):
        rgb = tuple(part / 255 for part in colour)
        raw = np.asarray(values, float)
        axes.plot(steps, raw, color=rgb, alpha=0.22, linewidth=0.8)
        axes.plot(steps, _smoothed(raw), style, color=rgb, linewidth=1.8, label=name.replace("_", " "))
    axes.set_ylabel(label)
    axes.grid(color="0.92")
    axes.spines[["top", "right"]].set_visible(False)
    if series:
        axes.legend(frameon=False, ncols=2, loc="upper right")


def _smoothed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of the values around each, fewer at the ends."""
    reach = len(values) // (2 * WINDOWS)
    total = np.concatenate([[0.0], np.cumsum(values)])
    place = np.arange(len(values))
    low, high = np.maximum(place - reach, 0), np.minimum(place + reach + 1, len(values))
    return (total[high] - total[low]) / (high - low)


def _pixels(figure: Figure) -> NDArray[np.uint8]:
    canvas: Any = figure.canvas
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
