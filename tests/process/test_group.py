"""Who belongs to a service, and what its first member finds and leaves."""

import os
from pathlib import Path

import pytest

from storage_service.app.backends.volume import Layout, VolumeRefused, open_volume
from storage_service.app.group import join


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    open_volume(tmp_path, None)
    return Layout(tmp_path)


def test_only_members_of_the_first_ones_group_come_in(layout: Layout) -> None:
    first, second = join(layout, "ours"), join(layout, "ours")
    assert (first.first, second.first) == (True, False)
    with pytest.raises(VolumeRefused, match=f"already served by another process .pid {os.getpid()}"):
        join(layout, "another's")
    os.close(first.descriptor)
    os.close(second.descriptor)
    third = join(layout, "another's")
    assert third.first
    os.close(third.descriptor)


def test_counters_of_workers_that_died_last_as_long_as_the_service(layout: Layout) -> None:
    layout.counters_of("1").write_text("{}")
    layout.counters_of("1").with_suffix(".new").write_text("{")
    first = join(layout, "ours")
    assert list(layout.run.glob("metrics-*")) == []
    layout.counters_of("2").write_text("{}")
    second = join(layout, "ours")
    assert list(layout.run.glob("metrics-*")) == [layout.counters_of("2")]
    os.close(first.descriptor)
    os.close(second.descriptor)
