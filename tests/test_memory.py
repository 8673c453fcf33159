"""Memory that arrays gave back serves the next ones."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cafepick.memory import keep_freed_memory

FAULTS = """
import resource
import numpy as np
from cafepick.memory import keep_freed_memory

if {keep}:
    keep_freed_memory()

def work():
    blocks = [np.ones(8 << 20, np.uint8) for _ in range(3)]  # 6,144 pages
    del blocks

work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(*, keep: bool) -> int:
    code = FAULTS.format(keep=keep)
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(not keep_freed_memory(), reason="the C library here is not glibc")
def test_pages_are_not_mapped_anew_for_every_array():
    assert _faults(keep=True) < 100 < _faults(keep=False)
