"""What may be asked of the store, as a closed union of frozen values. `core.commit.decide` says what each one does."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from storage_service.app.core.objects import (
    ANY_WRITE,
    Bucket,
    BucketOptions,
    Usage,
    Version,
    WriteConditions,
)


class PutVersion(NamedTuple):
    """A new version of a key. `draft` holds a fresh file id, used if the key has none; `body` None = a blob lies ready.

    `once` is a single-use id (of a signed link) that this commit uses up, `once_until_ms` when it may be forgotten.
    `promised`: the draft's file id was given away earlier, so that another file may bear it by now.
    """

    draft: Version
    body: bytes | None
    actor: str
    conditions: WriteConditions = ANY_WRITE
    once: str | None = None
    once_until_ms: int = 0
    promised: bool = False


class CopyVersion(NamedTuple):
    """A new version with the bytes of `source`, which must still be there as it was seen.

    `linked` says that the blob has been linked already; otherwise the body must still be in the journal.
    `move` ends the source in the same commit, if it is still the current version of its key.
    """

    source: Version
    draft: Version
    linked: bool
    actor: str
    conditions: WriteConditions = ANY_WRITE
    move: bool = False


class DeleteObject(NamedTuple):
    """End a key, or one version of it. `purge` skips the trash; `missing_ok` makes an absent key a success."""

    bucket: int
    key: str
    actor: str
    at_ms: int
    version_id: str | None = None
    marker_id: str = ""  # the id of the delete marker, where one is made
    conditions: WriteConditions = ANY_WRITE
    purge: bool = False
    missing_ok: bool = False


class PatchObject(NamedTuple):
    """Change what a version's sidecar says. `fields` replace the doc's; `metadata` given here is merged if `merge`."""

    bucket: int
    key: str
    fields: Mapping[str, Any]
    actor: str
    at_ms: int
    version_id: str | None = None
    merge: bool = False
    conditions: WriteConditions = ANY_WRITE


class CreateBucket(NamedTuple):
    name: str
    uuid: str
    owner: str
    options: BucketOptions
    actor: str
    at_ms: int


class UpdateBucket(NamedTuple):
    """Set some options; those not named keep their value."""

    bucket: int
    options: Mapping[str, Any]
    actor: str
    at_ms: int


class DeleteBucket(NamedTuple):
    """End a bucket; `force` takes its objects with it, into the trash."""

    bucket: int
    actor: str
    at_ms: int
    force: bool = False


class UseOnce(NamedTuple):
    """Use up a single-use id; refused where it has been used. Leaves no entry in the journal."""

    once: str
    until_ms: int


Change = UseOnce | PutVersion | CopyVersion | DeleteObject | PatchObject | CreateBucket | UpdateBucket | DeleteBucket


class Entry(NamedTuple):
    """One row of the journal: what settle owes and what the feed says. `victim` is the version this commit ended."""

    sequence: int
    at_ms: int
    bucket: int
    key: str | None
    version_id: str | None
    op: str
    actor: str
    doc: str
    victim: str | None = None


class BucketRow(NamedTuple):
    """A bucket to be written; `closed` ends it and frees its name."""

    bucket: Bucket
    closed: bool = False


@dataclass(slots=True)
class Writes:
    """What one change writes, all or nothing. Filled by `decide`, applied by a catalog in this order."""

    dropped_heads: list[tuple[int, str]] = field(default_factory=list)
    dropped_others: list[Version] = field(default_factory=list)
    heads: list[Version] = field(default_factory=list)
    others: list[Version] = field(default_factory=list)
    bodies: list[tuple[int, bytes]] = field(default_factory=list)
    body_copies: list[tuple[int, int]] = field(default_factory=list)
    usage: list[tuple[str, str, Usage]] = field(default_factory=list)
    buckets: list[BucketRow] = field(default_factory=list)
    once: list[tuple[str, int]] = field(default_factory=list)
    log: list[Entry] = field(default_factory=list)
    outcome: "Outcome | None" = None


class Outcome(NamedTuple):
    """What a committed change came to. `created` tells a first version of a key from an overwrite."""

    version: Version | None = None
    bucket: Bucket | None = None
    created: bool = False
