"""`storage check`: compares catalog and disk, and changes neither. Works beside a running service.

A service may change what is being looked at. So whatever looks wrong is looked at again, and counts only if its row
was the same before and after, and owed nothing to the disk.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson
from awscrt.checksums import crc64nvme

from storage_service.app.backends.blobs import BLOBS, BUCKET_SIDECAR, SERVICE, LocalBlobs, is_intact, read_file
from storage_service.app.backends.catalog.auditing import Auditor
from storage_service.app.backends.check_uploads import UploadCheck
from storage_service.app.backends.check_view import ViewCheck
from storage_service.app.backends.disk import Disk
from storage_service.app.backends.findings import Code, Finding, Report
from storage_service.app.backends.upload_files import UPLOADS
from storage_service.app.backends.view import segments
from storage_service.app.core import sidecar
from storage_service.app.core.digests import render_crc64nvme
from storage_service.app.core.errors import DamagedObject
from storage_service.app.core.objects import BlobName, Bucket, Version, is_uuid, now_ms

TRIES = 3  # looks at what keeps changing
YOUNG_MS = 86_400_000  # a blob without a row may belong to an upload under way
SOON_MS = 5_000  # before a dead version is due: garbage may have begun with it
CHUNK_BYTES = 1 << 20
REMOVAL = ("removed_sequence", "removed_at_ms", "removed_due_ms")


class Check:
    """One walk over a directory. `deep` reads every byte; `grace_ms` tells purged versions from trash."""

    def __init__(
        self,
        catalog: Auditor,
        blobs: LocalBlobs,
        grace_ms: int,
        *,
        deep: bool = False,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._disk: Disk = blobs.disk
        self._grace_ms = grace_ms
        self._deep = deep
        self._view = ViewCheck(catalog, blobs)
        self._progress = progress
        self._report = Report()

    def run(self) -> Report:
        """Everything that was found, in the order of the walk.

        Raises:
            apsw.Error: the catalog cannot be read.
            OSError: the storage directory cannot be read.
        """
        self._check_parked()
        for bucket in self._catalog.buckets().values():
            self._check_bucket_sidecar(bucket)
            seen = self._check_rows(bucket)
            rowless = self._check_files(bucket, seen)
            self._view.check(bucket, self._report, rowless)
        self._check_root()
        self._check_uploads()
        return self._report

    def _add(self, code: Code, bucket: str | None, version: Version | None, detail: str) -> None:
        key, version_id = (version.key, version.version_id) if version else (None, None)
        self._report.problems.append(Finding(code, bucket, key, version_id, detail))

    def _check_parked(self) -> None:
        names = {number: bucket.name for number, bucket in self._catalog.buckets().items()}
        for row in self._catalog.parked():
            detail = f"change {row.sequence} ({row.op}) could not be written to files and is kept in the journal"
            self._report.problems.append(Finding("parked", names.get(row.bucket), row.key, row.version_id, detail))

    # Rows -> files ----------------------------------------------------------------------------------------------

    def _check_rows(self, bucket: Bucket) -> set[str]:
        """Look at every version's files; the version ids that have a row (about 100 bytes of memory each)."""
        seen: set[str] = set()
        for page in self._catalog.versions(bucket.id):
            seen.update(version.version_id for version in page)
            suspects = [version for version in page if self._look(bucket, version)]
            if suspects:
                self._report.problems += self._confirm(bucket, suspects)
            self._count(page)
        return seen

    def _count(self, page: Sequence[Version]) -> None:
        current = [version for version in page if version.gone_ms is None and not version.is_marker]
        self._report.objects += len(current)
        self._report.versions += len(page)
        self._report.hidden += sum(segments(version.key) is None for version in current)
        self._progress(self._report.versions)

    def _confirm(self, bucket: Bucket, suspects: Sequence[Version]) -> list[Finding]:
        """What is still wrong of these while their rows stand still."""
        found: list[Finding] = []
        for _ in range(TRIES):
            before = self._catalog.settled(suspects)
            looks = {name: list(self._look(bucket, version)) for name, version in before.items()}
            after = self._catalog.settled(list(before.values()))
            found += [
                finding for name, looked in looks.items() if before[name] == after.get(name) for finding in looked
            ]
            suspects = [version for name, version in after.items() if version != before[name]]
            if not suspects:
                break
        return found

    def _look(self, bucket: Bucket, version: Version) -> list[Finding]:
        if version.due_ms is not None and version.due_ms <= now_ms() + SOON_MS:
            return []
        faults = [*self._look_at_sidecar(bucket, version)]
        if not version.is_marker and not self._is_purged(version):
            faults += self._look_at_blob(bucket, version)
        return [Finding(code, bucket.name, version.key, version.version_id, detail) for code, detail in faults]

    def _is_purged(self, version: Version) -> bool:
        """Dead, and kept for the grace time only: nobody can bring it back."""
        if version.gone_ms is None or version.due_ms is None:
            return False
        return version.due_ms - version.gone_ms <= self._grace_ms

    def _look_at_blob(self, bucket: Bucket, version: Version) -> Iterator[tuple[Code, str]]:
        blob = BlobName(bucket.name, version.version_id)
        found = self._blobs.stat(blob)
        if found is None:
            yield "blob_missing", "the file with its bytes is gone"
        elif not found.is_file:
            yield "blob_missing", "a directory or a link stands where its bytes should be"
        elif not is_intact(found, version.size, version.mtime_ns):
            yield (
                "blob_edited",
                f"its bytes were changed after the upload: {found.size} bytes instead of {version.size}",
            )
        elif self._deep:
            yield from self._read_all(blob, version)

    def _read_all(self, blob: BlobName, version: Version) -> Iterator[tuple[Code, str]]:
        wanted = orjson.loads(version.doc).get("crc64nvme")
        try:
            digest = crc_of(self._disk, self._blobs.path(blob))
        except OSError as error:
            yield "blob_corrupt", f"its bytes cannot be read: {error.strerror}"
            return
        if wanted and digest != wanted:
            yield "blob_corrupt", f"CRC64NVME is {digest}, was {wanted} when it was uploaded"

    def _look_at_sidecar(self, bucket: Bucket, version: Version) -> Iterator[tuple[Code, str]]:
        try:
            record = sidecar.parse_file(self._blobs.read_sidecar(BlobName(bucket.name, version.version_id)))
        except FileNotFoundError:
            yield "sidecar_missing", "its JSON sidecar is gone"
        except DamagedObject as error:
            yield "sidecar_damaged", error.detail
        except OSError as error:
            yield "sidecar_damaged", f"cannot be read: {error.strerror}"
        else:
            if names := self._differences(record, version, bucket):
                yield "sidecar_differs", f"sidecar and catalog disagree about {', '.join(names)}"

    def _differences(self, record: dict[str, Any], version: Version, bucket: Bucket) -> list[str]:
        wanted = orjson.loads(sidecar.compose(version, bucket.uuid))
        record = {name: value for name, value in record.items() if name != sidecar.CHECKSUM}
        if self._is_purged(version):  # `check --accept` shortens the time of what was in the trash already
            record["removed_due_ms"] = version.due_ms
        elif "removed_sequence" not in record and self._was_replaced(version):
            wanted = {name: value for name, value in wanted.items() if name not in REMOVAL}
        return sorted(name for name in record.keys() | wanted.keys() if record.get(name) != wanted.get(name))

    def _was_replaced(self, version: Version) -> bool:
        """Buried by a rebuild because a newer version replaced it, though its sidecar could not say so in time."""
        if version.gone_ms is None or not version.is_null:
            return False
        history = self._catalog.history(version.bucket, version.key)
        return any(newer.is_null and newer.sequence > version.sequence for newer in history)

    # Files -> rows ----------------------------------------------------------------------------------------------

    def _check_files(self, bucket: Bucket, seen: set[str]) -> set[int]:
        """Look for files without a row; the inodes of such blobs."""
        strangers = [found for found in self._blobs.version_ids(bucket.name) if found[0] not in seen]
        for name, is_sidecar in strangers:
            if not is_uuid(name):
                self._name_foreign(bucket, f"{name}.json" if is_sidecar else name)
        rowless = [(name, is_sidecar) for name, is_sidecar in strangers if is_uuid(name)]
        known = self._catalog.known([name for name, _ in rowless]) if rowless else set()
        for name, is_sidecar in rowless:
            if name not in known:
                self._name_rowless(bucket, BlobName(bucket.name, name), is_sidecar)
        stats = [self._blobs.stat(BlobName(bucket.name, name)) for name, is_sidecar in rowless if not is_sidecar]
        return {found.inode for found in stats if found is not None}

    def _name_foreign(self, bucket: Bucket, name: str) -> None:
        stem, _, end = name.partition(".")
        if is_uuid(stem) and (end == "json.new" or end.startswith(("tmp", "json.tmp"))):
            self._note("leftover", bucket.name, stem, f"{BLOBS}: {name} was left by an interrupted write")
            return
        detail = f"{BLOBS} holds {name}, which is not the service's"
        self._report.problems.append(Finding("blob_foreign", bucket.name, f"{BLOBS}/{name}", None, detail))

    def _name_rowless(self, bucket: Bucket, blob: BlobName, is_sidecar: bool) -> None:
        if is_sidecar:
            self._name_rowless_sidecar(bucket, blob)
        elif self._blobs.stat(blob) is not None:
            young = _is_young(blob)
            detail = "bytes without a row in the catalog" + (", younger than a day" if young else "")
            found = Finding("blob_orphan", bucket.name, None, blob.version_id, detail)
            (self._report.notes if young else self._report.problems).append(found)

    def _name_rowless_sidecar(self, bucket: Bucket, blob: BlobName) -> None:
        data: bytes | None = None
        try:
            data = self._blobs.read_sidecar(blob)
            version = sidecar.version_of(sidecar.parse_file(data), bucket.id)
        except FileNotFoundError:
            return
        except (DamagedObject, OSError) as error:
            if data is not None and not data.strip(b"\0") and _is_young(blob):
                # The name of what was never synced: with its row, in the modes that may lose rows.
                self._note("leftover", bucket.name, blob.version_id, "empty sidecar without a row, younger than a day")
                return
            detail = error.detail if isinstance(error, DamagedObject) else str(error.strerror)
            found = Finding("sidecar_damaged", bucket.name, None, blob.version_id, f"{detail}; no row names it")
            self._report.problems.append(found)
            return
        if version.gone_ms is not None:
            self._note("leftover", bucket.name, blob.version_id, "sidecar of a version that was removed")
        else:
            self._add("row_missing", bucket.name, version, "has a sidecar but no row; `storage reindex` brings it back")

    def _note(self, code: Code, bucket: str, version_id: str | None, detail: str) -> None:
        self._report.notes.append(Finding(code, bucket, None, version_id, detail))

    # Buckets ----------------------------------------------------------------------------------------------------

    def _check_bucket_sidecar(self, bucket: Bucket) -> None:
        for _ in range(TRIES):
            fault = self._bucket_fault(bucket)
            now = self._catalog.buckets().get(bucket.id)
            if fault is None or now is None or bucket.id in self._catalog.owed_buckets():
                return
            if now == bucket:
                code, detail = fault
                found = Finding(code, bucket.name, None, None, f"{BUCKET_SIDECAR}: {detail}")
                self._report.problems.append(found)
                return
            bucket = now

    def _bucket_fault(self, bucket: Bucket) -> tuple[Code, str] | None:
        try:
            path = f"{self._blobs.root}/{bucket.name}/{BUCKET_SIDECAR}"
            found = sidecar.bucket_of(sidecar.parse_file(read_file(self._disk, path)))
        except (FileNotFoundError, NotADirectoryError):
            return "bucket_sidecar_missing", "is gone; any change to the bucket writes it again"
        except DamagedObject as error:
            return "bucket_sidecar_damaged", f"{error.detail}; any change to the bucket writes it again"
        except OSError as error:
            return "bucket_sidecar_damaged", f"cannot be read: {error.strerror}"
        return None if found == bucket else ("bucket_sidecar_differs", "does not say what the catalog says")

    def _check_uploads(self) -> None:
        names = {number: bucket.name for number, bucket in self._catalog.buckets().items()}
        root = f"{self._blobs.root}/{SERVICE}/{UPLOADS}"
        UploadCheck(self._catalog, root, self._disk, names).run(self._report)

    def _check_root(self) -> None:
        """Directories that look like buckets and are none."""
        known = {bucket.name for bucket in self._catalog.buckets().values()} | self._catalog.leaving() | {SERVICE}
        for name in sorted(set(self._disk.names(self._blobs.root)) - known):
            path = f"{self._blobs.root}/{name}"
            found = self._disk.stat(path)
            if found is not None and not found.is_dir and not found.is_file:
                self._report.problems.append(Finding("symlink", name, None, None, "a link or a special file"))
            elif any(self._disk.stat(f"{path}/{inner}") is not None for inner in (BLOBS, BUCKET_SIDECAR)):
                detail = f"holds {BLOBS} or {BUCKET_SIDECAR}, but the catalog knows no such bucket"
                self._report.problems.append(Finding("bucket_unknown", name, None, None, detail))


def made_ms(version_id: str) -> int:
    """When a version id was made, milliseconds since 1970. Source: RFC 9562 §5.7."""
    return int(version_id.replace("-", "")[:12], 16)


def _is_young(blob: BlobName) -> bool:
    return now_ms() - made_ms(blob.version_id) < YOUNG_MS


def crc_of(disk: Disk, path: str) -> str:
    """CRC64NVME of a file, base64."""
    fd, value, offset = disk.open(path), 0, 0
    try:
        while chunk := disk.read(fd, CHUNK_BYTES, offset):
            value = crc64nvme(chunk, value)
            offset += len(chunk)
    finally:
        disk.close(fd)
    return render_crc64nvme(value)
