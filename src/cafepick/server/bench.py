"""Work that is too slow for the event loop and too short for a queue: reading uploads, finding beans, drawing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

from cafepick.server.problems import busy

THREADS: Final = 2
"""A photo of 60 megapixels takes 180 MB while it is open, in each of them."""

P = ParamSpec("P")
T = TypeVar("T")


class Bench:
    """A few threads and a bounded line before them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._inside = 0
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="bench")

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do work in a thread.

        Raises:
            ApiError: too much work waits already.
        """
        if self._inside >= self._most:
            raise busy(f"{self._inside} pictures wait to be read or drawn already", seconds=2)
        loop = asyncio.get_running_loop()
        self._inside += 1
        future = self._threads.submit(work, *args, **kwargs)
        future.add_done_callback(lambda _: self._leave(loop))  # at once if the work is done already
        return await asyncio.wrap_future(future)

    def _leave(self, loop: asyncio.AbstractEventLoop) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._count_down)

    def _count_down(self) -> None:
        self._inside -= 1

    def close(self) -> None:
        """Drop what waits, finish what runs."""
        self._threads.shutdown(wait=True, cancel_futures=True)
