"""The ring of last records: in order, never torn, and honest about what was missed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage_service.app.backends.ring import FILE_BYTES, MOST_BYTES, SLOTS, RingReader, RingWriter


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "ring")


@pytest.fixture
def writer(path: str) -> Iterator[RingWriter]:
    writer = RingWriter(path)
    yield writer
    writer.close()


def test_what_was_written_is_read_once_and_in_order(path: str, writer: RingWriter) -> None:
    reader = RingReader(path)
    assert reader.take() == ([], 0)
    writer.write(b"a")
    writer.write(b"b" * MOST_BYTES)
    writer.write(b"")
    assert reader.take() == ([b"a", b"b" * MOST_BYTES, b""], 0)
    assert reader.take() == ([], 0)
    writer.write(b"c")
    assert reader.take() == ([b"c"], 0)
    assert RingReader(path).take().records[-1] == b"c"  # another one reads from the oldest


def test_what_is_too_long_is_left_out(path: str, writer: RingWriter) -> None:
    writer.write(b"x" * (MOST_BYTES + 1))
    assert RingReader(path).take() == ([], 0)


def test_a_slow_reader_is_told_how_many_it_missed(path: str, writer: RingWriter) -> None:
    reader = RingReader(path)
    for number in range(SLOTS + 10):
        writer.write(b"%d" % number)
    taken = reader.take()
    assert taken.missed == 10
    assert taken.records == [b"%d" % number for number in range(10, SLOTS + 10)]


def test_a_new_writer_never_shrinks_what_is_mapped(path: str, writer: RingWriter) -> None:
    writer.write(b"old")
    reader = RingReader(path)
    again = RingWriter(path)
    again.write(b"new")
    assert reader.take().records == [b"old"]
    assert RingReader(path).take().records == [b"new"]
    again.close()


def test_a_file_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(bytes(FILE_BYTES - 1))
    with pytest.raises(ValueError, match="length"):
        RingReader(str(tmp_path / "short"))
    with pytest.raises(FileNotFoundError):
        RingReader(str(tmp_path / "none"))


def test_no_record_is_torn_while_it_is_written_over(path: str, writer: RingWriter) -> None:
    reader, done = RingReader(path), threading.Event()

    def write() -> None:
        for number in range(30_000):
            writer.write(b"%d," % number * 20)
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    seen = missed = 0
    while True:
        ended = done.is_set()
        taken = reader.take()
        for record in taken.records:
            assert len(set(record.split(b",")[:-1])) == 1, record
        seen, missed = seen + len(taken.records), missed + taken.missed
        if ended:
            break
    thread.join()
    assert seen + missed == 30_000
    assert seen >= SLOTS
