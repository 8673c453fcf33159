"""A trained model as one graph, from crops to score parts: it judges like the method ``fast``, and needs no torch.

Why a score depends on nothing but the image: as in ``scoring.fast``, the graph always runs on exactly ``PASS`` images,
by one thread; blank ones fill up the last pass. More cores take more passes side by side, which changes nothing.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, get_args

import numpy as np

from cafepick.config import Differences, Method, ModelConfig, SearchConfig, from_dict
from cafepick.cores import cores
from cafepick.errors import ArtefactError, ConfigError
from cafepick.scoring.fusion import COMPARISON, RECONSTRUCTION
from cafepick.scoring.runtimes import FILES, OUTPUTS, GraphFormat, Runner, open_graph
from cafepick.types import Scored

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

PASS: Final = 16
"""Images that a graph sees in one pass, always; as many as in ``scoring.fast``."""

VERSION: Final = 1
"""Of what graphs take and give; a reader knows this one and those before."""

PREFIX: Final = "graph."
"""Of the graph's files among an artefact's tensors."""


@dataclass(frozen=True, kw_only=True)
class GraphFacts:
    """What an artefact's header says of its graph."""

    format: GraphFormat
    opset: int
    """Of ONNX, that the graph is or was made from."""
    version: int = VERSION
    trained: str = ""
    """Checksum of the trained model."""
    differences: Differences = "plain"
    """What the graph makes of the differences, see ``SearchConfig``."""

    def __post_init__(self) -> None:
        if self.format not in get_args(GraphFormat):
            raise ConfigError(f"its graph has the format {self.format!r}, known are {', '.join(get_args(GraphFormat))}")
        if self.differences not in get_args(Differences):
            raise ConfigError(f"its graph has differences {self.differences!r}, which this cafepick does not know")
        if not 1 <= self.version <= VERSION:
            raise ConfigError(f"its graph has version {self.version}, this cafepick reads 1 to {VERSION}")


