"""A recorded network computes what the network computes, to the bit, and without the interpreter."""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn

from cafepick.config import ModelConfig
from cafepick.models.build import build_comparison, build_discriminator, build_encoder, build_generator
from cafepick.scoring import fast
from cafepick.scoring import recorded as module
from cafepick.scoring.fast import PASS, OnePass, Restoring, look_once
from cafepick.scoring.packed import can_pack
from cafepick.scoring.recorded import can_record, recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cafepick.scoring.frozen import Precision

SHAPES = [
    ModelConfig(size=64, width=8, latent=10, kernel=4, batch_norm=False),
    ModelConfig(size=28, channels=1, width=4, latent=10, kernel=5, batch_norm=True),
    ModelConfig(size=33, width=4, latent=10, kernel=4, batch_norm=False),
]
PRECISIONS: list[Precision] = ["float32", "bfloat16"] if can_pack() else ["float32"]


def networks(model: ModelConfig) -> Restoring:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        parts = build_encoder(model), build_generator(model), build_comparison(model, width=8)
        return Restoring.of(*parts, build_discriminator(model))


def images_for(model: ModelConfig, count: int) -> Tensor:
    seeded = torch.Generator().manual_seed(1)
    return torch.rand(count, model.channels, model.size, model.size, generator=seeded) * 2 - 1


def assert_equal(found: OnePass, expected: OnePass) -> None:
    for name, one, other in zip(OnePass._fields, found, expected, strict=True):
        assert torch.equal(one, other), name


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("model", SHAPES, ids=lambda model: f"{model.size}-{model.channels}-{model.kernel}")
def test_a_program_gives_what_the_networks_give(
    model: ModelConfig, precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = images_for(model, 2 * PASS + 3)
    found = [look_once(networks(model), images, precision=precision) for _ in range(2)]
    again = networks(model)
    found += [look_once(again, images, precision=precision) for _ in range(3)]  # a program may change as it is used
    monkeypatch.setattr(module, "can_record", lambda: False)
    plain = look_once(networks(model), images, precision=precision)
    for one in found:
        assert_equal(one, plain)


def test_networks_that_were_asked_can_be_sent_to_another_process() -> None:
    model = SHAPES[1]
    own, images = networks(model), images_for(model, 3)
    before = [look_once(own, images, precision=precision) for precision in PRECISIONS]
    copy = pickle.loads(pickle.dumps(own))
    for precision, expected in zip(PRECISIONS, before, strict=True):
        assert_equal(look_once(copy, images, precision=precision), expected)


def test_where_nothing_is_recorded_networks_run_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.Linear(3, 2)
    monkeypatch.delattr(torch._C, "parse_ir")
    assert not can_record()
    assert recorded(network, torch.zeros(1, 3)) is network


def test_a_network_that_cannot_be_recorded_runs_as_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("no such type")

    monkeypatch.setattr(torch._C, "_create_graph_by_tracing", refuse)
    network = nn.Linear(3, 2)
    assert recorded(network, torch.zeros(1, 3)) is network
    assert "which makes them slower: no such type" in caplog.text


@pytest.mark.parametrize("precision", PRECISIONS)
def test_what_surrounds_the_first_call_is_not_recorded(precision: Precision) -> None:
    model = SHAPES[0]
    images, own = images_for(model, 3), networks(model)
    expected = look_once(networks(model), images, precision=precision)
    with torch.autocast("cpu", torch.bfloat16):
        assert_equal(look_once(own, images, precision=precision), expected)
    assert_equal(look_once(own, images, precision=precision), expected)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_what_torch_makes_by_default_does_not_matter(precision: Precision) -> None:
    images, own = images_for(SHAPES[0], 3), networks(SHAPES[0])
    expected = look_once(networks(SHAPES[0]), images, precision=precision)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        assert_equal(look_once(own, images, precision=precision), expected)
    finally:
        torch.set_default_dtype(before)


GONE = """
import ctypes, gc, resource, sys
from pathlib import Path
import torch
from cafepick.config import ModelConfig
from cafepick.models.build import build_comparison, build_discriminator, build_encoder, build_generator
from cafepick.scoring.fast import Restoring, look_once

model, held = ModelConfig(size=64, width=16, latent=10, kernel=4, batch_norm=False), []
images = torch.rand(3, 3, 64, 64)
trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
for _ in range(24):
    parts = build_encoder(model), build_generator(model), build_comparison(model, width=8), build_discriminator(model)
    look_once(Restoring.of(*parts), images, precision=sys.argv[1])
    gc.collect()
    trim and trim(0)  # what is free goes back to the system
    held.append(int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20)
print(held[-1] - held[8])
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system does not tell a process's memory")
@pytest.mark.parametrize("precision", PRECISIONS)
def test_networks_that_are_gone_leave_no_programs_behind(precision: Precision) -> None:
    """In a process of its own: what other tests left in the heap moves its size by as much."""
    ended = subprocess.run([sys.executable, "-c", GONE, precision], capture_output=True, text=True, check=True)
    assert float(ended.stdout) < 16 * 0.7, "16 programs of 1.7 megabytes of weights and more"


def test_threads_that_ask_at_once_get_one_program(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []

    def counted(network: Callable[[Tensor], object], example: Tensor) -> Callable[[Tensor], object]:
        made.append(network)
        return recorded(network, example)

    monkeypatch.setattr(fast, "recorded", counted)
    own, images = networks(SHAPES[1]), images_for(SHAPES[1], 3)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: look_once(own, images), range(8)))
    assert len(made) == 1
    for one in found:
        assert_equal(one, found[0])


@pytest.fixture
def _nobody_gives_way() -> Iterator[None]:
    """A thread that computes in Python keeps the interpreter until it is done."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    yield
    sys.setswitchinterval(before)


@pytest.mark.skipif(not can_record(), reason="this torch records no programs")
@pytest.mark.skipif(not hasattr(time, "pthread_getcpuclockid"), reason="this system does not tell a thread's time")
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.usefixtures("_nobody_gives_way")
def test_a_program_goes_on_while_others_hold_the_interpreter(precision: Precision) -> None:
    own = networks(SHAPES[0])
    images = images_for(SHAPES[0], 40 * PASS).contiguous(memory_format=torch.channels_last)
    look = partial(own.program(precision), images)
    alone(look)  # a program may change as it is used
    beside, whole = seconds_beside_a_busy_interpreter(look)
    assert beside > 0.9 * whole


@torch.inference_mode()
def alone(work: Callable[[], object]) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    work()
    torch.set_num_threads(threads)


def seconds_beside_a_busy_interpreter(work: Callable[[], object]) -> tuple[float, float]:
    """Processor's seconds that a thread gets done while this one never lets go of the interpreter, and in all.

    This one holds it from when the work has begun until the other thread has stood still for two seconds.
    """
    begun, whole = Event(), []

    def run() -> None:
        begun.set()
        alone(work)
        whole.append(time.thread_time())

    thread = Thread(target=run)
    thread.start()
    assert thread.ident is not None
    clock = time.pthread_getcpuclockid(thread.ident)
    begun.wait()
    beside, moved = time.clock_gettime(clock), time.monotonic()
    while time.monotonic() < moved + 2:
        now = time.clock_gettime(clock)
        if now > beside:
            beside, moved = now, time.monotonic()
    thread.join()
    return beside, whole[0]
