"""Chunks of a body: hashed and written side by side, in order, one at a time."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Iterator

import pytest

from storage_service.app.core.absorb import APART_BYTES, Absorber, Lanes, lanes

LARGE = bytes(range(256)) * (APART_BYTES // 256)


@pytest.fixture
def two() -> Iterator[Lanes]:
    made = lanes("test", 4)
    yield made
    made.close()


class Hash:
    """What was hashed; waits for `may`, and says when it has begun."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.began, self.may = threading.Event(), threading.Event()
        self.may.set()

    def update(self, chunk: bytes, /) -> None:
        self.began.set()
        assert self.may.wait(5)
        self.seen.append(chunk)


class File(Hash):
    def write(self, data: bytes, /) -> None:
        self.update(data)


class Full(File):
    def write(self, data: bytes, /) -> None:
        raise OSError(28, "no space")


@pytest.mark.parametrize("length", [1, APART_BYTES - 1, APART_BYTES])
async def test_chunks_come_in_order_to_both(two: Lanes, length: int) -> None:
    chunks = [bytes([number]) * length for number in range(20)]
    hashed, written = Hash(), File()
    absorber = Absorber(two, hashed, written)
    for chunk in chunks:
        await absorber.take(chunk)
    await absorber.done()
    assert hashed.seen == written.seen == chunks


async def test_a_large_chunk_is_written_while_it_is_hashed_and_the_next_is_read(two: Lanes) -> None:
    hashed, written = Hash(), File()
    hashed.may.clear()
    absorber = Absorber(two, hashed, written)
    await absorber.take(LARGE)  # returns although nothing is done
    assert await asyncio.to_thread(written.began.wait, 5)
    assert not hashed.seen
    following = asyncio.ensure_future(absorber.take(LARGE))
    await asyncio.sleep(0.05)
    assert not following.done()  # one chunk at a time
    hashed.may.set()
    await following
    await absorber.done()
    assert len(hashed.seen) == len(written.seen) == 2


@pytest.mark.parametrize("length", [1, APART_BYTES])
async def test_the_error_of_a_chunk_is_told_before_the_next_is_taken(two: Lanes, length: int) -> None:
    hashed = Hash()
    absorber = Absorber(two, hashed, Full())
    await absorber.take(bytes(length))
    with pytest.raises(OSError, match="no space"):
        await absorber.take(bytes(length))
    await absorber.done()
    assert len(hashed.seen) == 1  # the second was not begun


async def test_done_may_be_asked_at_any_time(two: Lanes) -> None:
    digest = hashlib.sha256()
    absorber = Absorber(two, digest, File())
    await absorber.done()
    await absorber.take(LARGE)
    await absorber.done()
    await absorber.done()
    assert digest.digest() == hashlib.sha256(LARGE).digest()


@pytest.mark.filterwarnings("error")
async def test_the_error_of_a_body_that_was_given_up_is_nobodys(two: Lanes) -> None:
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    absorber = Absorber(two, Hash(), Full())
    await absorber.take(LARGE)
    await asyncio.sleep(0.05)
    del absorber
    await asyncio.sleep(0)
    assert told == []
