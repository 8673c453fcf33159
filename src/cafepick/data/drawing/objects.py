"""From a name to a drawn object: its form first, so that it can be placed, then its surface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cafepick.data.drawing.defects import OVERLAYS
from cafepick.data.drawing.fields import child
from cafepick.data.drawing.foreign import draw_stick, draw_stone
from cafepick.data.drawing.form import Form, bean_form, canvas_of, stick_form, stone_form
from cafepick.data.drawing.skin import Sketch, draw_good

if TYPE_CHECKING:
    import numpy as np

    from cafepick.data.drawing.fields import Floats

FOREIGN: Final = "foreign"

_BUILD: Final = {  # factors on (size, length / width)
    "black": (0.93, 1.0),
    "immature": (0.84, 1.1),
    "parchment": (1.07, 1.0),
}


def draw_form(name: str, length: float, rng: np.random.Generator) -> Form:
    """Draw the outline of a good bean, a defective bean before anything is missing, a stone or a stick.

    Args:
        name: ``good``, a key of ``OVERLAYS``, or ``foreign``.
        length: of the average bean in photo pixels.
        rng: advances by one number; the same state gives the same bean whatever its (local) defect.
    """
    own = child(rng)
    if name == FOREIGN:
        return stick_form(own, length) if own.random() < 0.5 else stone_form(own, length)
    size, aspect = _BUILD.get(name, (1.0, 1.0))
    return bean_form(own, length, size=size, aspect=aspect)


def draw_surface(name: str, form: Form, tone: Floats, rng: np.random.Generator) -> Sketch:
    """Draw what ``draw_form`` has outlined.

    Args:
        name: as for ``draw_form``.
        form: the outline.
        tone: (3,) linear RGB of the lot.
        rng: advances by two numbers; the same state gives the same bean, with or without the defect.
    """
    skin, harm = child(rng), child(rng)
    canvas = canvas_of(form)
    if name == FOREIGN:
        is_slender = form.radii.max() > 3 * form.radii.min()
        return (draw_stick if is_slender else draw_stone)(canvas, skin)
    good = draw_good(canvas, tone, skin)
    return OVERLAYS[name](good, harm) if name in OVERLAYS else good
