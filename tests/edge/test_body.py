import asyncio
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_service.app.core.errors import EntityTooLarge, IncompleteBody, InvalidArgument
from storage_service.app.edge.body import (
    FLOOR_CHUNK_BYTES,
    MAX_CHUNK_BYTES,
    TIGHT_CHUNK_BYTES,
    Body,
    Budget,
    body_of,
    read_whole,
)
from storage_service.app.edge.request import Message, Request
from tests.edge.asgi import LEAVES, Client, request

KIB = 1024


def upload(chunks: list[bytes | object], length: int | None = None) -> Request:
    headers = [] if length is None else [("content-length", str(length))]
    return request("PUT", headers=headers, client=Client(chunks))


async def collect(body: Body) -> list[bytes]:
    return [chunk async for chunk in body]


@given(st.lists(st.binary(max_size=40), max_size=20), st.integers(0, 200))
def test_read_small_and_iteration_lose_no_byte(chunks: list[bytes], limit: int) -> None:
    async def run() -> None:
        whole = b"".join(chunks)
        body = body_of(upload([*chunks]), budget=Budget())
        small = await body.read_small(limit)
        if len(whole) <= limit:
            assert small == whole
        else:
            assert small is None
            assert whole.startswith(body.head)
            assert len(body.head) > limit
            assert b"".join(await collect(body)) == whole

    asyncio.run(run())


async def test_whole_chunks_are_joined_to_at_most_one_mebibyte() -> None:
    sizes = [len(c) for c in await collect(body_of(upload([bytes(60_000)] * 40), budget=Budget()))]
    assert sizes == [17 * 60_000, 17 * 60_000, 6 * 60_000]


