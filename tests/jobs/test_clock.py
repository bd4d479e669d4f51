"""The service clock: steps are followed, jumps delete nothing, and a new time is believed once it has lasted."""

from __future__ import annotations

import pytest

from storage_service.app.jobs.clock import JUMP_MS, SETTLED_MS, ServiceClock

START_MS = 1_700_000_000_000
DAY_MS = 86_400_000


class Times:
    """A wall clock and a monotonic one, moved by hand."""

    def __init__(self) -> None:
        self.wall_ms, self.monotonic = START_MS, 1000.0
        self.clock = ServiceClock(lambda: self.wall_ms, lambda: self.monotonic)

    def pass_by(self, ms: int) -> None:
        self.wall_ms += ms
        self.monotonic += ms / 1000

    def jump(self, ms: int) -> None:
        self.wall_ms += ms


def test_undisturbed_it_is_the_wall_clock() -> None:
    times = Times()
    for ms in (1, 999, DAY_MS):
        times.pass_by(ms)
        assert not times.clock.paused()
        assert times.clock.now_ms == times.wall_ms


@pytest.mark.parametrize("step", [1, -1, JUMP_MS, -JUMP_MS, 27_000])
def test_small_step_is_followed(step: int) -> None:
    times = Times()
    times.jump(step)
    assert not times.clock.paused()
    assert times.clock.now_ms == times.wall_ms


JUMPS = [JUMP_MS + 1, -JUMP_MS - 1, 3_600_000, -3_600_000, DAY_MS, -DAY_MS, 3650 * DAY_MS]


@pytest.mark.parametrize("jump", JUMPS)
def test_jump_pauses_and_time_goes_on_by_itself(jump: int) -> None:
    times = Times()
    times.jump(jump)
    assert times.clock.paused()
    times.pass_by(5000)
    assert times.clock.paused()
    assert times.clock.now_ms == START_MS + 5000


@pytest.mark.parametrize("jump", JUMPS)
def test_jump_back_ends_the_pause_at_once(jump: int) -> None:
    times = Times()
    times.jump(jump)
    assert times.clock.paused()
    times.pass_by(60_000)
    times.jump(-jump)
    assert not times.clock.paused()
    assert times.clock.now_ms == times.wall_ms


@pytest.mark.parametrize("jump", JUMPS)
def test_time_that_has_lasted_is_believed(jump: int) -> None:
    times = Times()
    times.jump(jump)
    assert times.clock.paused()
    times.pass_by(SETTLED_MS - 1)
    assert times.clock.paused()
    times.pass_by(1)
    assert not times.clock.paused()
    assert times.clock.now_ms == times.wall_ms


def test_clock_that_keeps_jumping_is_never_believed() -> None:
    times = Times()
    for number in range(20):
        times.jump(DAY_MS * (1 if number % 2 else 2))
        assert times.clock.paused()
        times.pass_by(SETTLED_MS // 2)
    assert times.clock.now_ms == START_MS + 20 * (SETTLED_MS // 2)


def test_drift_is_followed_however_far_it_leads() -> None:
    times = Times()
    for _ in range(100):
        times.pass_by(3_600_000)
        times.jump(JUMP_MS // 2)
        assert not times.clock.paused()
    assert times.clock.now_ms == times.wall_ms
