"""What may be asked of the store, as a closed union of frozen values. `core.commit.decide` says what each one does."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from storage_service.app.core.objects import (
    ANY_WRITE,
    Bucket,
    BucketOptions,
    Part,
    Upload,
    Usage,
    Version,
    WriteConditions,
    new_id,
    now_ms,
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
    bypass: bool = False  # of a lock in governance mode; the caller was found to be allowed to


class PatchObject(NamedTuple):
    """Change what a version's sidecar says. `fields` replace the doc's; `metadata` given here is merged if `merge`,
    `lock` always."""

    bucket: int
    key: str
    fields: Mapping[str, Any]
    actor: str
    at_ms: int
    version_id: str | None = None
    merge: bool = False
    conditions: WriteConditions = ANY_WRITE
    bypass: bool = False


class CreateBucket(NamedTuple):
    name: str
    uuid: str
    owner: str
    options: BucketOptions
    actor: str
    at_ms: int


class UpdateBucket(NamedTuple):
    """Set some options; those not named keep their value. `config` is merged by name, None takes a name out."""

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


class CreateUpload(NamedTuple):
    """Begin an upload in pieces. Its bucket must still be open. `once`: see PutVersion."""

    upload: Upload
    once: str | None = None
    once_until_ms: int = 0


class PutPart(NamedTuple):
    """A part lies ready on disk. `most_bytes` = the largest the whole may become; `expires_ms` of the upload now."""

    bucket: int
    part: Part
    most_bytes: int
    expires_ms: int


class AppendUpload(NamedTuple):
    """`size` bytes more of a resumable upload lie on disk, from `offset` on. `digest` and `length` stand then."""

    bucket: int
    upload: str
    offset: int
    size: int
    digest: str
    length: int | None
    expires_ms: int


class CompleteUpload(NamedTuple):
    """The upload's bytes lie ready as the blob of `draft`. `stamp`: the upload as it was when they were gathered."""

    upload: str
    stamp: int
    draft: Version
    actor: str
    conditions: WriteConditions = ANY_WRITE
    promised: bool = False


class EndUpload(NamedTuple):
    """Abort an upload. `stale_ms`: only if it expired by then (jobs)."""

    bucket: int
    upload: str
    at_ms: int
    stale_ms: int | None = None


UploadChange = CreateUpload | PutPart | AppendUpload | EndUpload
Change = (
    UploadChange
    | CompleteUpload
    | UseOnce
    | PutVersion
    | CopyVersion
    | DeleteObject
    | PatchObject
    | CreateBucket
    | UpdateBucket
    | DeleteBucket
)


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
    uploads: list[Upload] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    log: list[Entry] = field(default_factory=list)
    outcome: "Outcome | None" = None


class Outcome(NamedTuple):
    """What a committed change came to. `created` tells a first version of a key from an overwrite."""

    version: Version | None = None
    bucket: Bucket | None = None
    created: bool = False
    upload: Upload | None = None
    replaced: Part | None = None  # the attempt that a part's new one takes the place of


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """`bypass`: of a lock in governance mode; the door has asked whether the caller may."""

    version_id: str | None = None
    conditions: WriteConditions = ANY_WRITE
    purge: bool = False
    missing_ok: bool = False
    bypass: bool = False

    @property
    def asks_what_is_there(self) -> bool:
        """Whether what an origin still holds has a say."""
        return self.version_id is None and (not self.missing_ok or self.conditions is not ANY_WRITE)


@dataclass(frozen=True, slots=True)
class PatchOptions:
    """`merge`: metadata is merged into what is there, else it replaces it. `bypass`: as in `DeleteOptions`."""

    version_id: str | None = None
    merge: bool = False
    conditions: WriteConditions = ANY_WRITE
    bypass: bool = False


def end_of(bucket: Bucket, key: str, actor: str, options: DeleteOptions) -> DeleteObject:
    """The change that ends a key, or one version of it, now."""
    return DeleteObject(
        bucket.id,
        key,
        actor,
        now_ms(),
        options.version_id,
        new_id(),
        options.conditions,
        options.purge,
        options.missing_ok,
        options.bypass,
    )
