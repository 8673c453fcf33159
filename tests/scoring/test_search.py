"""Latent search does what the paper says, to each image as if it were alone, and leaves the networks as they were."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cafepick.config import SearchConfig
from cafepick.models.discriminator import Discriminator
from cafepick.models.generator import Generator
from cafepick.scoring.search import SearchResult, search_latent
from cafepick.scoring.slots import Stop

LATENT = 5
WALK = SearchConfig(steps=30, candidates=1, clamp=False, tolerance=0.0, learning_rate=0.05)
PLAIN = SearchConfig(steps=8, patience=4, tolerance=1e-3, candidates=8)
WEAK = SearchConfig(steps=5, candidates=1, restarts=1, tolerance=0.0, learning_rate=1e-3)


class LinearGenerator(nn.Module):
    """Draws 2 x 2 grey images: quick, and smooth enough to be searched to the end."""

    latent = LATENT

    def __init__(self) -> None:
        super().__init__()
        self.paint = nn.Linear(LATENT, 4)

    def forward(self, z: Tensor) -> Tensor:
        return self.paint(z).tanh().unflatten(1, (1, 2, 2))


class SquaringDiscriminator(nn.Module):
    """Its features are the squares of the pixels, through one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(2.0))

    def features(self, x: Tensor) -> Tensor:
        return self.gain * x.flatten(1) ** 2


@pytest.fixture
def tiny() -> tuple[LinearGenerator, SquaringDiscriminator]:
    torch.manual_seed(0)
    return LinearGenerator(), SquaringDiscriminator()


@pytest.fixture(scope="module")
def dcgan() -> tuple[Generator, Discriminator]:
    """A DCGAN of real size, its weights made larger so that different z draw clearly different images."""
    torch.manual_seed(0)
    generator = Generator(size=64, channels=3, latent=100, width=32, kernel=4)
    discriminator = Discriminator(size=64, channels=3, width=32, kernel=4, batch_norm=True)
    for network in (generator, discriminator):
        for parameter in network.parameters():
            if parameter.ndim == 4:
                parameter.data *= 2.5
    with torch.no_grad():
        for _ in range(3):  # give batch norm running statistics
            discriminator(generator(torch.rand(16, 100) * 2 - 1))
    return generator, discriminator


@pytest.fixture(scope="module")
def beans(dcgan: tuple[Generator, Discriminator]) -> Tensor:
    """Eleven images of which the generator can draw something like, and no more."""
    torch.manual_seed(1)
    with torch.no_grad():
        drawn = dcgan[0].eval()(torch.rand(11, 100) * 2 - 1)
    return (drawn + 0.3 * torch.randn(drawn.shape)).clamp(-1, 1)


def some_images(n: int) -> Tensor:
    return torch.rand(n, 1, 2, 2, generator=torch.Generator().manual_seed(3)) * 2 - 1


