"""Names of devices: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` (the second GPU), ``cuda*2`` (two at once, to train)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

import torch

from cafepick.errors import ConfigError

_NAME: Final = re.compile(r"auto|cpu|cuda(?::(?P<index>\d{1,4})|\*(?P<count>[1-9]\d{0,3}))?")


@dataclass(frozen=True)
class Place:
    """Where networks live."""

    kind: Literal["cpu", "cuda"]
    index: int | None = None
    """Which GPU, counted from 0; None: the first."""
    count: int = 1
    """How many GPUs at once."""


def place_named(name: str) -> Place:
    """Return what a name means here; ``auto`` is a GPU where there is one.

    Raises:
        ConfigError: the name is unknown, or there are not so many GPUs.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise ConfigError(f"--device must be auto, cpu, cuda, cuda:N or cuda*N, got {name!r}")
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cpu" or (name == "auto" and not there):
        return Place("cpu")
    index = None if match["index"] is None else int(match["index"])
    count = int(match["count"] or 1)
    needed = max(count, 1 + (index or 0))
    if needed > there:
        wanted = "a GPU" if needed == 1 else f"{needed} GPUs"
        raise ConfigError(
            f"--device {name} needs {wanted} that torch can use, found {there or 'none'}: use --device cpu"
        )
    return Place("cuda", index, count)


def has_bfloat16(kind: str) -> bool:
    """Return whether the device multiplies bfloat16 natively; emulated, it is slower than float32."""
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # older versions of torch do not tell
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
