"""`storage adopt`: plain files become objects. Those of a SelfDB directory, or what was dropped into a bucket's.

With a service running or without; the directory may be STORAGE_PATH itself, before its first start too.
"""

import contextlib
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from storage_service.app.backends import shared as words
from storage_service.app.backends.adoption import Adoption, Described, Options, Result
from storage_service.app.backends.bringing import is_inside
from storage_service.app.backends.foreign_files import SELFDB, Foreign, Skipped, is_own, walk
from storage_service.app.backends.recovery import settle_all
from storage_service.app.backends.view import has_reflinks
from storage_service.app.backends.volume import LEFTOVERS, VolumeRefused, open_volume
from storage_service.app.core.changes import CreateBucket
from storage_service.app.core.config import Settings
from storage_service.app.core.decision import Moment
from storage_service.app.core.errors import InvalidBucketName
from storage_service.app.core.objects import (
    Attributes,
    Bucket,
    BucketOptions,
    check_bucket_name,
    new_id,
    now_ms,
)
from storage_service.app.core.security import SERVICE
from storage_service.app.edge.mime import detect
from storage_service.app.edge.names import content_disposition
from storage_service.app.keeping import Keeper, Plan, make_keeper
from storage_service.app.process.admin import (
    Refused,
    alone,
    await_settled,
    check_ready,
    is_served,
    load_settings,
    open_store,
)
from storage_service.app.process.recover import recover
from storage_service.app.process.selfdb_tables import Named, Table, made_ms, read_selfdb, read_table
from storage_service.app.wiring import make_staging, plan_of

ADOPTED = "adopted"  # below the service's own directory: what SelfDB said of buckets that lie in place
MOST_NAMED = 10_000  # files that the report names
SETTLED_SECONDS = 30.0


class NewBucket(NamedTuple):
    """How a bucket is made that is not there and of which SelfDB says nothing. No owner = the service itself."""

    name: str
    public: bool = False
    owner: str = ""


class Wanted(NamedTuple):
    """What to adopt. `source` None = STORAGE_PATH itself. `buckets`: only these. `names`: a table of the backend's."""

    source: Path | None = None
    buckets: Sequence[NewBucket] = ()
    link: bool = False
    dry_run: bool = False
    names: Path | None = None


Progress = Callable[[int], None]


def adopt(wanted: Wanted, progress: Progress) -> dict[str, Any]:
    """A record of what was done, or with `dry_run` would be: `buckets` with a count of each outcome, `left` alone.

    Raises: Refused.
    """
    settings = load_settings()
    root = settings.storage_path
    source = (wanted.source or root).absolute()
    if not source.is_dir():
        raise Refused(f"{source} is not a directory")
    in_place = root.exists() and source.samefile(root)
    if not in_place and is_inside(str(source), str(root)):
        raise Refused(f"{source} lies in the store: leave the directory out to adopt what was dropped there")
    table = read_table(wanted.names) if wanted.names else {}
    with _store(settings, dry_run=wanted.dry_run) as plan, _keeper(plan) as keeper:
        try:
            return _Run(plan, keeper, source, wanted, table, progress).run(in_place=in_place)
        except OSError as error:
            raise Refused(f"{error.filename or source}: {error.strerror}; run it again to go on") from None
        except apsw.Error as error:
            raise Refused(f"the catalog refuses: {error}; run it again to go on") from None


@contextlib.contextmanager
def _store(settings: Settings, *, dry_run: bool) -> Iterator[Plan]:
    """The store, made where there is none yet; for a dry run an empty one elsewhere. Raises: Refused."""
    plan = plan_of(settings)
    if plan.layout.identity.exists():
        yield open_store()[0]
        return
    with tempfile.TemporaryDirectory() as elsewhere:
        plan = replace(plan, root=elsewhere, first_buckets=[]) if dry_run else plan
        try:
            open_volume(plan.layout.root, None if dry_run else settings.storage_id)
        except VolumeRefused as error:
            raise Refused(str(error)) from None
        yield plan


