"""Reading one version: pinned, whole, checked. No torn reads and no locks: blobs never change."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import NamedTuple, TypeVar

from storage_service.app.core.backend import Blobs, Catalog, OpenFile
from storage_service.app.core.decision import is_visible
from storage_service.app.core.errors import DamagedObject, NoSuchKey, NoSuchVersion
from storage_service.app.core.lanes import Lane
from storage_service.app.core.objects import BlobName, Bucket, Found, Pinned, Span, Version, now_ms

SMALL_BYTES = 64 << 10  # read at once with the row; above that the file is streamed
CHUNK_BYTES = 1 << 20
TIGHT_CHUNK_BYTES = 128 << 10  # once half of `HELD_BYTES` is taken
LEAST_CHUNK_BYTES = 32 << 10  # once all of it is
HELD_BYTES = 48 << 20  # of all downloads of a worker, about: a client that stands still keeps what it was sent last
TRIES = 3  # a row read just before its version was replaced and removed is read again

PIECE_BYTES = 8 << 20
FOLDED_BYTES = 256 << 10  # at once: what is hashed is still in the processor's cache

Precheck = Callable[[Version], None]
Fold = Callable[[memoryview, int], int]  # as zlib.crc32
Result = TypeVar("Result")


class _Buffer(threading.local):
    """A thread's own: fresh memory for each piece would cost more than reading it."""

    def __init__(self) -> None:
        self.data = bytearray(FOLDED_BYTES)


_buffer = _Buffer()


class Asked(NamedTuple):
    """The current version of a key. `precheck` may refuse it before a byte is read."""

    bucket: Bucket
    key: str
    precheck: Precheck | None = None


class Outgoing:
    """Bytes that are read and not sent yet, of all downloads of this process: the more, the smaller their pieces."""

    __slots__ = ("taken",)

    def __init__(self) -> None:
        self.taken = 0

    def piece_bytes(self) -> int:
        if self.taken < HELD_BYTES // 2:
            return CHUNK_BYTES
        return TIGHT_CHUNK_BYTES if self.taken < HELD_BYTES else LEAST_CHUNK_BYTES


OUTGOING = Outgoing()


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

    @property
    def file(self) -> OpenFile | None:
        """The open file, for whom reads it before this is closed; None where the bytes are in memory."""
        return self._file

    async def chunks(self, span: Span) -> AsyncGenerator[bytes, None]:
        """The span's bytes, in pieces of at most 1 MiB."""
        if self.body is not None:
            yield self.body[span.start : span.end]
            return
        at, held, waiting = span.start, 0, 0  # what the socket still has, and what is to follow
        try:
            while at < span.end and self._file is not None:
                size = min(OUTGOING.piece_bytes(), span.end - at)
                OUTGOING.taken += size - held
                held, waiting = waiting, size
                data = await self._disk.run(self._file.read, at, size)
                if not data:
                    raise DamagedObject("The stored bytes end early", key=self.version.key)
                at += len(data)
                yield data
        finally:
            OUTGOING.taken -= held + waiting

    def fold(self, span: Span, function: Fold, value: int) -> "asyncio.Future[int]":
        """`value = function(bytes, value)` over the span's bytes, on a thread. Raises: DamagedObject."""
        return self._disk.run(self.folded, span, function, value)

    def folded(self, span: Span, function: Fold, value: int) -> int:
        """The same, here. Not out of mapped pages: a file that somebody cuts meanwhile would end the process."""
        if self.body is not None:
            return function(memoryview(self.body)[span.start : span.end], value)
        at, buffer = span.start, memoryview(_buffer.data)
        while at < span.end:
            count = 0 if self._file is None else self._file.read_into(buffer[: span.end - at], at)
            if not count:
                raise DamagedObject("The stored bytes end early", key=self.version.key)
            value = function(buffer[:count], value)
            at += count
        return value

    def close(self) -> None:
        """Idempotent; waits on a thread for a read that is under way, never here."""
        if self._file is not None:
            file, self._file = self._file, None
            self._disk.spawn(file.close)

    def discard(self) -> None:
        """Close it from a thread."""
        if self._file is not None:
            self._file.close()
            self._file = None


class Piece(NamedTuple):
    """Some bytes of a download, which stays open while they are sent."""

    download: Download
    span: Span

    @property
    def size(self) -> int:
        return self.span.end - self.span.start

    def cut(self, start: int, end: int) -> "Piece":
        """From `start` to `end`, counted from its own start."""
        first = self.span.start
        return Piece(self.download, Span(first + min(start, self.size), first + max(start, min(end, self.size))))


def pieces_of(download: Download, span: Span) -> Iterator[Piece]:
    """Of at most 8 MiB, so often does who sends them look whether the client is still there."""
    for at in range(span.start, span.end, PIECE_BYTES):
        yield Piece(download, Span(at, min(at + PIECE_BYTES, span.end)))


