"""Threads for calls that block: results, errors, calls nobody waits for any more."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator

import pytest

from storage_service.app.core.lanes import Lane


@pytest.fixture
def lane() -> Iterator[Lane]:
    made = Lane("test", 2)
    yield made
    made.close()


async def test_each_call_gets_its_own_result_or_error(lane: Lane) -> None:
    calls = [lane.run(int, text) for text in ("1", "no", "3")]
    first, second, third = await asyncio.gather(*calls, return_exceptions=True)
    assert (first, third) == (1, 3)
    assert isinstance(second, ValueError)


async def test_calls_run_on_threads_of_the_lane_and_never_on_the_loop(lane: Lane) -> None:
    names = await asyncio.gather(*(lane.run(lambda: threading.current_thread().name) for _ in range(20)))
    assert {name.rpartition("-")[0] for name in names} == {"test"}


async def test_call_that_nobody_waits_for_does_not_disturb_its_neighbours(lane: Lane) -> None:
    gone, stays = lane.run(str, 1), lane.run(str, 2)
    gone.cancel()
    assert await stays == "2"
    assert gone.cancelled()


async def test_lane_goes_on_while_one_of_its_threads_is_busy(lane: Lane) -> None:
    go = threading.Event()
    slow = lane.run(go.wait, 30)
    await asyncio.sleep(0)
    assert await asyncio.wait_for(asyncio.shield(lane.run(str, 1)), 10) == "1"
    go.set()
    assert await slow


async def test_error_of_a_call_in_the_background_is_logged(lane: Lane, caplog: pytest.LogCaptureFixture) -> None:
    done = threading.Event()

    def fail() -> None:
        done.set()
        raise OSError("disk on fire")

    with caplog.at_level(logging.WARNING):
        lane.spawn(fail)
        while "disk on fire" not in caplog.text:
            await asyncio.sleep(0.001)
    assert done.is_set()


async def test_what_was_handed_over_is_done_before_the_threads_end() -> None:
    lane = Lane("test", 1)
    ran: list[int] = []
    for number in range(50):
        lane.spawn(ran.append, number)
    await asyncio.sleep(0)
    lane.close()
    assert sorted(ran) == list(range(50))