@dataclass(frozen=True, eq=False)
class ExportedNetworks:
    """The graph of one model, opened in its runtime."""

    config: ModelConfig
    graph: GraphFacts
    files: Mapping[str, bytes]
    """The graph's files by suffix, see ``runtimes.FILES``."""
    run: Runner
    workers: int
    """Threads that score."""

    @classmethod
    def open(cls, config: ModelConfig, graph: GraphFacts, files: Mapping[str, bytes]) -> ExportedNetworks:
        """Open a graph.

        Raises:
            ArtefactError: the runtime cannot read the graph, or it does not fit ``config``.
            MissingExtraError: the runtime is not installed.
        """
        workers = threads()
        shape = (PASS, config.size, config.size, config.channels)
        return cls(config, graph, files, open_graph(graph.format, files, shape=shape, workers=workers), workers)

    @classmethod
    def from_tensors(
        cls, config: ModelConfig, graph: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]], *, device: str = "auto"
    ) -> ExportedNetworks:
        """Open the graph that an artefact holds.

        Args:
            config: shape of the images.
            graph: what the header says of it, as ``to_header`` gives it.
            tensors: all tensors of the artefact.
            device: ``auto`` or ``cpu``.

        Raises:
            ArtefactError: a file of the graph is missing or left over, or cannot be used here.
            ConfigError: graphs do not run on that device.
            MissingExtraError: the runtime is not installed.
        """
        if device not in ("auto", "cpu"):
            raise ConfigError(f"an exported model runs on the CPU, got --device {device}: use the trained model there")
        try:
            facts = from_dict(GraphFacts, dict(graph))
        except (TypeError, ValueError, ConfigError) as error:
            raise ArtefactError(f"this cafepick cannot use the model ({error}): upgrade cafepick") from error
        return cls.open(config, facts, _files(facts.format, tensors))

    @property
    def differences(self) -> Differences:
        """What the graph makes of the differences, see ``SearchConfig``."""
        return self.graph.differences

    @property
    def methods(self) -> tuple[Method, ...]:
        """The methods that the model knows."""
        return ("fast",)

    def to_header(self) -> dict[str, Any]:
        """Return the shapes, and what is to be known of the graph, as plain values."""
        return {"model": asdict(self.config), "graph": asdict(self.graph)}

    def to_tensors(self) -> dict[str, NDArray[np.generic]]:
        """Return the graph's files as named arrays of bytes."""
        return {PREFIX + suffix: np.frombuffer(content, np.uint8) for suffix, content in self.files.items()}

    def draw(self, count: int, *, seed: int = 0) -> NDArray[np.uint8]:
        """Refuse to draw: the graph goes from a crop to its scores and holds no way in for z.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(f"an exported model cannot draw {count} samples (seed {seed}): ask the trained model")

    def score(
        self,
        images: NDArray[np.uint8],
        search: SearchConfig,
        *,
        method: Method = "fast",
        precision: str = "float32",
        progress: Callable[[int, int], None] | None = None,
    ) -> Scored:
        """Find the good image behind each of ``images`` (n, size, size, c), n > 0, and score what differs.

        Args:
            images: crops.
            search: gives lambda.
            method: ``fast``.
            precision: ``float32``.
            progress: called with how many are done and how many there are.

        Returns:
            Scores that add up over each image; what they are per pixel of a subject, ``Detector.score`` tells.

        Raises:
            ConfigError: another method or precision is asked for.
        """
        if method not in self.methods or precision != "float32":
            raise ConfigError(f"an exported model knows the method fast in float32 alone, got {method} in {precision}")
        found = self._look(images, progress)
        anomaly = (1 - search.weight) * found["residual"] + search.weight * found["discrimination"]
        parts = {RECONSTRUCTION: anomaly.astype(np.float64), COMPARISON: found["logit"].astype(np.float64)}
        return Scored(
            residual=found["residual"].astype(np.float64),
            discrimination=found["discrimination"].astype(np.float64),
            score=parts[RECONSTRUCTION],
            reconstructions=found["reconstruction"],
            maps=found["map"],
            parts=parts,
        )

    def _look(self, images: NDArray[np.uint8], progress: Callable[[int, int], None] | None) -> dict[str, NDArray[Any]]:
        """Run the graph on ``PASS`` images at a time, on several threads, and put the rows together again."""
        passes = []
        with ThreadPoolExecutor(self.workers) as pool:
            starts = range(0, len(images), PASS)
            for found in pool.map(lambda start: self.run(_filled(images[start : start + PASS])), starts):
                passes.append(found)
                if progress is not None:
                    progress(min(len(passes) * PASS, len(images)), len(images))
        return {name: np.concatenate([found[name] for found in passes])[: len(images)] for name in OUTPUTS}


def threads() -> int:
    """Return how many threads score: ``OMP_NUM_THREADS``, as for torch, or one for each core."""
    wanted = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(wanted) if wanted.isdecimal() and int(wanted) > 0 else cores()


def _filled(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return exactly ``PASS`` rows; zeros where there are none."""
    filled = np.zeros((PASS, *rows.shape[1:]), np.uint8)
    filled[: len(rows)] = rows
    return filled


def _files(graph: GraphFormat, tensors: Mapping[str, NDArray[Any]]) -> dict[str, bytes]:
    """Return the graph's files; an artefact must hold exactly these, and no weights beside them."""
    wanted = {PREFIX + suffix for suffix in FILES[graph]}
    networks = {name for name in tensors if name.partition(".")[0] in _NETWORKS}
    if networks != wanted or any(tensors[name].dtype != np.uint8 or tensors[name].ndim != 1 for name in wanted):
        raise ArtefactError(
            f"a model exported to {graph} holds {' and '.join(sorted(wanted))} as bytes and no other networks, "
            f"got {', '.join(sorted(networks)) or 'none'}: export anew"
        )
    return {suffix: tensors[PREFIX + suffix].tobytes() for suffix in FILES[graph]}


_NETWORKS: Final = ("graph", "generator", "discriminator", "encoder", "decoder", "comparison", "usual")
