"""What the tests of data share."""

from collections.abc import Iterator

import pytest

from web_server import Server, running_server


@pytest.fixture
def server() -> Iterator[Server]:
    """A web server on this machine; its pages are added by the test."""
    with running_server() as running:
        yield running
