"""A run that can be taken up again: everything that changes while training, in one file of plain numbers.

``checkpoint.safetensors`` in the run folder holds the weights of both networks and of the averaged generator, and what
the optimisers remember; its metadata hold, as JSON, the step, the settings, a hash of the training images, the versions
that wrote it, and a hash of the numbers themselves. There is no random state: see ``batches``. The file is replaced
whole, so the last good checkpoint survives whatever happens while the next one is written. ``encoder.safetensors``
beside it holds the second stage, encoder, decoder and comparison, alike.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from cafepick.errors import CheckpointError, TrainingError
from cafepick.files import replacing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from cafepick.config import ComparisonConfig, EncoderConfig, GanConfig, ModelConfig

FILE_NAME: Final = "checkpoint.safetensors"
ENCODER_FILE: Final = "encoder.safetensors"
FORMAT: Final = 1
MAY_CHANGE: Final = ("gan.steps", "gan.checkpoint_every")
"""Settings that steer no single step: a run may be taken up with others, to train longer for example."""

Tensors = dict[str, Tensor]


class Learner(Protocol):
    """What learns in a stage of a run."""

    step: int
    """Steps done."""

    def networks(self) -> dict[str, torch.nn.Module]:
        """Return the networks that change, by name."""
        ...

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        """Return the optimisers, by name."""
        ...


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What a run must have in common with its checkpoint for the two to go on as one."""

    model: ModelConfig
    gan: GanConfig
    seed: int
    images: int
    """How many images it learns from."""
    data: str
    """``Batches.fingerprint()``."""
    encoder: EncoderConfig | None = None
    """Of the second stage, as the next two; None in the first."""
    comparison: ComparisonConfig | None = None
    trained_gan: str | None = None
    """``fingerprint_of`` the networks that the second stage builds on."""

    @property
    def steps(self) -> int:
        """Length of the stage."""
        return self.gan.steps if self.encoder is None else self.encoder.steps

    @property
    def learning_rate(self) -> tuple[str, float]:
        """Name and value of the setting that a run which diverged should lower."""
        if self.encoder is None:
            return "gan.learning_rate", self.gan.learning_rate
        return "encoder.learning_rate", self.encoder.learning_rate


def has_checkpoint(folder: Path, *, name: str = FILE_NAME) -> bool:
    """Return whether the run folder holds a checkpoint of this stage."""
    return (folder / name).is_file()


def fingerprint_of(*networks: torch.nn.Module) -> str:
    """Return a hash of the weights: equal networks give equal text."""
    states = {f"{i}.{name}": value for i, net in enumerate(networks) for name, value in net.state_dict().items()}
    return _checksum({name: value.detach().cpu().contiguous() for name, value in states.items()})


def refuse_checkpoint(folder: Path) -> None:
    """Make sure that a new training in the run folder destroys no other.

    Raises:
        CheckpointError: it holds a checkpoint.
    """
    if has_checkpoint(folder):
        raise CheckpointError(
            f"{folder} holds a training already, which a new one would overwrite: go on with it by  --resume {folder}, "
            f"delete {folder} to begin anew, or name another folder with --run"
        )


def require_checkpoint(folder: Path) -> None:
    """Make sure that there is a training in the run folder to go on with.

    Raises:
        CheckpointError: it holds no checkpoint.
    """
    if not has_checkpoint(folder):
        raise _missing(folder / FILE_NAME)


def save_checkpoint(folder: Path, learner: Learner, facts: RunFacts, *, name: str = FILE_NAME) -> None:
    """Replace the checkpoint of the run folder.

    Raises:
        TrainingError: a weight is not a finite number; the checkpoint before stays.
        OutputError: the file cannot be written; the checkpoint before stays.
    """
    tensors = _collect(learner)
    bad = [name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())]
    if bad:
        setting, rate = facts.learning_rate
        raise TrainingError(
            f"training diverged by step {learner.step}: {bad[0]} and {len(bad) - 1} more are not finite. The last "
            f"checkpoint is sound; train anew with a lower {setting} (now {rate:g})"
        )
    header = {
        "format": FORMAT,
        "step": learner.step,
        "run": asdict(facts),
        "versions": {name: version(name) for name in ("cafepick", "torch", "safetensors", "numpy")},
        "checksum": _checksum(tensors),
    }
    with replacing(folder / name) as temporary:
        content = save(tensors, metadata={"cafepick": json.dumps(header, sort_keys=True)})
        temporary.write_bytes(content)  # save_file would tell of a full disk by an error of its own


