"""Small calls to the system that processes share."""

import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1  # linux/prctl.h
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # malloc.h of glibc
KEPT_BYTES = 16 << 20
LARGEST_KEPT_BYTES = 4 << 20  # a chunk of a body has at most 1 MiB


def die_with_parent() -> None:
    """Get SIGTERM when the parent dies, so that no orphan holds the directory. Linux only; nothing elsewhere."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        parent = os.getppid()
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it died before the call
            os.kill(os.getpid(), signal.SIGTERM)


def keep_memory() -> None:
    """Freed chunks of bodies stay with the process, up to 16 MiB, to be used again. glibc only; nothing elsewhere.

    It would give them back at once, and a page fault for every 4 KiB of the next chunk was half of the CPU of a large
    download. One arena for all threads: so many bytes are kept once, not once a thread. For before the first thread.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT_BYTES)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(M_ARENA_MAX, 1)
