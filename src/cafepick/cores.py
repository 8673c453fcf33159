"""How many cores there are to work with, and how the parts of one thing are shared between them."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from cafepick.process import in_forked_child

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
R = TypeVar("R")


def cores() -> int:
    """Return how many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on Windows and macOS
    return (len(affinity(0)) if affinity else os.cpu_count()) or 1


def shared(work: Callable[[T], R], items: Sequence[T], *, most: int | None = None) -> list[R]:
    """Do ``work`` on each item, by the caller and by whichever other cores have nothing to do; results in order.

    There is one helper a further core in the whole process, so callers in several threads do not get in each other's
    way: helpers that are busy elsewhere are not waited for.

    Args:
        work: lets go of the interpreter for most of its time, as OpenCV and NumPy do; what it gives for an item depends
            on that item alone.
        items: the more there are, the better they can be shared.
        most: threads at most, the caller's included; None: one a core.
    """
    results: list[Any] = [None] * len(items)
    turns = iter(range(len(items)))  # each is taken by one thread only

    def take() -> None:
        try:
            for turn in turns:
                results[turn] = work(items[turn])
        except BaseException:
            for _ in turns:  # nobody goes on
                pass
            raise

    helping = [_helpers().submit(take) for _ in range(min(most or cores(), cores(), len(items)) - 1)]
    try:
        take()
    finally:
        begun = [helper for helper in helping if not helper.cancel()]
        wait(begun)
    for helper in begun:
        helper.result()  # raises what went wrong there
    return results


def aside(work: Callable[[], R]) -> Callable[[], R]:
    """Begin ``work`` on another core, if one has nothing to do; return what gives its result.

    Who asks for the result does the work if nobody has begun it, and otherwise waits. One thread may ask, again and
    again: the result is kept, but not an error.

    Args:
        work: as in ``shared``.
    """
    helper = _helpers().submit(work) if cores() > 1 else None

    def result() -> R:
        return work() if helper is None or helper.cancel() else helper.result()

    return cache(result)


@lru_cache(maxsize=1)
def _helpers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(cores() - 1, 1), thread_name_prefix="helper")


in_forked_child(_helpers.cache_clear)
