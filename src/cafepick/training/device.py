"""Where and in which precision training runs: Lightning Fabric, told once."""

from __future__ import annotations

import logging
import re

import torch
from lightning_fabric import Fabric

from cafepick.errors import ConfigError


def open_fabric(device: str = "auto") -> Fabric:
    """Return the Fabric of ``device``, in bfloat16 where the machine multiplies that natively, else in float32.

    Args:
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, ``cuda:1`` (the second GPU) or ``cuda*2`` (two
            GPUs at once; each runs the program anew in its own process, see ``Fabric.launch``).

    Raises:
        ConfigError: the device has another name or is not here.
    """
    kind = re.split("[:*]", device)[0]
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
    if kind not in ("cpu", "cuda"):
        raise ConfigError(f"--device must be auto, cpu, cuda, cuda:N or cuda*N, got {device!r}")
    if kind == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"--device {device} needs a GPU that torch can use, found none: use --device cpu")
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it announces the precision on the terminal
    precision = "bf16-mixed" if has_bfloat16(kind) else "32-true"
    return Fabric(accelerator=kind, devices=_devices(device), precision=precision)


def has_bfloat16(kind: str) -> bool:
    """Return whether the device multiplies bfloat16 natively; emulated, it is slower than float32."""
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # older versions of torch do not tell
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def _devices(device: str) -> int | list[int]:
    try:
        if ":" in device:
            return [int(device.split(":")[1])]
        return int(device.split("*")[1]) if "*" in device else 1
    except ValueError as error:
        raise ConfigError(f"--device {device!r} must end in a number") from error