@contextlib.contextmanager
def _keeper(plan: Plan) -> Iterator[Keeper]:
    """What commits; everything is settled in the end."""
    layout = plan.layout
    if is_served(layout):
        check_ready(layout)
        keeper = make_keeper(plan)
        try:
            yield keeper
            await_settled(layout, SETTLED_SECONDS)
        finally:
            keeper.close()
        return
    with alone(layout) as shared:
        keeper = recover(plan, shared)
        try:
            yield keeper
            settle_all(keeper.catalog, keeper.settler, shared)
            keeper.catalog.checkpoint()
        finally:
            keeper.close()


class _Run:
    """One adoption, bucket by bucket."""

    def __init__(
        self, plan: Plan, keeper: Keeper, source: Path, wanted: Wanted, table: Table, progress: Progress
    ) -> None:
        self._plan = plan
        self._keeper = keeper
        self._source = source
        self._wanted = wanted
        self._table = table
        self._progress = progress
        self._reflinks = has_reflinks(str(plan.layout.run), keeper.disk)
        self._asked = {bucket.name: bucket for bucket in wanted.buckets}
        self._seen = 0
        self._left: list[Skipped] = []

    def run(self, *, in_place: bool) -> dict[str, Any]:
        done = {}
        with _staging(self._keeper) as staging:
            for name in self._names(in_place=in_place):
                said = read_selfdb(self._source / name)
                bucket, is_new = self._bucket(name, said)
                counts = self._adopt(bucket, staging, in_place=in_place)
                done[name] = {"new": is_new, "owner": bucket.owner, "public": bucket.options.public, **counts}
                if in_place and not self._wanted.dry_run and not counts.keys() & {"changed", "refused", "unreadable"}:
                    self._put_aside(name)
        left = [skipped._asdict() for skipped in self._left[:MOST_NAMED]]
        return {"dry_run": self._wanted.dry_run, "buckets": done, "left": left}

    def _names(self, *, in_place: bool) -> list[str]:
        """Directories that are buckets, or will be. In STORAGE_PATH only those that somebody says are."""
        known = {bucket.name for bucket in self._keeper.catalog.open_buckets().values()}
        names = []
        for path in sorted(self._source.iterdir()):
            if path.name in LEFTOVERS or path.is_symlink() or not path.is_dir():
                continue
            if self._asked and path.name not in self._asked:
                continue
            said = path.name in known or path.name in self._asked or (path / SELFDB).is_file()
            if in_place and not said:
                self._leave(path.name, "", "no bucket; name it with --bucket to make it one")
                continue
            try:
                names.append(check_bucket_name(path.name))
            except InvalidBucketName as error:
                self._leave(path.name, "", error.detail)
        for name in self._asked.keys() - {*names, *(left.bucket for left in self._left)}:
            self._leave(name, "", "there is no such directory")
        return names

    def _leave(self, bucket: str, key: str, reason: str) -> None:
        self._left.append(Skipped(bucket, key, reason))

    def _bucket(self, name: str, said: dict[str, Any]) -> tuple[Bucket, bool]:
        """The bucket, made if it is not there; with `dry_run` as it would be."""
        found = self._find(name)
        if found is not None:
            return found, False
        at_ms = min(made_ms(said) or now_ms(), now_ms())
        asked = self._asked.get(name, NewBucket(name))
        owner = str(said.get("owner_id") or asked.owner or SERVICE.subject)
        options = BucketOptions(public=bool(said.get("is_public", asked.public)))
        uuid = next((row.bucket_id for (bucket, _), row in self._table.items() if bucket == name and row.bucket_id), "")
        change = CreateBucket(name, uuid or new_id(), owner, options, "adopt", at_ms)
        if self._wanted.dry_run:
            return Bucket(0, change.uuid, name, owner, 1, at_ms, at_ms, options), True
        rows = self._keeper.catalog.apply([change], lambda sequence: Moment(now_ms(), sequence, self._plan.keeping))
        self._committed(rows, buckets=True)
        found = self._find(name)
        if found is None:
            raise Refused(f"Bucket {name} cannot be made: one of that name is being deleted; run it again")
        return found, True

    def _find(self, name: str) -> Bucket | None:
        return next((one for one in self._keeper.catalog.open_buckets().values() if one.name == name), None)

    def _committed(self, rows: int, *, buckets: bool = False) -> None:
        """Tell the service, if one runs: it settles, and reads the buckets anew."""
        with self._keeper.catalog.held():
            self._keeper.shared.add(words.COMMITTED_ROWS, rows)
            if buckets:
                self._keeper.shared.add(words.BUCKETS, 1)

    def _adopt(self, bucket: Bucket, staging: str, *, in_place: bool) -> Counter[str]:
        keeper = self._keeper

        def describe(key: str, first: bytes) -> Described:
            return self._describe(bucket, key, first)

        options = Options(self._wanted.link, in_place, self._wanted.dry_run, describe, self._committed)
        adoption = Adoption(keeper.catalog, keeper.blobs, keeper.view, staging, options)
        counts: Counter[str] = Counter()
        for result in adoption.run(bucket, self._files(bucket, counts, in_place=in_place), self._plan.keeping):
            self._count(bucket, result, counts)
        return counts

    def _files(self, bucket: Bucket, counts: Counter[str], *, in_place: bool) -> Iterable[Foreign]:
        for found in walk(str(self._source / bucket.name), bucket.name):
            if isinstance(found, Skipped):
                self._left.append(found)
                counts["skipped"] += 1
            elif not (
                in_place and is_own(found, bucket, self._keeper.catalog, self._keeper.blobs, reflinks=self._reflinks)
            ):
                yield found

    def _count(self, bucket: Bucket, result: Result, counts: Counter[str]) -> None:
        counts[result.outcome] += 1
        if result.outcome == "adopted":
            counts["bytes"] += result.file.size
        elif result.outcome != "there":
            self._leave(bucket.name, result.file.key, REASONS[result.outcome])
        self._seen += 1
        self._progress(self._seen)

    def _describe(self, bucket: Bucket, key: str, first: bytes) -> Described:
        row = self._table.get((bucket.name, key), Named("", "", "", "", ""))
        attributes = Attributes(
            detect(row.content_type or None, row.filename or key, first), owner=row.owner or bucket.owner
        )
        if row.filename and row.filename != key.rpartition("/")[2]:
            attributes = attributes._replace(
                content_disposition=content_disposition("attachment", row.filename).decode()
            )
        return Described(attributes, row.file_id or None)

    def _put_aside(self, name: str) -> None:
        """Once all is said in the bucket's own sidecar, SelfDB's word would be a stranger among its files."""
        source = self._source / name / SELFDB
        if source.is_file() and not source.is_symlink():
            place = self._plan.layout.service / ADOPTED
            place.mkdir(exist_ok=True, mode=0o700)
            source.rename(place / f"{name}{SELFDB}")


REASONS = {
    "conflict": "its key holds other bytes; `storage check --accept` makes a new version of a newer file",
    "changed": "it was being written to; run it again",
    "refused": "the bucket's limits refuse it, or somebody uploaded its key meanwhile",
    "unreadable": "this user may not read it",
}


@contextlib.contextmanager
def _staging(keeper: Keeper) -> Iterator[str]:
    name = f"adopt-{os.getpid()}"
    staging, lock = make_staging(keeper.layout, name)
    try:
        yield str(staging)
    finally:
        keeper.disk.remove_dir(str(staging))
        (keeper.layout.run / f"worker-{name}.lock").unlink(missing_ok=True)
        os.close(lock)