@pytest.mark.parametrize("size", [700_000, 20, 20_000])
async def test_small_body_may_have_more_than_one_mebibyte(size: int) -> None:
    whole = bytes(range(256)) * 8 * KIB  # two of them
    chunks = [whole[at : at + size] for at in range(0, len(whole), size)]
    assert await body_of(upload([*chunks])).read_small(len(whole)) == whole
    assert await body_of(upload([*chunks])).read_small(len(whole) - 1) is None
    body = body_of(upload([*chunks]))
    assert await body.read_small(3 * MAX_CHUNK_BYTES // 2) is None
    assert b"".join(await collect(body)) == whole


@given(
    st.lists(
        st.sampled_from([1, 7, FLOOR_CHUNK_BYTES - 1, FLOOR_CHUNK_BYTES, 250_000, 2 * MAX_CHUNK_BYTES + 3]), max_size=8
    )
)
def test_chunks_of_any_sizes_are_joined_without_loss(sizes: list[int]) -> None:
    chunks = [bytes([number % 251]) * size for number, size in enumerate(sizes)]
    joined = asyncio.run(collect(body_of(upload([*chunks]), budget=Budget())))
    assert b"".join(joined) == b"".join(chunks)
    assert all(len(chunk) <= MAX_CHUNK_BYTES for chunk in joined)
    assert all(len(a) + len(b) > MAX_CHUNK_BYTES for a, b in pairwise(joined))


async def test_larger_asgi_chunks_are_cut_to_one_mebibyte() -> None:
    whole = bytes(range(256)) * 10 * KIB
    chunks = await collect(body_of(upload([whole]), budget=Budget()))
    assert max(map(len, chunks)) == MAX_CHUNK_BYTES
    assert b"".join(chunks) == whole


@pytest.mark.parametrize(
    ("taken", "flushed"),
    [(0, MAX_CHUNK_BYTES), (600_000, TIGHT_CHUNK_BYTES), (2_000_000, FLOOR_CHUNK_BYTES)],
)
async def test_chunks_get_shorter_when_the_budget_is_tight(taken: int, flushed: int) -> None:
    budget = Budget(1_000_000_000)
    budget.taken = taken * 1000
    body = body_of(upload([bytes(KIB)] * 2048), budget=budget)
    assert len(await anext(body)) == flushed


async def test_budget_holds_a_chunk_until_the_next_and_is_given_back_at_the_end() -> None:
    budget = Budget()
    body = body_of(upload([bytes(MAX_CHUNK_BYTES), b"rest"]), budget=budget)
    await anext(body)
    assert budget.taken == MAX_CHUNK_BYTES
    await anext(body)
    assert budget.taken == 4
    assert await collect(body) == []
    assert budget.taken == 0


async def test_a_chunk_that_may_wait_for_the_disk_counts_while_the_next_is_gathered() -> None:
    budget, seen = Budget(), []
    parts = iter([bytes(MAX_CHUNK_BYTES), bytes(MAX_CHUNK_BYTES // 2), bytes(MAX_CHUNK_BYTES // 2), b""])

    async def source() -> bytes:
        seen.append(budget.taken)
        return next(parts)

    body = Body(source, budget=budget)
    await anext(body)
    await anext(body)
    assert seen == [0, MAX_CHUNK_BYTES, 3 * MAX_CHUNK_BYTES // 2]
    assert budget.taken == MAX_CHUNK_BYTES


async def test_budget_is_given_back_by_close_and_by_a_dropped_body() -> None:
    budget = Budget()
    closed = body_of(upload([b"abc", b"d"]), budget=budget)
    dropped = body_of(upload([b"abc", b"d"]), budget=budget)
    await anext(closed)
    await anext(dropped)
    assert budget.taken == 8
    closed.close()
    assert budget.taken == 4
    del dropped
    assert budget.taken == 0
    assert await collect(closed) == []


@pytest.mark.parametrize(("chunks", "length"), [([b"abc", LEAVES], None), ([b"abc"], 4), ([LEAVES], 0), ([b""], 1)])
async def test_cut_body_is_incomplete(chunks: list[bytes | object], length: int | None) -> None:
    with pytest.raises(IncompleteBody):
        await collect(body_of(upload(chunks, length)))
    with pytest.raises(IncompleteBody):
        await read_whole(upload(chunks, length), 100)


@pytest.mark.parametrize("chunks", [[b"abc", b"de", LEAVES], [b"abc", b"de"]])
async def test_cut_body_may_be_kept_with_what_arrived(chunks: list[bytes | object]) -> None:
    body = body_of(upload(chunks, 9), keep_broken=True)
    assert await collect(body) == [b"abcde"]
    assert isinstance(body.broken, IncompleteBody)
    assert body.size == 5


async def test_more_bytes_than_announced_are_refused() -> None:
    with pytest.raises(InvalidArgument):
        await collect(body_of(upload([b"abc"], 2)))


async def test_too_large_body_is_refused_unread_if_announced_and_at_the_limit_if_not() -> None:
    with pytest.raises(EntityTooLarge):
        body_of(upload([], 11), 10)
    body = body_of(upload([b"x" * 6, b"x" * 5, b"never read", b""]), 10)
    with pytest.raises(EntityTooLarge):
        await collect(body)
    assert body.size == 11
    assert await read_whole(upload([b"x" * 6, b"x" * 4], 10), 10) == b"x" * 10
    with pytest.raises(EntityTooLarge):
        await read_whole(upload([b"x" * 6, b"x" * 5]), 10)


class Slow:
    """A client that sends 20-byte chunks up to a size, then stalls."""

    def __init__(self, size: int) -> None:
        self._left = size // 20

    async def receive(self) -> Message:
        if not self._left:
            await asyncio.Event().wait()
        self._left -= 1
        return {"type": "http.request", "body": bytes(bytearray(20)), "more_body": True}


def peak_of(uploads: int, size: int, budget: Budget) -> int:
    """Bytes held at most while that many uploads stall after `size` bytes each."""

    async def one() -> None:
        slow = Slow(size)
        scope = {"method": "PUT", "headers": []}
        async for _ in body_of(Request(scope, slow.receive, Client().send), budget=budget):
            pass

    async def all_of_them() -> None:
        tasks = [asyncio.ensure_future(one()) for _ in range(uploads)]
        await asyncio.wait(tasks, timeout=0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    tracemalloc.start()
    try:
        asyncio.run(all_of_them())
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.ci
def test_many_stalled_uploads_stay_within_the_budget() -> None:
    """40 uploads of 60 KiB in 20-byte chunks under 256 KiB: at most 16 KiB each beyond it."""
    budget = Budget(256 * KIB)
    peak = peak_of(40, 60 * KIB, budget)
    allowed = budget.total + 40 * FLOOR_CHUNK_BYTES
    assert peak < 1.5 * allowed + 40 * 12 * KIB  # bytearrays grow ahead; tasks cost a few KiB
    assert budget.taken == 0
