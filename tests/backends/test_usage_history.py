"""Usage hour by hour: sampled once, read by day where it is long, begun anew where it is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage_service.app.backends.usage_history import HOUR_MS, KEPT_HOURS, TOTAL, UsageHistory
from tests.support.changing import NOW
from tests.support.store import Store


@pytest.fixture
def history(store: Store) -> UsageHistory:
    return UsageHistory(str(store.layout.usage_history))


def test_an_hour_is_sampled_once_for_every_bucket_and_all(store: Store, history: UsageHistory) -> None:
    first, second = store.bucket("first"), store.bucket("second")
    store.put(first.id, "a", b"12345")
    assert history.sample(store.settling, NOW)
    store.put(second.id, "b", b"123")
    assert not history.sample(store.settling, NOW + 1)
    # Another process, as after a restart of the jobs: the hour has its sample already.
    UsageHistory(str(store.layout.usage_history)).sample(store.settling, NOW + 2)
    assert history.sample(store.settling, NOW + HOUR_MS)

    def kept(bucket: str) -> list[tuple[int, int]]:
        return [(sample.usage.objects, sample.usage.bytes) for sample in history.read(bucket, 0, HOUR_MS)]

    assert kept(first.uuid) == [(1, 5), (1, 5)]
    assert kept(second.uuid) == [(0, 0), (1, 3)]
    assert kept(TOTAL) == [(1, 5), (2, 8)]
    assert kept("none") == []


def test_a_long_time_has_one_sample_a_day_and_the_oldest_go(store: Store, history: UsageHistory) -> None:
    store.bucket()
    start = NOW - NOW % (24 * HOUR_MS)
    for hour in range(72):
        history.sample(store.settling, start + hour * HOUR_MS)
    now = start + 71 * HOUR_MS
    assert len(history.read(TOTAL, start, now)) == 72
    assert len(history.read(TOTAL, now - 2 * HOUR_MS, now)) == 3
    days = history.read(TOTAL, now - 90 * 24 * HOUR_MS, now)
    assert [(sample.at_ms - start) // HOUR_MS for sample in days] == [23, 47, 71]
    history.sample(store.settling, start + (KEPT_HOURS + 70) * HOUR_MS)
    left = history.read(TOTAL, now - 5 * HOUR_MS, now)
    assert [(sample.at_ms - start) // HOUR_MS for sample in left] == [70, 71, KEPT_HOURS + 70]


def test_where_there_is_no_history_there_are_no_samples(history: UsageHistory) -> None:
    assert history.read(TOTAL, 0, NOW) == []


@pytest.mark.parametrize("damage", [b"no database at all" * 100, b""])
def test_a_damaged_history_begins_anew(store: Store, history: UsageHistory, damage: bytes) -> None:
    store.bucket()
    history.sample(store.settling, NOW)
    Path(store.layout.usage_history).write_bytes(damage)
    assert history.read(TOTAL, 0, NOW) == []
    assert history.sample(store.settling, NOW + HOUR_MS)
    assert len(history.read(TOTAL, 0, NOW)) == 1
