"""Building HTML and SVG so that data can never become markup, and pictures as part of the page."""

from __future__ import annotations

import base64
import html
import re
from io import BytesIO
from typing import TYPE_CHECKING, Final

from PIL import Image

from cafepick.images import resize

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

VOID: Final = frozenset({"br", "img", "link", "meta"})
"""Elements without content and without an end tag."""

MOST_SIDE: Final = 1200
"""Longer sides of pictures are brought down to this many pixels."""

_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff\ud800-\udfff]")


class Html(str):
    """Markup; every other string is text, and is escaped when it enters an ``element``."""

    __slots__ = ()


def escape(text: str) -> Html:
    """Return ``text`` as it may stand in markup and in attributes; what cannot be written becomes U+FFFD."""
    return text if isinstance(text, Html) else Html(html.escape(_UNPRINTABLE.sub("\ufffd", text)))


def join(parts: Iterable[str], separator: str = "") -> Html:
    """Join text and markup into markup."""
    return Html(escape(separator).join(escape(part) for part in parts))


def element(name: str, *children: str, **attributes: str | float | None) -> Html:
    """Build an element.

    Args:
        name: of the element, a literal of the program.
        children: text, or markup as ``Html``.
        attributes: ``_`` in a name stands for ``-``, but a last one is dropped (``class_``). None leaves one out;
            numbers are written with two decimals at most.
    """
    start = name + "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_attribute(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{start} />" if name in VOID else f"<{start}>{join(children)}</{name}>")


def picture(image: NDArray[np.uint8], alt: str, *, lossless: bool = False) -> Html:
    """Build an ``<img>`` that carries its own pixels, as WebP, made smaller where it is large.

    Args:
        image: (H, W), (H, W, 1) or (H, W, 3) RGB.
        alt: what it shows, in words.
        lossless: right for line drawings, larger for photographs.
    """
    pixels = image[..., None] if image.ndim == 2 else image
    height, width = pixels.shape[:2]
    shrink = min(1.0, MOST_SIDE / max(height, width))
    if shrink < 1:
        width, height = (max(round(side * shrink), 1) for side in (width, height))
        pixels = resize(pixels, width, height)
    content = BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(
        content, "WEBP", quality=82, lossless=lossless
    )
    source = "data:image/webp;base64," + base64.b64encode(content.getvalue()).decode("ascii")
    return element("img", src=source, alt=alt, width=width, height=height)


def _attribute(value: str | float) -> str:
    return escape(value) if isinstance(value, str) else f"{round(value, 2):.10g}"
