"""A store's directory without a service: rows are committed on the spot, passes are run by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from storage_service.app.backends import shared as words
from storage_service.app.backends.blobs import LocalBlobs
from storage_service.app.backends.catalog.reading import Reader
from storage_service.app.backends.catalog.rows import Transaction
from storage_service.app.backends.catalog.schema import connect, last_sequence
from storage_service.app.backends.catalog.settling import Progress, Settling
from storage_service.app.backends.disk import Disk
from storage_service.app.backends.garbage import Garbage
from storage_service.app.backends.rebuild import Rebuild, Report
from storage_service.app.backends.recovery import make_fresh
from storage_service.app.backends.settle import Pass, Settler, directory_of
from storage_service.app.backends.shared import Shared
from storage_service.app.backends.view import View
from storage_service.app.backends.volume import Layout, SettledNote, keep_settled, open_volume
from storage_service.app.core import sidecar
from storage_service.app.core.changes import Change, CopyVersion, Outcome
from storage_service.app.core.commit import decide
from storage_service.app.core.decision import Moment
from storage_service.app.core.errors import StorageError
from storage_service.app.core.objects import BlobName, Bucket, Found, Usage, Version
from tests.support.changing import NOW, create, put
from tests.support.rows import KEEPING, TRASH_MS


class Store:
    """A directory, its catalog, and what settles it. `disk` and `blob_root`: where the bytes are, if not there."""

    def __init__(self, root: Path, disk: Disk | None = None, blob_root: str | None = None) -> None:
        self.layout = Layout(root)
        self.disk = disk or Disk()
        self.blobs = LocalBlobs(blob_root or str(root), self.disk)
        open_volume(root, None)
        if not self.layout.catalog.exists():
            make_fresh(self.layout)
        self.open()

    def open(self) -> None:
        """Anew, as a start does; the shared words begin at zero."""
        self.shared = Shared.create(self.layout.shared)
        self.settling = Settling(str(self.layout.catalog), str(self.layout.commit_lock))
        self.reader = Reader(str(self.layout.catalog), "scratch")
        self._connection = connect(str(self.layout.catalog), "scratch")
        self.view: View | None = None
        if isinstance(self.disk, Disk) and self.blobs.root == str(self.layout.root):
            self.view = View(self.blobs, self.disk, reflinks=False)
        self.settler = self.make_settler()
        self.garbage = Garbage(self.settling, self.blobs, self.disk)

    def make_settler(self, kind: type[Settler] = Settler) -> Settler:
        return kind(self.settling, self.blobs, self.disk, self.view, self.shared, self._note)

    def _note(self, progress: Progress, epoch: str) -> None:
        keep_settled(self.layout, Disk(), SettledNote(*progress), epoch)

    def close(self) -> None:
        self._connection.close()
        self.reader.close()
        self.settling.close()

    def reopen(self) -> None:
        self.close()
        self.open()

    # Changes ----------------------------------------------------------------------------------------------------

    def commit_all(self, changes: Sequence[Change], now_ms: int = NOW) -> list[Outcome | StorageError]:
        """One transaction, as a committer makes it."""
        results: list[Outcome | StorageError] = []
        self._connection.execute("BEGIN IMMEDIATE")
        start = last_sequence(self._connection)
        moment = Moment(now_ms, start, KEEPING)
        rows = Transaction(self._connection, self.settling.open_buckets().get)
        for change in changes:
            before = moment.sequence
            try:
                writes = decide(change, rows, moment)
            except StorageError as error:
                moment.sequence = before
                results.append(error)
                continue
            rows.apply(writes, alone=isinstance(change, CopyVersion))
            results.append(writes.outcome or Outcome())
        rows.flush()
        self._connection.execute("COMMIT")
        self.shared.add(words.COMMITTED_ROWS, moment.sequence - start)
        self.shared.add(words.COMMITTED_BYTES, rows.body_bytes)
        self.shared.add(words.BUCKETS, int(rows.buckets_changed))
        return results

    def commit(self, change: Change, now_ms: int = NOW) -> Outcome:
        """Raises StorageError."""
        (result,) = self.commit_all([change], now_ms)
        if isinstance(result, StorageError):
            raise result
        return result

    def put(self, bucket: int, key: str, body: bytes = b"x", now_ms: int = NOW, **fields: Any) -> Version:
        return self.version(put(bucket, key, body, **fields), now_ms)

    def version(self, change: Change, now_ms: int = NOW) -> Version:
        """The version a change is about."""
        version = self.commit(change, now_ms).version
        assert version is not None
        return version

    def bucket(self, name: str = "photos", **options: Any) -> Bucket:
        bucket = self.commit(create(name, **options)).bucket
        assert bucket is not None
        return bucket

    # Passes -----------------------------------------------------------------------------------------------------

    def settle(self, passes: int = 1) -> Pass:
        """The last of so many passes."""
        for _ in range(passes):
            done = self.settler.run_pass()
        return done

    def rebuild(self, *, salvage: bool = False) -> Report:
        """Make the catalog again, and open it."""
        self.close()
        done = Rebuild(self.layout, self.blobs, self.disk, self.shared, TRASH_MS).run(salvage=salvage)
        self.open()
        return done

    # What is there ----------------------------------------------------------------------------------------------

    def find(self, bucket: int, key: str) -> Found | None:
        """The current version, whatever its expiry, with its journalled body."""
        return self.reader.find_all([(bucket, key)]).get((bucket, key))

    def read(self, bucket: int, key: str) -> bytes | None:
        """The current body, from journal or blob; None where there is no such key."""
        found = self.find(bucket, key)
        if found is None:
            return None
        if found.body is not None:
            return found.body
        version = found.version
        return self.blobs.read_small(self.blob(version), version.size, version.mtime_ns)

    def blob(self, version: Version) -> BlobName:
        return BlobName(directory_of(*self.settling.buckets()[version.bucket]), version.version_id)

    def sidecar(self, version: Version) -> dict[str, Any]:
        """Raises DamagedObject, FileNotFoundError."""
        return sidecar.parse_file(self.blobs.read_sidecar(self.blob(version)))

    def owed(self) -> list[int]:
        """Sequences that wait, those set aside left out."""
        return [row.sequence for row in self.settling.owed(10_000, 1 << 30)]

    def everything(self) -> dict[str, Any]:
        """Every row that a rebuild must find again, in a form to compare."""
        heads = self._rows("SELECT bucket,key,vid,file_id,size,etag,flags,doc,seq,expires_ms FROM objects")
        others = self._rows("SELECT bucket,key,vid,size,etag,flags,seq,gone_seq,gone_ms,due_ms FROM others")
        buckets = self._rows("SELECT id,uuid,name,owner,doc,closed_ms IS NULL FROM buckets")
        return {"heads": heads, "others": others, "buckets": buckets, "usage": self.usage()}

    def usage(self) -> dict[tuple[str, str], Usage]:
        """All counters that are not zero."""
        rows = self._rows("SELECT * FROM usage")
        return {(row[0], row[1]): Usage(*row[2:]) for row in rows if any(row[2:])}

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        return sorted(self._connection.execute(sql).fetchall(), key=orjson.dumps)


@contextmanager
def opened(root: Path, disk: Disk | None = None, blob_root: str | None = None) -> Iterator[Store]:
    store = Store(root, disk, blob_root)
    try:
        yield store
    finally:
        store.close()
