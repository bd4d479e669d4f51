"""System calls that cannot wait, made without giving up the GIL.

`os.open`, `fstat`, `pread`, `flock` and the like each give the GIL up for half a microsecond; beside a busy event loop
each costs a futex call and wakes the loop's thread for nothing. These calls keep it. None can wait for disk or lock:
what is not in the page cache is refused by the kernel (openat2 RESOLVE_CACHED, preadv2 RWF_NOWAIT), a held lock too.
The caller then goes the ordinary way. Source: openat2(2), Linux 5.12; preadv2(2), Linux 4.14; docs/decisions/0004.
"""

import ctypes
import fcntl
import os
import struct
import threading
from typing import Final

MOST_BYTES: Final = 64 << 10
OPENAT2: Final = 437  # one number on every architecture
AT_FDCWD: Final = -100
AT_EMPTY_PATH: Final = 0x1000
RESOLVE_CACHED: Final = 0x20
RWF_NOWAIT: Final = 0x8
STATX_WANTED: Final = 0x1 | 0x40 | 0x200  # type, mtime, size
_HOW = struct.pack("QQQ", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, 0, RESOLVE_CACHED)
_MODE_SIZE_TIME = struct.Struct("=28xH10xQ64xqI")  # of struct statx, the same on every architecture
_REGULAR, _KIND = 0o100000, 0o170000
_NS = 1_000_000_000

_library = ctypes.PyDLL(None)
_number, _address = ctypes.c_int, ctypes.c_void_p
_syscall, _close, _flock = _library.syscall, _library.close, _library.flock
_syscall.argtypes = [ctypes.c_long, _number, ctypes.c_char_p, _address, ctypes.c_size_t]
_syscall.restype = ctypes.c_long
_close.argtypes = [_number]
_flock.argtypes = [_number, _number]
_can_read = hasattr(_library, "statx") and hasattr(_library, "preadv2")  # glibc 2.28, musl 1.2.5
if _can_read:
    _statx, _preadv2 = _library.statx, _library.preadv2
    _statx.argtypes = [_number, ctypes.c_char_p, _number, ctypes.c_uint, _address]
    _preadv2.argtypes = [_number, _address, _number, ctypes.c_long, _number]
    _preadv2.restype = ctypes.c_ssize_t


class _Buffers(threading.local):
    """Each thread's own: another thread may run between two calls."""

    def __init__(self) -> None:
        self.how = ctypes.create_string_buffer(_HOW, len(_HOW))
        self.stat = ctypes.create_string_buffer(256)
        self.data = ctypes.create_string_buffer(MOST_BYTES)
        self.vector = (ctypes.c_size_t * 2)(ctypes.addressof(self.data), 0)  # struct iovec


_buffers = _Buffers()


def read_cached(path: str, size: int, mtime_ns: int | None) -> bytes | None:
    """All of a regular file that has this size and time and lies in the page cache; None: read it the ordinary way."""
    if not _can_read or not 0 < size <= MOST_BYTES:
        return None
    how = ctypes.addressof(_buffers.how)
    fd = _syscall(OPENAT2, AT_FDCWD, os.fsencode(path), how, len(_HOW))
    if fd < 0:
        return None
    try:
        return _read(fd, size, mtime_ns)
    finally:
        _close(fd)


def _read(fd: int, size: int, mtime_ns: int | None) -> bytes | None:
    if _statx(fd, b"", AT_EMPTY_PATH, STATX_WANTED, ctypes.addressof(_buffers.stat)) != 0:
        return None
    mode, found_size, seconds, nanoseconds = _MODE_SIZE_TIME.unpack_from(_buffers.stat)
    if mode & _KIND != _REGULAR or found_size != size or seconds * _NS + nanoseconds != mtime_ns:
        return None
    _buffers.vector[1] = size
    if _preadv2(fd, ctypes.addressof(_buffers.vector), 1, 0, RWF_NOWAIT) != size:
        return None
    return ctypes.string_at(_buffers.data, size)


def lock(fd: int) -> None:
    """Hold the lock alone; waits, without the GIL, only while somebody else has it."""
    if _flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB) != 0:
        fcntl.flock(fd, fcntl.LOCK_EX)


def unlock(fd: int) -> None:
    _flock(fd, fcntl.LOCK_UN)
