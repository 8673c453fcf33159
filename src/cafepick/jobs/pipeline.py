"""Work that overlaps: while one photo is scored, the next are read and the last are written.

A job is a chain of ``ahead``: each takes from the one before and works a bounded number of photos ahead of the one
behind, so that memory stays the same however many photos there are. Order is kept, so nothing that is written depends
on which thread was quicker.

    items --ahead(read, find, cut)--> photos --score, in the caller's thread--> verdicts --ahead(draw, write)--> rows
"""

from __future__ import annotations

import math
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

from cafepick.cores import cores

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

MOST_WORKERS: Final = 8
"""Threads of one stage; each may hold a whole photo."""

T = TypeVar("T")
R = TypeVar("R")


def ahead(
    work: Callable[[T], R],
    items: Iterable[T],
    *,
    workers: int | None = None,
    weight: Callable[[R], float] = lambda _: 0.0,
    most: float = math.inf,
) -> Generator[R, None, None]:
    """Do ``work`` on each item by threads, and yield the results in the order of the items.

    At most ``workers`` items are in work and one more waits to be taken; fewer, if so many results as heavy as the
    heaviest so far would weigh ``most`` or more. An error in ``work`` or in ``items`` is raised where its result would
    come, after those before it; what was begun ahead of it is finished and dropped, as it is when the caller stops
    early.

    Args:
        work: called in other threads, for several items at once.
        items: taken in the caller's thread, as work begins.
        workers: threads; None: one a core, at most ``MOST_WORKERS``.
        weight: of a result, such as its bytes.
        most: weight of all results in work or waiting at which no new work begins.
    """
    threads = min(cores(), MOST_WORKERS) if workers is None else workers
    begun: deque[Future[R]] = deque()
    upcoming = iter(items)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="ahead")
    try:
        more, heaviest = True, 0.0
        while more or begun:
            while more and len(begun) <= threads and len(begun) * heaviest < most:
                more = _begin(pool, work, upcoming, begun)
            if begun:
                result = begun.popleft().result()
                heaviest = max(heaviest, weight(result))
                yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        if hasattr(upcoming, "close"):
            upcoming.close()  # type: ignore[attr-defined] - a generator: its own threads end too


def _begin(pool: ThreadPoolExecutor, work: Callable[[T], R], upcoming: Iterator[T], begun: deque[Future[R]]) -> bool:
    """Begin work on the next item, if there is one; return whether there may be more."""
    try:
        item = next(upcoming)
    except StopIteration:
        return False
    except Exception as error:  # noqa: BLE001 - raised again when its turn comes
        failed: Future[R] = Future()
        failed.set_exception(error)
        begun.append(failed)
        return False
    begun.append(pool.submit(work, item))
    return True
