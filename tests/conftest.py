"""What all tests share: where the real photographs lie, and settings of the property tests."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "cafepick", deadline=None, derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("cafepick")

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the real photographs; the test is skipped where they are absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real photographs are not here")
    return SHARED_DATA
