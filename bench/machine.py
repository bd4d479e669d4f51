"""What a figure depends on besides the code: the machine, its disk, and what else runs on it."""

import hashlib
import mmap
import os
import platform
import re
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PROBE_SECONDS = 1.5
PROBE_BYTES = 4096
CANARY_BYTES = 65_536
CANARY_TIMES = 1500
MOST_TOUCHED = 8 << 30
IN_MEMORY = frozenset({"tmpfs", "ramfs", "overlay"})


def describe(directory: Path) -> dict[str, object]:
    """The machine, and the disk `directory` is on."""
    return {
        "cpu": _first(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text()),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "file_system": file_system(directory),
        "syncs_per_second": syncs_per_second(directory),
    }


def file_system(directory: Path) -> str:
    """The type of the file system a directory is on."""
    best, kind = "", "unknown"
    path = str(directory.resolve())
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        words, _, details = line.partition(" - ")
        point = words.split()[4]
        if len(point) >= len(best) and (path + "/").startswith(point.rstrip("/") + "/"):
            best, kind = point, details.split()[0]
    return kind


def is_on_disk(directory: Path) -> bool:
    return file_system(directory) not in IN_MEMORY


def touch_memory() -> None:
    """Take half the free memory, up to 8 GiB, and give it back.

    A virtual machine that reports free pages to its host pays for the first touch of each again: 3 µs for
    4 KiB, five times the cost of copying a body into the page cache. A server that has been up for a while
    has touched its memory; a benchmark that deletes what it wrote has not.
    """
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with mmap.mmap(-1, min(free // 2, MOST_TOUCHED), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.madvise(mmap.MADV_HUGEPAGE)
        for at in range(0, len(memory), mmap.PAGESIZE):
            memory[at] = 1


def syncs_per_second(directory: Path) -> int:
    """4 KiB writes with fdatasync to one file: what durability costs here."""
    probe = directory / "sync-probe"
    descriptor = os.open(probe, os.O_CREAT | os.O_WRONLY, 0o600)
    done, started = 0, time.perf_counter()
    try:
        while (spent := time.perf_counter() - started) < PROBE_SECONDS:
            os.pwrite(descriptor, os.urandom(PROBE_BYTES), done % 256 * PROBE_BYTES)
            os.fdatasync(descriptor)
            done += 1
    finally:
        os.close(descriptor)
        probe.unlink()
    return round(done / spent)


def canary_ms() -> float:
    """A fixed piece of work: a rise means that the machine was shared or slowed."""
    block, started = b"x" * CANARY_BYTES, time.perf_counter()
    for _ in range(CANARY_TIMES):
        hashlib.sha256(block)
    return round((time.perf_counter() - started) * 1000, 1)


def busy_seconds() -> float:
    """CPU time all processes have used since the start of the machine, stolen time included."""
    fields = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    user_nice_system, irq_softirq_steal = fields[:3], fields[5:8]
    return sum(user_nice_system + irq_softirq_steal) / TICKS


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1].strip() if found else platform.machine()
