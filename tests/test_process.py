"""Commands keep the memory of arrays that are gone, and let no library share small matrices between cores."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource
import numpy as np
from cafepick.process import keep_freed_memory

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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="elsewhere nothing is set")
def test_pages_are_not_mapped_anew_for_every_array():
    assert _faults(keep=True) < 100 < _faults(keep=False)


THREADS = """
import sys
from cafepick.process import prepare_process

prepare_process()
assert "numpy" not in sys.modules
import numpy
from threadpoolctl import threadpool_info

print(*{pool["num_threads"] for pool in threadpool_info() if pool["internal_api"] == "openblas"})
"""


def test_numpy_computes_on_one_thread_of_each_of_ours():
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    ran = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, check=True, env=environment)
    assert ran.stdout.split() in (["1"], [])  # none where NumPy has another library


def test_the_user_has_the_last_word_on_threads():
    code = THREADS.replace("import sys\n", "import sys, os\n") + 'print(os.environ["OPENBLAS_NUM_THREADS"])'
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert ran.stdout.split()[-1] == "2"
