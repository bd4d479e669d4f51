"""Two buckets in dictionaries, and what a change does there."""

from typing import Any

import orjson

from storage_service.app.core.changes import (
    Change,
)
from storage_service.app.core.errors import (
    NothingToMatch,
    PreconditionFailed,
    StorageError,
)
from storage_service.app.core.objects import Version
from tests.support.changing import NOW, create
from tests.support.rows import MemoryRows

A, B = 1, 2


def world(**options: Any) -> MemoryRows:
    """Bucket 1 as asked for, bucket 2 plain."""
    rows = MemoryRows()
    rows.commit(create("photos", **options), NOW)
    rows.commit(create("other"), NOW)
    return rows


def stored(rows: MemoryRows, change: Change, now_ms: int = NOW) -> Version:
    version = rows.commit(change, now_ms).version
    assert version is not None
    return version


def refused(rows: MemoryRows, change: Change, now_ms: int = NOW) -> type[StorageError]:
    """The error; that nothing was written is looked at."""
    before = orjson.dumps([str(rows.__dict__)])
    outcome = rows.try_commit(change, now_ms)
    assert isinstance(outcome, type), outcome
    assert orjson.dumps([str(rows.__dict__)]) == before
    return PreconditionFailed if outcome is NothingToMatch else outcome  # S3 alone tells them apart
