"""Work done ahead keeps its order and its bounds, and ends when it should."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from cafepick.jobs.pipeline import ahead

SECONDS = 10
"""Nothing here takes so long unless it hangs."""


def wait_for(event: threading.Event) -> None:
    assert event.wait(SECONDS), "the other thread never came"


def test_results_come_in_the_order_of_the_items_whoever_is_quicker() -> None:
    first_may_end = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            wait_for(first_may_end)
        if number == 2:
            first_may_end.set()  # item 0 ends after item 2
        return number * 10

    assert list(ahead(work, range(6), workers=3)) == [0, 10, 20, 30, 40, 50]


def test_two_items_are_in_work_at_once() -> None:
    together = threading.Barrier(2, timeout=SECONDS)

    def work(number: int) -> int:
        together.wait()  # breaks unless another thread comes here too
        return number

    assert list(ahead(work, range(4), workers=2)) == [0, 1, 2, 3]


def test_items_are_taken_in_the_callers_thread() -> None:
    def items() -> Iterator[int]:
        for _ in range(5):
            yield threading.get_ident()

    assert set(ahead(lambda taken: taken, items(), workers=2)) == {threading.get_ident()}


@pytest.mark.parametrize("workers", [1, 3])
def test_only_so_many_items_are_taken_ahead(workers: int) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(50):
            taken.append(number)
            yield number

    for done, result in enumerate(ahead(lambda number: number, items(), workers=workers)):
        time.sleep(0.001)  # gives the others time to run ahead, if they could
        assert result == done
        assert len(taken) - done <= workers + 1


def test_heavy_results_that_wait_let_no_new_work_begin() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(12):
            taken.append(number)
            yield number

    results = ahead(lambda number: number, items(), workers=4, weight=lambda _: 1.0, most=2)
    assert next(results) == 0  # nobody knew yet how heavy they are
    for done in range(1, 12):
        assert next(results) == done
        assert len(taken) <= max(5, done + 2)
    assert list(ahead(lambda number: number, range(5), workers=4, weight=lambda _: 9.0, most=2)) == [0, 1, 2, 3, 4]


def test_an_error_comes_in_its_turn_after_what_came_before() -> None:
    def work(number: int) -> int:
        if number == 3:
            raise OSError("disk full")
        return number

    got: list[int] = []
    with pytest.raises(OSError, match="disk full"):
        got.extend(ahead(work, range(100), workers=2))
    assert got == [0, 1, 2]


def test_an_error_of_the_stage_before_comes_in_its_turn_too() -> None:
    def items() -> Iterator[int]:
        yield from (0, 1)
        raise ValueError("the stage before")

    got: list[int] = []
    with pytest.raises(ValueError, match="the stage before"):
        got.extend(ahead(lambda number: number, items(), workers=2))
    assert got == [0, 1]


def test_who_stops_early_leaves_no_thread_and_no_open_stage_behind() -> None:
    closed: list[str] = []

    def items() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            closed.append("items")

    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        return number

    results = ahead(work, ahead(lambda n: n, items(), workers=2), workers=2)
    assert next(results) == 0
    results.close()
    assert closed == ["items"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]
    assert len(begun) <= 3


def test_an_interrupt_of_the_caller_ends_it() -> None:
    results = ahead(lambda number: number, range(1000), workers=2)
    next(results)
    with pytest.raises(KeyboardInterrupt):
        results.throw(KeyboardInterrupt)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]
