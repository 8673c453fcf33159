"""The operations of a network recorded once, as a program that runs without the Python interpreter.

Module by module, each of some hundred operations asks for the interpreter's lock again, and waits for the thread that
holds it: two cores then do little more than one. A recorded program (TorchScript) lets go of the lock once and runs to
its end, the same operations in the same order, to the bit. What torch offers in its place compiles, for which few
machines have a compiler. It is deprecated: where it is gone, networks run as they are, only slower.

``torch.jit.trace`` records the same, but what it made is never forgotten by the process.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

LOGGER: Final = logging.getLogger(__name__)

FIRST_WITHOUT: Final = (3, 14)
"""Python's version from which torch says that its programs may break."""


def can_record() -> bool:
    """Return whether this torch, under this Python, records programs; no promise of torch's."""
    names = ("_create_graph_by_tracing", "_create_function_from_graph", "_jit_pass_inline", "parse_ir", "ScriptList")
    return sys.version_info < FIRST_WITHOUT and all(hasattr(torch._C, name) for name in names)


def being_recorded() -> bool:
    """Return whether what is computed now, on this thread, is being recorded."""
    return torch._C._get_tracing_state() is not None


def recorded(network: Callable[[Tensor], Any], example: Tensor) -> Callable[[Tensor], Any]:
    """Return a network as a program that gives a tuple, or as it is where programs cannot be recorded.

    Args:
        network: frozen, from one tensor to a tuple; it decides nothing by what the tensor holds. Its shapes are not to
            be checked meanwhile, as by jaxtyping's import hook: sizes are no numbers then.
        example: what it will be called with, in shape, kind and place.
    """
    if not can_record():
        return network
    # Weights in oneDNN's own order can be no constants of a program: they are given to it, beside the input.
    modules = network.modules() if isinstance(network, nn.Module) else ()
    named = [(module, name, own) for module in modules for name, own in module.named_buffers(recurse=False)]
    places = [(module, name) for module, name, own in named if own.is_mkldnn]
    weights = [own for _, _, own in named if own.is_mkldnn]

    def work_on(given: Iterable[Tensor]) -> None:
        for (module, name), weight in zip(places, given, strict=True):
            setattr(module, name, weight)

    def work(x: Tensor, given: Sequence[Tensor] = ()) -> tuple[Tensor, ...]:
        work_on(given)
        return *network(x), x  # kept to the end: to let go of what Python holds, a program waits for the interpreter

    try:
        # What surrounds this call would be recorded, too.
        with torch.inference_mode(), torch.autocast(example.device.type, enabled=False):
            inputs = (example, weights) if weights else (example,)
            graph = torch._C._create_graph_by_tracing(work, inputs, lambda _: "", True, False, None, [])[0]
        torch._C._jit_pass_inline(graph)  # operators in place of calls of programs (``_recordable``)
        program = torch._C._create_function_from_graph("network", graph)
    except RuntimeError as error:
        LOGGER.warning("torch cannot record networks here, which makes them slower: %s", error)
        return network
    finally:
        work_on(weights)
    if not weights:
        return lambda x: program(x)[:-1]
    held = torch._C.ScriptList(weights)  # by torch itself: each use of what Python holds waits for the interpreter
    return lambda x: program(x, held)[:-1]
