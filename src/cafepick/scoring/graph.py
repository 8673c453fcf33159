"""The method ``fast`` as one graph: from crops as bytes to score parts, in the formats of onnxruntime and OpenVINO."""

from __future__ import annotations

import copy
import logging
import tempfile
import warnings
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn

from cafepick.errors import ExportError, MissingExtraError
from cafepick.scoring.fast import Restoring
from cafepick.scoring.runtimes import INPUT, OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Iterator

OPSET: Final = 20
"""Of ONNX; read by onnxruntime since 1.17 and OpenVINO since 2024."""


class OneGraph(nn.Module):
    """The method ``fast``, from bytes to bytes."""

    def __init__(self, networks: Restoring) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(networks.encoder).cpu()
        self.decoder = copy.deepcopy(networks.decoder).cpu()
        self.comparison = copy.deepcopy(networks.comparison).cpu()
        self.discriminator = copy.deepcopy(networks.discriminator).cpu()
        self.usual = None if networks.usual is None else copy.deepcopy(networks.usual).cpu()

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        """Score crops (n, size, size, c) uint8; gives ``runtimes.OUTPUTS``."""
        images = crops.permute(0, 3, 1, 2).float() / 127.5 - 1
        networks = Restoring(self.encoder, self.decoder, self.comparison, self.discriminator, self.usual)
        seen = networks.look(images)
        levels = ((seen.reconstruction + 1) * 127.5).clamp(0, 255).round()
        return seen.residual, seen.discrimination, seen.logit, seen.map, levels.to(torch.uint8).permute(0, 2, 3, 1)


def to_onnx(network: OneGraph, shape: tuple[int, ...]) -> bytes:
    """Return the network as an ONNX file; the number of crops, first of ``shape``, is left free in it.

    Raises:
        ExportError: torch gave no graph.
        MissingExtraError: onnxscript, which torch needs for it, is not installed.
    """
    _need("onnxscript")
    example = torch.zeros(shape, dtype=torch.uint8)
    with _exporter_quiet():
        program = torch.onnx.export(
            network.eval(),
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            dynamic_shapes={INPUT: {0: torch.export.Dim("n")}},
            verbose=False,
        )
    if program is None:
        raise ExportError("torch gave no graph, though asked for one: use a torch of constraints.txt")
    return _bare(program.model_proto).SerializeToString(deterministic=True)


def to_openvino(onnx: bytes) -> dict[str, bytes]:
    """Return an ONNX file as the two files of OpenVINO's own format, by suffix.

    Raises:
        MissingExtraError: OpenVINO is not installed.
    """
    _need("openvino")
    import openvino  # noqa: PLC0415 - optional

    model = openvino.Core().read_model(onnx)
    with tempfile.TemporaryDirectory() as folder:
        paths = {suffix: Path(folder, f"model.{suffix}") for suffix in ("xml", "bin")}
        openvino.serialize(model, paths["xml"], paths["bin"])
        return {suffix: path.read_bytes() for suffix, path in paths.items()}


def _bare(model: Any) -> Any:
    """Drop what the exporter noted of its own doings, such as where the source code lies on this machine."""
    for node in (*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info, model.graph):
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    model.ClearField("metadata_props")
    return model


def _need(module: str) -> None:
    try:
        import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or module, "export") from error


@contextmanager
def _exporter_quiet() -> Iterator[None]:
    """Silence what torch's exporter says of its own future and of packages that it could use but need not."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
