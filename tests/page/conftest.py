"""A real server, and Debian's Chromium that looks at its page; without it the tests are skipped, in CI they fail."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright import sync_api as playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "server"))  # serve_process is shared with the server's tests

from page_browser import ARGUMENTS, Visitor, chromium_path
from serve_process import Served, photographed, serving, taken_in

from cafepick.data.demo import DEFECTS, DrawnTray, draw_tray
from cafepick.images import write_image

SHOTS = Path(os.environ.get("CAFEPICK_SHOTS", Path(__file__).parent / ".shots"))
"""Where screenshots are kept."""


@pytest.fixture(scope="session")
def browser() -> Iterator[playwright.Browser]:
    """Chromium without a window, with a camera that shows a test picture."""
    path = chromium_path()
    if path is None:
        words = "Chromium is not installed: apt-get install chromium"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(words)
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield started
        started.close()


@pytest.fixture
def visit(browser: playwright.Browser, request: pytest.FixtureRequest) -> Iterator[Callable[..., Visitor]]:
    """Open pages; at the end of the test nothing may have gone wrong in any of them unnoticed."""
    opened: list[Visitor] = []

    def open_page(server: Served, path: str = "/", **options: object) -> Visitor:
        visitor = Visitor(browser, server, SHOTS, **options)
        opened.append(visitor)
        visitor.go(path)
        return visitor

    yield open_page
    for number, visitor in enumerate(opened):
        if getattr(request.node, "failed", False):
            visitor.shoot(f"failed-{request.node.name}-{number}")
        visitor.leave()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Let ``visit`` know of a failure, so that it keeps a picture of it."""
    report = yield
    if report.when == "call" and report.failed:
        item.failed = True  # type: ignore[attr-defined]
    return report


@pytest.fixture(scope="session")
def good_trays(drawn_trays: list[DrawnTray], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three photos of good beans, 800 x 600, 40 beans each."""
    return photographed(drawn_trays, tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="session")
def mixed_tray(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo of 40 beans, of which twelve have a defect."""
    import numpy as np

    path = tmp_path_factory.mktemp("mixed") / "mixed.jpg"
    defects = [DEFECTS[number % len(DEFECTS)] for number in range(12)]
    write_image(path, draw_tray(np.random.default_rng(5), width=800, height=600, beans=40, defects=defects).photo)
    return path


@pytest.fixture(scope="session")
def station(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Served]:
    """A server that has a model, for tests that teach none."""
    server = Served(tmp_path_factory.mktemp("station"))
    with server.client() as client:
        taken_in(client, tiny_model)
    yield server
    server.end()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Start servers of a test's own; all end with it."""
    with serving(tmp_path / "data") as start:
        yield start
