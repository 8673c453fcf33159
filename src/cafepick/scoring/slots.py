"""A fixed number of latent searches side by side; one that ends leaves its slot to the next in the queue."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from cafepick.scoring.frozen import SLOTS, FrozenPair, laid_out

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Iterator

    from cafepick.config import SearchConfig

BETAS: Final = (0.9, 0.999)
EPSILON: Final = 1e-8
"""Adam's constants, as Kingma and Ba give them (arXiv 1412.6980)."""


class Stop(str, Enum):
    """How a search ended."""

    CONVERGED = "converged"
    """The loss fell by less than ``tolerance`` over ``patience`` steps."""
    STEPS = "steps"
    """All steps were used."""


@dataclass(frozen=True, eq=False)
class Task:
    """The searches to do: the images, and where each search starts."""

    images: Float[Tensor, "n c h w"]
    features: Float[Tensor, "n f"]
    starts: Float[Tensor, "n restarts latent"]


class Job(NamedTuple):
    """One search."""

    image: int
    restart: int


class Found(NamedTuple):
    """What one search found."""

    job: Job
    z: Float[Tensor, " latent"]
    steps: int
    """Adam steps taken."""
    stop: Stop


class Slots:
    """``SLOTS`` searches, each with its own z, Adam moments, step count and end; empty slots compute along unheeded."""

    def __init__(self, networks: FrozenPair, task: Task, config: SearchConfig) -> None:
        self.networks, self.task, self.config = networks, task, config
        self.jobs: list[Job | None] = [None] * SLOTS
        self.images = laid_out(task.images.new_zeros(SLOTS, *task.images.shape[1:]))
        self.features = task.features.new_zeros(SLOTS, *task.features.shape[1:])
        latent = task.starts.shape[-1]
        self.z, self.best_z, self.mean, self.square = (task.starts.new_zeros(SLOTS, latent) for _ in range(4))
        self.best, self.earlier = (task.starts.new_zeros(SLOTS) for _ in range(2))
        self.steps = torch.zeros(SLOTS, dtype=torch.int64)

    def run(self, jobs: deque[Job]) -> Iterator[list[Found]]:
        """Do all jobs of the queue, which other sets of slots may share; yield what ended after each step."""
        while self.fill(jobs):
            gradient = self.look()
            yield self.take_finished()
            self.move(gradient)

    def fill(self, jobs: deque[Job]) -> bool:
        """Start a search from the queue in each empty slot; tell whether any slot is busy."""
        for slot in range(SLOTS):
            if self.jobs[slot] is None:
                try:
                    self.start(slot, jobs.popleft())
                except IndexError:  # another thread may take the last one at any time
                    break
        return any(job is not None for job in self.jobs)

    def start(self, slot: int, job: Job) -> None:
        """Begin a search as if the slot were new."""
        self.jobs[slot] = job
        self.images[slot] = self.task.images[job.image]
        self.features[slot] = self.task.features[job.image]
        self.z[slot] = self.best_z[slot] = self.task.starts[job.image, job.restart]
        self.mean[slot] = self.square[slot] = 0
        self.best[slot] = self.earlier[slot] = torch.inf
        self.steps[slot] = 0

    def look(self) -> Float[Tensor, "slots latent"]:
        """Score every z, keep the best seen, and return the gradients."""
        loss, gradient = self.networks.loss_and_gradient(self.z, self.images, self.features)
        better = loss < self.best
        self.best = torch.where(better, loss, self.best)
        self.best_z = torch.where(better[:, None], self.z, self.best_z)
        return gradient

    def move(self, gradient: Float[Tensor, "slots latent"]) -> None:
        """Take one Adam step in every slot (Kingma and Ba, algorithm 1)."""
        self.steps += 1
        steps = self.steps.to(self.z)[:, None]
        self.mean = BETAS[0] * self.mean + (1 - BETAS[0]) * gradient
        self.square = BETAS[1] * self.square + (1 - BETAS[1]) * gradient**2
        mean = self.mean / (1 - BETAS[0] ** steps)
        square = self.square / (1 - BETAS[1] ** steps)
        self.z = self.z - self.config.learning_rate * mean / (square.sqrt() + EPSILON)
        if self.config.clamp:
            self.z = self.z.clamp(-1, 1)

    def take_finished(self) -> list[Found]:
        """Empty the slots whose searches have ended."""
        finished = []
        for slot, (job, steps) in enumerate(zip(self.jobs, self.steps.tolist(), strict=True)):
            stop = None if job is None else self.stop(slot, steps)
            if job is not None and stop is not None:
                finished.append(Found(job, self.best_z[slot].clone(), steps, stop))
                self.jobs[slot] = None
        return finished

    def stop(self, slot: int, steps: int) -> Stop | None:
        """Tell whether, and why, the search in a slot has ended; the fall is measured every ``patience`` steps."""
        if steps % self.config.patience == 0:
            best, earlier = float(self.best[slot]), float(self.earlier[slot])
            self.earlier[slot] = best
            if earlier - best < self.config.tolerance * earlier and steps > 0:
                return Stop.CONVERGED
        return Stop.STEPS if steps >= self.config.steps else None
