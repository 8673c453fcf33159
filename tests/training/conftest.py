"""Small networks stay quick on a busy machine, and sums keep one order."""

import pytest


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)
