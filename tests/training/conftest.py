"""While these tests run, beartype checks every shape that losses, augmentation, corruption and batches promise."""

import pytest
from jaxtyping import install_import_hook

CHECKED = ["losses", "augment", "corrupt", "batches"]
install_import_hook([f"cafepick.training.{module}" for module in CHECKED], "beartype.beartype")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Keep small networks quick on a busy machine, and sums in one order."""
    import torch

    torch.set_num_threads(1)
