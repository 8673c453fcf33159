"""While these tests run, beartype checks every shape that losses, augmentation and batches promise."""

import pytest
from jaxtyping import install_import_hook

install_import_hook(
    ["cafepick.training.losses", "cafepick.training.augment", "cafepick.training.batches"], "beartype.beartype"
)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Keep small networks quick on a busy machine, and sums in one order."""
    import torch

    torch.set_num_threads(1)