@contextmanager
def threads(n: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def assert_same(found: SearchResult, expected: SearchResult, which: Tensor) -> None:
    torch.testing.assert_close(found.score, expected.score[which], rtol=1e-4, atol=0)
    assert torch.equal(found.z, expected.z[which]), "not equal to the bit: some kernel treats rows differently"
    assert torch.equal(found.steps, expected.steps[which])
    assert found.stop == tuple(expected.stop[i] for i in which.tolist())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_result_depends_on_the_image_alone(dcgan, beans: Tensor, precision) -> None:
    with threads(2):
        together = search_latent(*dcgan, beans, PLAIN, precision=precision)
    torch.manual_seed(2)
    for n, workers in ((11, 1), (7, 2), (1, 2)):
        which = torch.randperm(11)[:n]
        with threads(workers):
            assert_same(search_latent(*dcgan, beans[which], PLAIN, precision=precision), together, which)


def test_memory_layout_changes_nothing(dcgan, beans: Tensor) -> None:
    turned = beans[:3].permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    assert_same(search_latent(*dcgan, turned, PLAIN), search_latent(*dcgan, beans[:3], PLAIN), torch.arange(3))


def test_networks_fresh_from_training_score_as_those_from_a_file(dcgan, beans: Tensor) -> None:
    """Training keeps weights in channels-last order, for which there are other kernels; a file does not."""
    trained = [copy.deepcopy(network).to(memory_format=torch.channels_last) for network in dcgan]
    assert_same(search_latent(*trained, beans[:3], PLAIN), search_latent(*dcgan, beans[:3], PLAIN), torch.arange(3))


def test_bfloat16_finds_about_as_much(dcgan, beans: Tensor) -> None:
    exact = search_latent(*dcgan, beans[:8], PLAIN, precision="float32")
    quick = search_latent(*dcgan, beans[:8], PLAIN, precision="bfloat16")
    torch.testing.assert_close(quick.score, exact.score, rtol=0.02, atol=0)


def test_an_image_that_the_generator_can_draw_is_found(tiny) -> None:
    z = torch.rand(6, LATENT, generator=torch.Generator().manual_seed(5)) * 2 - 1
    with torch.no_grad():
        images = tiny[0](z)
    found = search_latent(*tiny, images, SearchConfig(steps=600, tolerance=0.0, learning_rate=0.02))
    assert found.score.max() < 0.1
    torch.testing.assert_close(found.reconstruction, images, atol=0.05, rtol=0)


def test_scores_follow_equations_3_5_and_6(tiny) -> None:
    generator, discriminator = tiny
    images = some_images(11)
    found = search_latent(*tiny, images, SearchConfig(steps=5, weight=0.3))
    with torch.no_grad():
        for i, x in enumerate(images):
            drawn = generator(found.z[i : i + 1])
            residual = sum(abs(a - b) for a, b in zip(x.flatten(), drawn.flatten(), strict=True))
            pairs = zip(discriminator.features(x[None])[0], discriminator.features(drawn)[0], strict=True)
            discrimination = sum(abs(a - b) for a, b in pairs)
            np.testing.assert_allclose(found.residual[i], residual, rtol=1e-5)
            np.testing.assert_allclose(found.discrimination[i], discrimination, rtol=1e-5)
            np.testing.assert_allclose(found.score[i], 0.7 * residual + 0.3 * discrimination, rtol=1e-5)
            torch.testing.assert_close(found.reconstruction[i], drawn[0])


def test_the_walk_is_that_of_torchs_adam_one_image_at_a_time(tiny) -> None:
    """The seed's own loop, with a fresh z and a fresh optimiser for each image."""
    generator, discriminator = tiny
    images = some_images(10)
    found = search_latent(*tiny, images, WALK, seed=4)
    start = torch.rand(1, LATENT, generator=torch.Generator().manual_seed(4)) * 2 - 1
    for i, x in enumerate(images):
        z = start.clone().requires_grad_()
        adam = torch.optim.Adam([z], lr=WALK.learning_rate)
        best = torch.inf
        for _ in range(WALK.steps + 1):
            drawn = generator(z)
            residual = (x - drawn).abs().sum()
            discrimination = (discriminator.features(x[None]) - discriminator.features(drawn)).abs().sum()
            loss = 0.9 * residual + 0.1 * discrimination
            best = min(best, loss.item())
            adam.zero_grad()
            loss.backward()
            adam.step()
        np.testing.assert_allclose(found.score[i], best, rtol=1e-4)
        assert found.steps[i] == WALK.steps


def test_a_search_stops_when_its_own_loss_no_longer_falls(tiny) -> None:
    with torch.no_grad():
        easy = tiny[0](search_latent(*tiny, some_images(1), WALK).z)
    config = SearchConfig(steps=400, patience=10, tolerance=0.05, learning_rate=0.01)
    found = search_latent(*tiny, torch.cat([some_images(9), easy]), config)
    for steps, stop in zip(found.steps.tolist(), found.stop, strict=True):
        assert (stop is Stop.CONVERGED) == (steps < 400)
        assert steps % 10 == 0
    assert len(set(found.steps.tolist())) > 1, "images stop on their own"
    assert Stop.CONVERGED in found.stop


def test_without_tolerance_every_step_is_used(tiny) -> None:
    found = search_latent(*tiny, some_images(9), SearchConfig(steps=23, patience=5, tolerance=0.0))
    assert found.steps.tolist() == [23] * 9
    assert set(found.stop) == {Stop.STEPS}


@pytest.mark.parametrize("effort", [{"restarts": 3}, {"candidates": 50}, {"steps": 80}])
def test_more_effort_finds_closer_images(tiny, effort: dict[str, int]) -> None:
    images = some_images(12)
    weak, strong = (search_latent(*tiny, images, config).score for config in (WEAK, replace(WEAK, **effort)))
    assert torch.all(strong <= weak * 1.02)
    assert strong.mean() < weak.mean()


def test_z_stays_where_the_generator_was_trained(tiny) -> None:
    far = torch.ones(3, 1, 2, 2)
    held = search_latent(*tiny, far, SearchConfig(steps=60, learning_rate=0.5, tolerance=0.0, clamp=True))
    free = search_latent(*tiny, far, SearchConfig(steps=60, learning_rate=0.5, tolerance=0.0, clamp=False))
    assert held.z.abs().max() <= 1
    assert free.z.abs().max() > 1


def test_the_seed_decides_the_start(tiny) -> None:
    images, config = some_images(4), SearchConfig(steps=1, candidates=1)
    first, again, other = (search_latent(*tiny, images, config, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.z, again.z)
    assert not torch.equal(first.z, other.z)


def test_the_networks_are_left_as_they_were(dcgan, beans: Tensor) -> None:
    for network in dcgan:
        network.train()
    before = [copy.deepcopy(network.state_dict()) for network in dcgan]
    with threads(2):
        search_latent(*dcgan, beans[:3], SearchConfig(steps=2, candidates=1))
        assert torch.get_num_threads() == 2
    for network, state in zip(dcgan, before, strict=True):
        assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
        assert network.training
        assert all(p.requires_grad and p.grad is None for p in network.parameters())


def test_batch_norm_uses_its_running_statistics_whatever_the_mode(dcgan, beans: Tensor) -> None:
    trained = search_latent(*(network.train() for network in dcgan), beans[:3], PLAIN)
    evaluated = search_latent(*(network.eval() for network in dcgan), beans[:3], PLAIN)
    assert torch.equal(trained.score, evaluated.score)


def test_no_image_gives_no_result(tiny) -> None:
    found = search_latent(*tiny, some_images(0), SearchConfig(steps=3))
    assert found.z.shape == (0, LATENT)
    assert found.reconstruction.shape == (0, 1, 2, 2)
    assert found.stop == ()


def test_progress_counts_every_search(tiny) -> None:
    seen = []
    search_latent(*tiny, some_images(10), SearchConfig(steps=3, restarts=2), on_progress=lambda *now: seen.append(now))
    assert seen == [(done, 20) for done in range(1, 21)]


def test_an_error_in_a_network_reaches_the_caller(tiny) -> None:
    class Broken(LinearGenerator):
        calls = 0

        def forward(self, z: Tensor) -> Tensor:
            if z.requires_grad:
                raise FloatingPointError("overflow in the third block")
            return super().forward(z)

    with pytest.raises(FloatingPointError, match="third block"):
        search_latent(Broken(), tiny[1], some_images(20), SearchConfig(steps=3))


def test_stopping_from_the_outside_ends_the_search_at_once(tiny) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt("stop")

    with pytest.raises(KeyboardInterrupt, match="stop"):
        search_latent(*tiny, some_images(50), SearchConfig(steps=100, tolerance=0.0), on_progress=interrupt)


FORKED = """
import os, signal, threading
from cafepick.scoring.search import one_thread_each
searching, done = threading.Event(), threading.Event()
def search():
    with one_thread_each():
        searching.set()
        done.wait(60)
thread = threading.Thread(target=search)
thread.start()
searching.wait()
child = os.fork()
if child == 0:
    signal.alarm(10)
    with one_thread_each():
        os._exit(0)
ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
done.set()
thread.join()
assert ended == 0, ended
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_that_is_forked_during_a_search_does_not_wait_for_it() -> None:
    ran = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=100, check=False)
    assert ran.returncode == 0, ran.stderr
