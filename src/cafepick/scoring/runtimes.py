"""The inference runtimes that run a model's graph, onnxruntime and OpenVINO: the same few lines of each."""

from __future__ import annotations

from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import numpy as np

from cafepick.errors import ArtefactError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

GraphFormat = Literal["onnx", "openvino"]

FILES: Final[dict[GraphFormat, tuple[str, ...]]] = {"onnx": ("onnx",), "openvino": ("xml", "bin")}
"""The files of a graph in each format, by their suffixes."""

INPUT: Final = "crops"
"""(n, size, size, c) uint8."""
OUTPUTS: Final = ("residual", "discrimination", "logit", "map", "reconstruction")
"""(n), (n), (n), (n, size, size), all float32, and (n, size, size, c) uint8; see ``scoring.fast.OnePass``."""


class Runner(Protocol):
    """Runs a graph; several threads may call it at once, each computes on one core."""

    def __call__(self, crops: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """Return ``OUTPUTS`` by name of crops (n, size, size, c)."""
        ...


def open_graph(graph: GraphFormat, files: Mapping[str, bytes], *, shape: tuple[int, ...], workers: int) -> Runner:
    """Open a graph in its runtime.

    Args:
        graph: its format.
        files: content by suffix, as ``FILES`` lists them.
        shape: (n, size, size, c) of the crops of every call.
        workers: threads that will call at once.

    Raises:
        ArtefactError: the runtime cannot read the graph, or it has other inputs and outputs.
        MissingExtraError: the runtime is not installed.
    """
    try:
        runner = _OPENERS[graph](files, shape, workers)
        found = runner(np.zeros(shape, np.uint8))
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or graph, graph) from error
    except Exception as error:  # the errors of the runtimes have no base of their own
        reason = " ".join(str(error).split())[:300]
        raise ArtefactError(
            f"the {graph} graph of this model cannot be used here ({reason}): upgrade cafepick[{graph}], or export anew"
        ) from error
    _check(found, shape)
    return runner


def _check(found: Mapping[str, NDArray[Any]], shape: tuple[int, ...]) -> None:
    wanted = dict(zip(OUTPUTS, [shape[:1], shape[:1], shape[:1], shape[:3], shape], strict=True))
    given = {name: (array.shape, array.dtype.name) for name, array in found.items()}
    if given != {name: (sides, "uint8" if sides == shape else "float32") for name, sides in wanted.items()}:
        raise ArtefactError(f"the graph of this model gives {given}, not what a model's header promises: export anew")


def _open_onnx(files: Mapping[str, bytes], shape: tuple[int, ...], workers: int) -> Runner:
    import onnxruntime  # noqa: PLC0415 - optional

    del shape, workers  # the batch is free, and a session may be called by any number of threads
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # one core a call: the caller's
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(files["onnx"], options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(crops: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        found: list[Any] = list(session.run(names, {INPUT: crops}))
        return dict(zip(names, found, strict=True))

    return run


def _open_openvino(files: Mapping[str, bytes], shape: tuple[int, ...], workers: int) -> Runner:
    import openvino  # noqa: PLC0415 - optional

    core = openvino.Core()
    weights = np.frombuffer(files["bin"], np.uint8)
    model = core.read_model(files["xml"], openvino.Tensor(weights))
    model.reshape({INPUT: list(shape)})
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",  # bfloat16 where the processor has it, otherwise: scores would move
        "NUM_STREAMS": workers,
        "INFERENCE_NUM_THREADS": workers,  # one a stream
        "ENABLE_CPU_PINNING": False,
    }
    compiled = core.compile_model(model, "CPU", settings)
    names = [output.get_any_name() for output in compiled.outputs]
    free: SimpleQueue[Any] = SimpleQueue()
    for _ in range(workers):
        free.put(compiled.create_infer_request())

    def run(crops: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        request = free.get()
        try:
            found = request.infer({INPUT: crops}, share_inputs=True)
            return dict(zip(names, [found[output] for output in compiled.outputs], strict=True))
        finally:
            free.put(request)

    return run


_OPENERS: Final[dict[GraphFormat, Callable[[Mapping[str, bytes], tuple[int, ...], int], Runner]]] = {
    "onnx": _open_onnx,
    "openvino": _open_openvino,
}
