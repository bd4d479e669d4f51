"""Calls that keep the GIL: they answer right, or leave it to the ordinary way."""

import fcntl
import os
import threading
from pathlib import Path

import pytest

from storage_service.app.backends import quick


def written(path: Path, body: bytes) -> int:
    path.write_bytes(body)
    return path.stat().st_mtime_ns


@pytest.mark.parametrize("size", [1, 4096, quick.MOST_BYTES])
def test_file_just_written_is_read_whole(tmp_path: Path, size: int) -> None:
    body = os.urandom(size)
    mtime_ns = written(tmp_path / "blob", body)
    assert quick.read_cached(str(tmp_path / "blob"), size, mtime_ns) == body


def test_what_is_not_the_file_that_was_written_is_left_to_the_ordinary_way(tmp_path: Path) -> None:
    mtime_ns = written(tmp_path / "blob", b"four")
    (tmp_path / "link").symlink_to(tmp_path / "blob")
    (tmp_path / "folder").mkdir()
    folder = (tmp_path / "folder").stat()
    for name, size, time_ns in (
        ("blob", 3, mtime_ns),
        ("blob", 4, mtime_ns + 1),
        ("blob", 4, None),
        ("link", 4, mtime_ns),
        ("absent", 4, mtime_ns),
        ("folder", folder.st_size, folder.st_mtime_ns),
    ):
        assert quick.read_cached(str(tmp_path / name), size, time_ns) is None, name


def test_empty_and_large_files_are_left_to_the_ordinary_way(tmp_path: Path) -> None:
    for size in (0, quick.MOST_BYTES + 1):
        assert quick.read_cached(str(tmp_path / "blob"), size, written(tmp_path / "blob", bytes(size))) is None


def test_name_that_is_no_ascii_is_read(tmp_path: Path) -> None:
    path = tmp_path / "größe-\udcff"
    assert quick.read_cached(str(path), 2, written(path, b"ok")) == b"ok"


def test_threads_do_not_share_a_buffer(tmp_path: Path) -> None:
    bodies = {str(tmp_path / str(number)): bytes([number]) * 40_000 for number in range(4)}
    times = {path: written(Path(path), body) for path, body in bodies.items()}
    wrong: list[str] = []

    def read(path: str) -> None:
        for _ in range(500):
            if quick.read_cached(path, 40_000, times[path]) != bodies[path]:
                wrong.append(path)

    threads = [threading.Thread(target=read, args=(path,)) for path in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_reading_leaves_no_descriptor_open(tmp_path: Path) -> None:
    mtime_ns = written(tmp_path / "blob", b"four")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for size in (4, 3):
        for _ in range(20):
            quick.read_cached(str(tmp_path / "blob"), size, mtime_ns)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_lock_waits_for_the_one_who_has_it(tmp_path: Path) -> None:
    ours, theirs = (os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT) for _ in range(2))
    fcntl.flock(theirs, fcntl.LOCK_EX)
    held = threading.Event()

    def take() -> None:
        quick.lock(ours)
        held.set()

    thread = threading.Thread(target=take)
    thread.start()
    assert not held.wait(0.1)
    fcntl.flock(theirs, fcntl.LOCK_UN)
    assert held.wait(5)
    thread.join()
    with pytest.raises(BlockingIOError):
        fcntl.flock(theirs, fcntl.LOCK_EX | fcntl.LOCK_NB)
    quick.unlock(ours)
    fcntl.flock(theirs, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(ours)
    os.close(theirs)


def test_lock_of_a_closed_descriptor_is_an_error() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        quick.lock(1 << 20)
