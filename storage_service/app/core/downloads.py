"""Reading one version: pinned, whole, checked. No torn reads and no locks: blobs never change."""

from collections.abc import AsyncIterator, Callable

from storage_service.app.core.backend import Blobs, Catalog, OpenFile
from storage_service.app.core.decision import is_visible
from storage_service.app.core.errors import DamagedObject, NoSuchKey, NoSuchVersion
from storage_service.app.core.lanes import Lane
from storage_service.app.core.objects import BlobName, Bucket, Found, Span, Version, now_ms

SMALL_BYTES = 64 << 10  # read at once with the row; above that the file is streamed
CHUNK_BYTES = 1 << 20
TRIES = 3  # a row read just before its version was replaced and removed is read again

Precheck = Callable[[Version], None]


class Download:
    """A version and its bytes: in memory, or an open file that the holder closes."""

    __slots__ = ("_disk", "_file", "body", "version")

    def __init__(self, version: Version, body: bytes | None, file: OpenFile | None, disk: Lane) -> None:
        self.version = version
        self.body = body
        self._file = file
        self._disk = disk

    @property
    def location(self) -> str | None:
        """Where the bytes lie as they are, below the store's directory; None where there is no such file."""
        return None if self._file is None else self._file.location

    async def chunks(self, span: Span) -> AsyncIterator[bytes]:
        """The span's bytes, in pieces of at most 1 MiB."""
        if self.body is not None:
            yield self.body[span.start : span.end]
            return
        at = span.start
        while at < span.end and self._file is not None:
            data = await self._disk.run(self._file.read, at, min(CHUNK_BYTES, span.end - at))
            if not data:
                raise DamagedObject("The stored bytes end early", key=self.version.key)
            at += len(data)
            yield data

    def close(self) -> None:
        """Idempotent; waits on a thread for a read that is under way, never here."""
        if self._file is not None:
            file, self._file = self._file, None
            self._disk.spawn(file.close)


class Loader:
    """Finds what is to be read. Methods block."""

    def __init__(self, catalog: Catalog, blobs: Blobs, disk: Lane) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._disk = disk

    def load(self, bucket: Bucket, key: str, version_id: str | None, precheck: Precheck | None) -> Download:
        """Row and bytes in one go."""
        for _ in range(TRIES):
            found = self._find(bucket, key, version_id)
            if precheck is not None:
                precheck(found.version)
            if found.body is not None:
                return Download(found.version, found.body, None, self._disk)
            try:
                return self._open(bucket, found.version)
            except FileNotFoundError:
                continue
            except DamagedObject as error:
                raise DamagedObject(error.detail, bucket=bucket.name, key=key) from None
        raise DamagedObject("The stored bytes are missing", bucket=bucket.name, key=key)

    def load_head(self, bucket: Bucket, key: str, version_id: str | None) -> Version:
        """The row alone."""
        return self._find(bucket, key, version_id).version

    def _open(self, bucket: Bucket, version: Version) -> Download:
        name = BlobName(bucket.name, version.version_id)
        if version.size <= SMALL_BYTES:
            body = self._blobs.read_small(name, version.size, version.mtime_ns)
            return Download(version, body, None, self._disk)
        return Download(version, None, self._blobs.open(name, version.size, version.mtime_ns), self._disk)

    def _find(self, bucket: Bucket, key: str, version_id: str | None) -> Found:
        if version_id is not None:
            found = self._catalog.find_version(bucket.id, key, version_id)
            if found is None or found.version.gone_ms is not None or found.version.is_marker:
                raise NoSuchVersion(bucket=bucket.name, key=key)
            return found
        found = self._catalog.find(bucket.id, key)
        if found is None or not is_visible(found.version, now_ms()):
            raise NoSuchKey(f"File '{key}' not found in bucket '{bucket.name}'", bucket=bucket.name, key=key)
        return found
