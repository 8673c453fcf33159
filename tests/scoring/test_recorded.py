"""A recorded network computes what the network computes, to the bit, and without the interpreter."""

from __future__ import annotations

import pickle
import sys
import time
from functools import partial
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn

from cafepick.config import ModelConfig
from cafepick.models.build import build_comparison, build_discriminator, build_encoder, build_generator
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
    look = own.look_in_half if precision == "bfloat16" else own.look_recorded
    alone = [seconds_of(partial(look, images)) for _ in range(3)][-1]
    enough = 0.3 * alone  # no single operation takes so much, and machines are not always equally fast
    beside = seconds_beside_a_busy_interpreter(partial(look, images), enough=enough)
    assert beside > enough


def seconds_of(work: Callable[[], object]) -> float:
    """Processor's seconds of work on one thread."""
    before = time.thread_time()
    alone(work)
    return time.thread_time() - before


@torch.inference_mode()
def alone(work: Callable[[], object]) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    work()
    torch.set_num_threads(threads)


def seconds_beside_a_busy_interpreter(work: Callable[[], object], *, enough: float) -> float:
    """What a thread gets done while this one, once the work has begun, never lets go of the interpreter."""
    begun = Event()

    def run() -> None:
        begun.set()
        alone(work)

    thread = Thread(target=run)
    thread.start()
    assert thread.ident is not None
    clock = time.pthread_getcpuclockid(thread.ident)
    begun.wait()
    until, seconds = time.monotonic() + 20, 0.0
    while seconds <= enough and time.monotonic() < until:
        seconds = time.clock_gettime(clock)
    thread.join()
    return seconds
