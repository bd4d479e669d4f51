"""Calls to the system: what they change about a process, seen from outside of it."""

import ctypes
import subprocess
import sys

import pytest

CHUNKS, TIMES, PAGES = 8, 40, 256  # of 1 MiB
USE = f"""
import resource
from storage_service.app.process.system import keep_memory
keep_memory()
begun = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({TIMES}):
    chunks = [bytes(bytearray(1 << 20)) for _ in range({CHUNKS})]
    del chunks
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begun)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="not glibc")
def test_freed_chunks_are_used_again_without_a_page_fault_for_each_page() -> None:
    done = subprocess.run([sys.executable, "-c", USE], capture_output=True, text=True, check=True, timeout=60)
    assert int(done.stdout) < 4 * CHUNKS * PAGES  # as many as for the first few times of the forty
