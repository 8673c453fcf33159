"""A run that can be taken up again: everything that changes while training, in one file of plain numbers.

``checkpoint.safetensors`` in the run folder holds the weights of both networks and of the averaged generator, and what
the optimisers remember; its metadata hold, as JSON, the step, the settings, a hash of the training images, the versions
that wrote it, and a hash of the numbers themselves. There is no random state: see ``batches``. The file is replaced
whole, so the last good checkpoint survives whatever happens while the next one is written.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from cafepick.errors import CheckpointError, TrainingError
from cafepick.files import replacing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from cafepick.config import GanConfig, ModelConfig
    from cafepick.training.gan import Gan

FILE_NAME: Final = "checkpoint.safetensors"
FORMAT: Final = 1
MAY_CHANGE: Final = ("gan.steps", "gan.checkpoint_every")
"""Settings that steer no single step: a run may be taken up with others, to train longer for example."""

Tensors = dict[str, Tensor]


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


def has_checkpoint(folder: Path) -> bool:
    """Return whether the run folder holds a checkpoint."""
    return (folder / FILE_NAME).is_file()


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


def save_checkpoint(folder: Path, gan: Gan, facts: RunFacts) -> None:
    """Replace the checkpoint of the run folder.

    Raises:
        TrainingError: a weight is not a finite number; the checkpoint before stays.
        OutputError: the file cannot be written; the checkpoint before stays.
    """
    tensors = _collect(gan)
    bad = [name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())]
    if bad:
        raise TrainingError(
            f"training diverged by step {gan.step}: {bad[0]} and {len(bad) - 1} more are not finite. The last "
            f"checkpoint is sound; train anew with a lower gan.learning_rate (now {facts.gan.learning_rate:g})"
        )
    header = {
        "format": FORMAT,
        "step": gan.step,
        "run": asdict(facts),
        "versions": {name: version(name) for name in ("cafepick", "torch", "safetensors", "numpy")},
        "checksum": _checksum(tensors),
    }
    with replacing(folder / FILE_NAME) as temporary:
        content = save(tensors, metadata={"cafepick": json.dumps(header, sort_keys=True)})
        temporary.write_bytes(content)  # save_file would tell of a full disk by an error of its own


def load_checkpoint(folder: Path, gan: Gan, facts: RunFacts) -> None:
    """Put the checkpoint of the run folder into ``gan``, which ``new_gan`` made with the same settings.

    Raises:
        CheckpointError: there is none, it is damaged, or it belongs to other settings or images; the message says
            which. ``gan`` is then unchanged.
    """
    path = folder / FILE_NAME
    header, tensors = _read(path)
    differences = list(_differences(header["run"], asdict(facts)))
    if differences:
        raise CheckpointError(
            f"{path} was made with other settings or images: {'; '.join(differences)}. Go on with those it was made "
            f"with, or train in another run folder"
        )
    if header["step"] > facts.gan.steps:
        raise CheckpointError(f"{path} is at step {header['step']} already, past the {facts.gan.steps} asked for")
    _restore(gan, tensors)
    gan.step = header["step"]


def _networks(gan: Gan) -> dict[str, torch.nn.Module]:
    networks: dict[str, torch.nn.Module] = {"generator": gan.generator, "discriminator": gan.discriminator}
    return networks if gan.averaged is gan.generator else networks | {"averaged": gan.averaged}


def _optimisers(gan: Gan) -> dict[str, torch.optim.Optimizer]:
    return {"generator_optimiser": gan.generator_optimiser, "discriminator_optimiser": gan.discriminator_optimiser}


def _collect(gan: Gan) -> Tensors:
    """Return every tensor under a name like ``generator.project.weight`` or ``generator_optimiser.0.exp_avg``."""
    tensors = {
        f"{role}.{name}": tensor
        for role, network in _networks(gan).items()
        for name, tensor in network.state_dict().items()
    }
    for role, optimiser in _optimisers(gan).items():
        for number, memory in optimiser.state_dict()["state"].items():
            tensors |= {f"{role}.{number}.{name}": value for name, value in memory.items()}
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _restore(gan: Gan, tensors: Tensors) -> None:
    for role, network in _networks(gan).items():
        network.load_state_dict(_below(tensors, role))
    for role, optimiser in _optimisers(gan).items():
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
        raise CheckpointError(f"there is no checkpoint {path}: train without --resume first")
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
