"""There are cores to work with, no more than the machine has, and they share what is to be done."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from cafepick.cores import aside, cores, shared


def test_there_is_a_core() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not bind processes to cores")
def test_only_cores_that_the_process_may_use_count() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert cores() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_results_come_in_the_order_of_the_items() -> None:
    assert shared(lambda number: number * 2, range(100)) == list(range(0, 200, 2))
    assert shared(lambda number: number, []) == []


@pytest.mark.skipif(cores() < 2, reason="there is nobody to share with")
def test_another_core_helps() -> None:
    together = threading.Barrier(2, timeout=10)

    def work(number: int) -> int:
        if number < 2:
            together.wait()  # breaks unless another thread comes here too
        return threading.get_ident()

    assert len(set(shared(work, range(2)))) == 2


def test_an_error_is_raised_and_ends_the_work() -> None:
    done: list[int] = []

    def work(number: int) -> None:
        if number == 3:
            raise OSError("disk full")
        done.append(number)

    with pytest.raises(OSError, match="disk full"):
        shared(work, range(100_000))
    assert len(done) < 100_000 - 1


def test_nobody_waits_for_helpers_that_are_busy() -> None:
    """Callers in many threads, and callers within work, all come to an end."""

    def outer(number: int) -> list[int]:
        return shared(lambda inner: 10 * number + inner, range(10))

    expected = [[10 * number + inner for inner in range(10)] for number in range(20)]
    with ThreadPoolExecutor(6) as pool:
        for result in pool.map(lambda _: shared(outer, range(20)), range(30)):
            assert result == expected


@pytest.mark.skipif(cores() < 2, reason="there is no other core")
def test_work_aside_is_done_while_the_caller_does_other_things() -> None:
    begun = threading.Event()
    result = aside(lambda: (begun.set(), threading.get_ident())[1])
    assert begun.wait(10)
    assert result() != threading.get_ident()


def test_work_aside_that_nobody_begins_is_done_by_who_asks() -> None:
    free = threading.Event()
    busy = [aside(lambda: free.wait(10)) for _ in range(cores())]
    try:
        result = aside(threading.get_ident)
        assert result() == threading.get_ident()
    finally:
        free.set()
    assert all(one() for one in busy)


def test_no_more_threads_share_than_are_allowed() -> None:
    threads = shared(lambda _: threading.get_ident(), range(50), most=1)
    assert set(threads) == {threading.get_ident()}


def test_the_result_of_work_aside_is_kept_and_its_error_raised_where_it_is_asked_for() -> None:
    done: list[int] = []
    result = aside(lambda: done.append(1))
    assert result() is result() is None
    assert done == [1]
    with pytest.raises(ZeroDivisionError, match="by zero"):
        aside(lambda: 1 // 0)()


FORKED = """
import os, signal, threading
from cafepick import cores
cores.cores = lambda: 2
together = threading.Barrier(2, timeout=10)
def work(number):
    together.wait()  # breaks unless another thread comes here too
    return 10 * number
assert cores.shared(work, range(2)) == [0, 10]
child = os.fork()
if child == 0:
    signal.alarm(20)
    begun = threading.Event()
    assert cores.shared(work, range(2)) == [0, 10]
    result = cores.aside(lambda: (begun.set(), threading.get_ident())[1])
    assert begun.wait(10)
    assert result() != threading.get_ident()
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert cores.shared(work, range(2)) == [0, 10]
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_has_helpers_of_its_own() -> None:
    ran = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
