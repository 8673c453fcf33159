"""Where and in which precision training runs: Lightning Fabric, told once."""

from __future__ import annotations

import logging

from lightning_fabric import Fabric

from cafepick.models.device import has_bfloat16, place_named


def open_fabric(device: str = "auto") -> Fabric:
    """Return the Fabric of ``device``, in bfloat16 where the machine multiplies that natively, else in float32.

    Args:
        device: as in ``models.device``; with ``cuda*2`` each of two GPUs runs the program anew in its own process, see
            ``Fabric.launch``.

    Raises:
        ConfigError: the device has another name or is not here.
    """
    place = place_named(device)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it announces the precision on the terminal
    precision = "bf16-mixed" if has_bfloat16(place.kind) else "32-true"
    devices = place.count if place.index is None else [place.index]
    return Fabric(accelerator=place.kind, devices=devices, precision=precision)
