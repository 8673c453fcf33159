r"""Latent search: the closest good image that the generator can draw, for each of many images at once.

Adam walks on z while the networks stay as they are (Schlegl et al. 2017, arXiv 1703.05921, section 2.2):

$$R(z)=\sum|x-G(z)|\qquad D(z)=\sum|f(x)-f(G(z))|\qquad A(z)=(1-\lambda)R(z)+\lambda D(z)\qquad\text{(eq. 3, 5, 6)}$$

Why a result depends on nothing but the image: hundreds of Adam steps on an L1 loss blow the last bit of a rounding
error up to a visible difference, so two searches of one image must agree to the bit. They do, by construction:

- The networks always run on exactly ``SLOTS`` images, by one thread, so every kernel has one shape and one order of
  summation. A search that ends leaves its slot to the next; empty slots compute along.
- Nothing sums or normalises over slots: batch norm uses its running statistics, and each slot has its own loss,
  gradient, Adam moments and step count.
- Every search starts from the same z, or from the best of the same few, wherever the image stands.
- More cores run more such sets of slots side by side; which of them searches an image changes nothing.

What is left to trust is that a kernel treats all rows of a batch alike, which the tests measure.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from math import ceil
from queue import SimpleQueue
from threading import Event, Lock
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from cafepick.process import in_forked_child
from cafepick.scoring.frozen import SLOTS, FrozenPair, Precision
from cafepick.scoring.slots import Found, Job, Slots, Stop, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cafepick.config import SearchConfig
    from cafepick.models.discriminator import Discriminator
    from cafepick.models.generator import Generator

_one_search = Lock()
"""Each thread has its own number of threads to compute with, but a new one begins with what was set last anywhere."""


def _forget_searches() -> None:
    """In a child process none is under way: the thread that held the lock has stayed with the parent."""
    global _one_search  # noqa: PLW0603
    _one_search = Lock()


in_forked_child(_forget_searches)


@dataclass(frozen=True, eq=False)
class SearchResult:
    """The closest good image of each of n images, and how it was found."""

    z: Float[Tensor, "n latent"]
    reconstruction: Float[Tensor, "n c h w"]
    """G(z), in [-1, 1]."""
    residual: Float[Tensor, " n"]
    discrimination: Float[Tensor, " n"]
    score: Float[Tensor, " n"]
    steps: Int64[Tensor, " n"]
    """Adam steps taken by the search that won, 0..``config.steps``."""
    stop: tuple[Stop, ...]
    """How the search that won ended."""


def search_latent(
    generator: Generator,
    discriminator: Discriminator,
    images: Float[Tensor, "n c h w"],
    config: SearchConfig,
    *,
    starts: Float[Tensor, "n latent"] | None = None,
    seed: int = 0,
    precision: Precision = "float32",
    on_progress: Callable[[int, int], None] | None = None,
) -> SearchResult:
    """Find for each image the z whose drawing is closest to it, by the anomaly score.

    The best z seen counts, of all restarts; its scores are computed in float32, whatever the precision of the search.
    Searches in one process wait for each other. The work is spread over ``torch.get_num_threads()`` cores.

    Args:
        generator: maps z (b, generator.latent) in [-1, 1] to images (b, c, h, w) in [-1, 1].
        discriminator: has ``features``, which maps images to (b, f).
        images: pixels in [-1, 1], on the device of the networks.
        config: steps, learning rate, lambda, restarts, stopping.
        starts: where each image's only search starts, as an encoder finds it; None draws candidates from the prior.
        seed: decides where the searches start that ``starts`` leaves open; the same for every image.
        precision: of the walk; ``bfloat16`` is faster on processors that have it.
        on_progress: called with the number of finished searches and of all.

    Returns:
        The n results, in the order of ``images``; on a CPU equal to the bit however the images are put together.
    """
    networks = FrozenPair.of(generator, discriminator, weight=config.weight, precision=precision)
    with one_thread_each() as threads, torch.backends.cudnn.flags(deterministic=True, benchmark=False):
        features = networks.features(images)
        if starts is None:
            prior = _prior(generator.latent, config, seed).to(images.device)
            begin = _starts(networks, images, features, prior)
        else:
            begin = starts[:, None]  # (n, 1, latent)
        task = Task(images, features, begin)
        workers = threads if images.device.type == "cpu" else 1
        found = _search(networks, task, config, workers=workers, on_progress=on_progress)
        return _best(networks, task, found)


def _prior(latent: int, config: SearchConfig, seed: int) -> Float[Tensor, "restarts candidates latent"]:
    """Draw the z from which searches may start: uniform in [-1, 1], a fixed function of the seed."""
    source = torch.Generator().manual_seed(seed)
    return torch.rand(config.restarts, config.candidates, latent, generator=source) * 2 - 1


def _starts(
    networks: FrozenPair,
    images: Float[Tensor, "n c h w"],
    features: Float[Tensor, "n f"],
    prior: Float[Tensor, "restarts candidates latent"],
) -> Float[Tensor, "n restarts latent"]:
    """Choose for each image and restart the candidate with the lowest anomaly score."""
    starts = []
    for candidates in prior:
        drawn = networks.draw(candidates)
        residual = torch.cdist(images.flatten(1), drawn.flatten(1), p=1)  # (n, candidates)
        discrimination = torch.cdist(features, networks.features(drawn), p=1)
        starts.append(candidates[networks.score(residual, discrimination).argmin(dim=1)])
    return torch.stack(starts, dim=1)


def _search(
    networks: FrozenPair,
    task: Task,
    config: SearchConfig,
    *,
    workers: int,
    on_progress: Callable[[int, int], None] | None,
) -> dict[Job, Found]:
    """Do all searches on several threads; an error in one of them, or Ctrl-C here, stops the others at once."""
    jobs = [Job(image, restart) for image, restart in product(*map(range, task.starts.shape[:2]))]
    queue = deque(jobs)
    results: SimpleQueue[Found | BaseException] = SimpleQueue()
    stopping = Event()
    found: dict[Job, Found] = {}
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            for _ in range(min(workers, ceil(len(jobs) / SLOTS))):
                pool.submit(_work, Slots(networks, task, config), queue, results, stopping)
            while len(found) < len(jobs):
                result = results.get()
                if isinstance(result, BaseException):
                    raise result
                found[result.job] = result
                if on_progress is not None:
                    on_progress(len(found), len(jobs))
        finally:
            stopping.set()
    return found


def _work(slots: Slots, queue: deque[Job], results: SimpleQueue[Found | BaseException], stopping: Event) -> None:
    try:
        for finished in slots.run(queue):
            for result in finished:
                results.put(result)
            if stopping.is_set():
                return
    except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits for results
        results.put(error)


def _best(networks: FrozenPair, task: Task, found: dict[Job, Found]) -> SearchResult:
    """Score what every search found, in float32, and keep the best of each image."""
    n, restarts, _ = task.starts.shape
    z = task.starts.clone()  # (n, restarts, latent)
    for job, result in found.items():
        z[job] = result.z
    winner = torch.zeros(n, dtype=torch.int64, device=z.device)
    if restarts > 1:
        scores = [networks.score(*networks.compare(z[:, r], task.images, task.features)[1:]) for r in range(restarts)]
        winner = torch.stack(scores, dim=1).argmin(dim=1)  # (n,)
    best_z = z[torch.arange(n), winner]
    drawn = networks.compare(best_z, task.images, task.features)
    ends = [found[Job(*job)] for job in enumerate(winner.tolist())]
    return SearchResult(
        z=best_z,
        reconstruction=drawn.images,
        residual=drawn.residual,
        discrimination=drawn.discrimination,
        score=networks.score(drawn.residual, drawn.discrimination),
        steps=torch.tensor([end.steps for end in ends], dtype=torch.int64),
        stop=tuple(end.stop for end in ends),
    )


@contextmanager
def one_thread_each() -> Iterator[int]:
    """Let torch compute on one thread; yield how many it used before."""
    with _one_search:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield threads
        finally:
            torch.set_num_threads(threads)
