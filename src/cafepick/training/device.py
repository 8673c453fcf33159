"""Where and in which precision training runs: Lightning Fabric, told once."""

from __future__ import annotations

import logging

import torch
from lightning_fabric import Fabric

from cafepick.models.device import place_named


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


def has_bfloat16(kind: str) -> bool:
    """Return whether the device multiplies bfloat16 natively; emulated, it is slower than float32."""
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # older versions of torch do not tell
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
