"""The operations of a network recorded once, as a program that runs without the Python interpreter.

Module by module, each of some hundred operations asks for the interpreter's lock again, and waits for the thread that
holds it: two cores then do little more than one. A recorded program (TorchScript) lets go of the lock once and runs to
its end, the same operations in the same order, to the bit. What torch offers in its place compiles, for which few
machines have a compiler. It is deprecated: where it is gone, networks run as they are, only slower.
"""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any, Final

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

FIRST_WITHOUT: Final = (3, 14)
"""Python's version from which torch says that its programs may break."""


def can_record() -> bool:
    """Return whether this torch, under this Python, records programs; no promise of torch's."""
    makes = all(hasattr(torch._C, name) for name in ("parse_ir", "_create_function_from_graph"))
    return makes and hasattr(torch.jit, "trace") and sys.version_info < FIRST_WITHOUT


def being_recorded() -> bool:
    """Return whether what is computed now, on this thread, is being recorded."""
    return torch.jit.is_tracing()  # type: ignore[attr-defined, no-any-return] - not exported


def recorded(network: Callable[[Tensor], Any], example: Tensor) -> Callable[[Tensor], Any]:
    """Return a network as a program, or as it is where programs cannot be recorded. One thread at a time may ask.

    Args:
        network: frozen, of one tensor; it decides nothing by what the tensor holds.
        example: what it will be called with, in kind.
    """
    if not can_record():
        return network
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit", DeprecationWarning)
        program: Any = torch.jit.trace(network, example, check_trace=False)
        return program