class Loader:
    """Finds what is to be read. Methods block."""

    def __init__(self, catalog: Catalog, blobs: Blobs, disk: Lane) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._disk = disk

    def load_all(self, asked: list[Asked]) -> list[Download | Exception]:
        """Rows in one look-up, then the bytes of each; what went wrong with one stands in its place."""
        found = self._catalog.find_all([(one.bucket.id, one.key) for one in asked])
        moment = now_ms()
        return [_caught(self._load, one, found.get((one.bucket.id, one.key)), moment) for one in asked]

    def load_heads(self, asked: list[Asked]) -> list[Version | Exception]:
        """The rows alone."""
        found = self._catalog.find_all([(one.bucket.id, one.key) for one in asked], bodies=False)
        moment = now_ms()
        return [_caught(_head, one, found.get((one.bucket.id, one.key)), moment) for one in asked]

    def load_version(self, bucket: Bucket, key: str, version_id: str, precheck: Precheck | None) -> Download:
        """Row and bytes of one named version."""

        def look() -> Found:
            return self._named(bucket, key, version_id)

        return self._pin(Asked(bucket, key, precheck), look(), look)

    def load_pinned(self, bucket: Bucket, pinned: Pinned) -> Download:
        """Row and bytes of a version found earlier, whatever has become of it. Raises: NoSuchVersion, DamagedObject."""
        seen = Version(
            bucket.id, pinned.key, pinned.version_id, "", pinned.size, "", pinned.at_ms, pinned.mtime_ns, 0, "{}"
        )
        try:
            return self._open(bucket, seen)
        except (FileNotFoundError, DamagedObject):  # not settled yet, being settled just now, or gone
            found = self._catalog.find_version(bucket.id, pinned.key, pinned.version_id)
        if found is None:
            raise NoSuchVersion(bucket=bucket.name, key=pinned.key)
        if found.body is not None:
            return Download(found.version, found.body, None, self._disk)
        try:
            return self._open(bucket, seen)
        except FileNotFoundError:
            raise NoSuchVersion(bucket=bucket.name, key=pinned.key) from None

    def load_with_crc32(self, bucket: Bucket, pinned: Pinned, function: Fold) -> tuple[Download, int]:
        """The same, and its CRC-32, found by `function` where nobody knows it. Raises: NoSuchVersion, DamagedObject."""
        found = self.load_pinned(bucket, pinned)
        if pinned.crc32 is not None:
            return found, pinned.crc32
        try:
            return found, found.folded(Span(0, pinned.size), function, 0)
        except BaseException:
            found.discard()
            raise

    def load_version_head(self, bucket: Bucket, key: str, version_id: str) -> Version:
        return self._named(bucket, key, version_id).version

    def _load(self, asked: Asked, found: Found | None, moment: int) -> Download:
        place = (asked.bucket.id, asked.key)

        def look() -> Found:
            return _current(asked, self._catalog.find_all([place]).get(place), moment)

        return self._pin(asked, _current(asked, found, moment), look)

    def _pin(self, asked: Asked, found: Found, look: Callable[[], Found]) -> Download:
        """The version that was found, with its bytes; looked up again where it went away in between."""
        bucket, key, precheck = asked
        for _ in range(TRIES):
            if precheck is not None:
                precheck(found.version)
            if found.body is not None:
                return Download(found.version, found.body, None, self._disk)
            try:
                return self._open(bucket, found.version)
            except FileNotFoundError:
                found = look()
            except DamagedObject as error:
                raise DamagedObject(error.detail, bucket=bucket.name, key=key) from None
        raise DamagedObject("The stored bytes are missing", bucket=bucket.name, key=key)

    def _open(self, bucket: Bucket, version: Version) -> Download:
        name = BlobName(bucket.name, version.version_id)
        if version.size <= SMALL_BYTES:
            body = self._blobs.read_small(name, version.size, version.mtime_ns)
            return Download(version, body, None, self._disk)
        return Download(version, None, self._blobs.open(name, version.size, version.mtime_ns), self._disk)

    def _named(self, bucket: Bucket, key: str, version_id: str) -> Found:
        found = self._catalog.find_version(bucket.id, key, version_id)
        if found is None or found.version.gone_ms is not None or found.version.is_marker:
            raise NoSuchVersion(bucket=bucket.name, key=key)
        return found


def _current(asked: Asked, found: Found | None, moment: int) -> Found:
    if found is None or not is_visible(found.version, moment):
        name = asked.bucket.name
        raise NoSuchKey(f"File '{asked.key}' not found in bucket '{name}'", bucket=name, key=asked.key)
    return found


def _head(asked: Asked, found: Found | None, moment: int) -> Version:
    return _current(asked, found, moment).version


def _caught(call: Callable[..., Result], *values: object) -> Result | Exception:
    try:
        return call(*values)
    except Exception as error:
        return error