def load_checkpoint(folder: Path, learner: Learner, facts: RunFacts, *, name: str = FILE_NAME) -> None:
    """Put the checkpoint of the run folder into ``learner``, newly made with the same settings.

    Raises:
        CheckpointError: there is none, it is damaged, or it belongs to other settings or images; the message says
            which. ``learner`` is then unchanged.
    """
    path = folder / name
    header, tensors = _read(path)
    differences = list(_differences(header["run"], asdict(facts)))
    if differences:
        raise CheckpointError(
            f"{path} was made with other settings or images: {'; '.join(differences)}. Go on with those it was made "
            f"with (the same photos, --recipe, --set and --seed), or train in another run folder"
        )
    if header["step"] > facts.steps:
        raise CheckpointError(f"{path} is at step {header['step']} already, past the {facts.steps} asked for")
    _restore(learner, tensors)
    learner.step = header["step"]


def _collect(learner: Learner) -> Tensors:
    """Return every tensor under a name like ``generator.project.weight`` or ``generator_optimiser.0.exp_avg``."""
    tensors = {
        f"{role}.{name}": tensor
        for role, network in learner.networks().items()
        for name, tensor in network.state_dict().items()
    }
    for role, optimiser in learner.optimisers().items():
        for number, memory in optimiser.state_dict()["state"].items():
            tensors |= {f"{role}.{number}.{name}": value for name, value in memory.items()}
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _restore(learner: Learner, tensors: Tensors) -> None:
    for role, network in learner.networks().items():
        network.load_state_dict(_below(tensors, role))
    for role, optimiser in learner.optimisers().items():
        weights = [weight for group in optimiser.param_groups for weight in group["params"]]
        memory: dict[int, Tensors] = {}
        for name, tensor in _below(tensors, role).items():
            number, _, key = name.partition(".")
            memory.setdefault(int(number), {})[key] = _laid_out_as(weights[int(number)], tensor)
        optimiser.load_state_dict({**optimiser.state_dict(), "state": memory})


def _laid_out_as(weight: Tensor, tensor: Tensor) -> Tensor:
    """Return ``tensor`` in the memory format of ``weight``: fused Adam walks through both as they lie in memory."""
    return torch.empty_like(weight).copy_(tensor) if tensor.shape == weight.shape else tensor


def _below(tensors: Tensors, role: str) -> Tensors:
    return {name.removeprefix(f"{role}."): tensor for name, tensor in tensors.items() if name.startswith(f"{role}.")}


def _read(path: Path) -> tuple[dict[str, Any], Tensors]:
    """Return header and tensors, checked."""
    if not path.is_file():
        raise _missing(path)
    try:
        content = path.read_bytes()  # once: a run that still writes may replace the file at any moment
        length = int.from_bytes(content[:8], "little")
        header = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["cafepick"])
        tensors = load(content)
        written_by = header["format"]
        checksum = header["checksum"]
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged or no checkpoint: {error}. Train anew without --resume") from error
    if written_by != FORMAT:
        raise CheckpointError(
            f"{path} has format {written_by}, this cafepick reads {FORMAT}: use the one that wrote it"
        )
    if checksum != _checksum(tensors):
        raise CheckpointError(f"{path} is damaged: its checksum does not hold. Train anew without --resume")
    return header, tensors


def _missing(path: Path) -> CheckpointError:
    return CheckpointError(f"there is no checkpoint {path}: train without --resume first")


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tuple(tensors[name].shape)}".encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> Iterable[str]:
    """Yield a line such as ``gan.batch was 64, is 32`` for each setting that differs."""
    for name in sorted(old.keys() | new.keys()):
        before, now = old.get(name), new.get(name)
        if isinstance(before, dict) and isinstance(now, dict):
            yield from _differences(before, now, f"{prefix}{name}.")
        elif before != now and f"{prefix}{name}" not in MAY_CHANGE:
            yield f"{prefix}{name} was {before}, is {now}"
