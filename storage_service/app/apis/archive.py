"""One archive: where everything in it stands, and its bytes from any of them on.

Nothing is kept but the list of what goes in. A CRC that a range needs of files before it is read while the range is
sent, and remembered for the next one.
"""

import asyncio
import hashlib
from array import array
from bisect import bisect_right
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from itertools import accumulate

from isal.isal_zlib import crc32, crc32_combine

from storage_service.app.apis.zip_format import (
    Entry,
    central_bytes,
    central_record,
    descriptor,
    descriptor_bytes,
    end_bytes,
    end_records,
    local_bytes,
    local_header,
)
from storage_service.app.apis.zip_names import names_of
from storage_service.app.core.objects import Bucket, Pinned, Span
from storage_service.app.core.storage import ObjectStore
from storage_service.app.edge.tasks import end, quiet

FORMAT = b"zip 1"  # changes with any byte of an archive's form: ranges of two forms must not be joined
AHEAD_BYTES = 3 << 19  # of small files, read before they are needed; more do not stay in a processor's cache
AHEAD_FILES = 64
RECORDS_AT_ONCE = 256  # of the directory
MOST_CRCS = 200_000  # remembered by a worker, about 20 MiB


class Crcs:
    """CRC-32 by version id; the oldest are forgotten."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def get(self, version_id: str) -> int | None:
        return self._known.get(version_id)

    def keep(self, version_id: str, crc: int) -> int:
        if len(self._known) >= MOST_CRCS:
            del self._known[next(iter(self._known))]
        self._known[version_id] = crc
        return crc


class Archive:
    """The layout. `pinned` by key; `base` is left out at the front of their names."""

    def __init__(self, bucket: Bucket, pinned: Sequence[Pinned], base: str = "") -> None:
        self.bucket = bucket
        self.pinned = pinned
        keys = [one.key.rstrip("/") if one.size else one.key for one in pinned]
        self.entries = [
            Entry(name.encode(), one.size, one.at_ms) for name, one in zip(names_of(keys, base), pinned, strict=True)
        ]
        self.offsets = array("Q", accumulate(map(_whole_bytes, self.entries), initial=0))
        self.directory = self.offsets.pop()
        records = (central_bytes(*both) for both in zip(self.entries, self.offsets, strict=True))
        self.end = self.directory + sum(records)
        self.size = self.end + end_bytes(len(self.entries), self.end - self.directory, self.directory)
        self.at_ms = max(one.at_ms for one in pinned)
        self.etag = self._etag()

    def _etag(self) -> str:
        digest = hashlib.sha256(FORMAT + self.bucket.uuid.encode())
        for one, entry in zip(self.pinned, self.entries, strict=True):
            digest.update(one.version_id.encode() + entry.name + b"\0")
        return f"zip-{digest.hexdigest()[:32]}"


def _whole_bytes(entry: Entry) -> int:
    return local_bytes(entry) + entry.size + descriptor_bytes(entry)


class ArchiveStream:
    """One span of an archive under way."""

    def __init__(self, archive: Archive, span: Span, store: ObjectStore, crcs: Crcs) -> None:
        self._archive = archive
        self._span = span
        self._store = store
        self._crcs = crcs
        self._first = max(0, bisect_right(archive.offsets, span.start) - 1)
        self._ahead: dict[int, asyncio.Future[bytes]] = {}
        self._next_ahead = self._first
        self._ahead_bytes = 0

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The span's bytes, in pieces of at most 1 MiB. Raises: NoSuchVersion, DamagedObject."""
        start, end = self._span
        async with aclosing(self._pieces()) as pieces:
            async for offset, data in pieces:
                piece = data[max(0, start - offset) : max(0, end - offset)]
                if piece:
                    yield piece
                if offset + len(data) >= end:
                    return

    async def _pieces(self) -> AsyncGenerator[tuple[int, bytes], None]:
        """Offsets and bytes in a row, those before the span at most in the same piece."""
        archive = self._archive
        learning: asyncio.Future[None] | None = None
        if self._span.end > archive.directory:
            learning = quiet(asyncio.ensure_future(self._learn_earlier()))
        try:
            if self._span.start < archive.directory:
                async with aclosing(self._files()) as pieces:
                    async for piece in pieces:
                        yield piece
            if learning is not None:
                await learning
            async with aclosing(self._directory()) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            if learning is not None:
                learning.cancel()
            for waiting in self._ahead.values():
                waiting.cancel()

    # Files ----------------------------------------------------------------------------------------------------------

    async def _files(self) -> AsyncGenerator[tuple[int, bytes], None]:
        archive = self._archive
        for index in range(self._first, len(archive.entries)):
            entry, offset = archive.entries[index], archive.offsets[index]
            start = offset + local_bytes(entry)
            if entry.is_late:
                yield offset, local_header(entry, 0)
                async with aclosing(self._late(index, start)) as pieces:
                    async for piece in pieces:
                        yield piece
                continue
            body = await self._read(index)
            crc = self._crcs.keep(archive.pinned[index].version_id, crc32(body))
            yield offset, local_header(entry, crc)
            yield start, body

    def _read(self, index: int) -> "asyncio.Future[bytes]":
        """A small file; those behind it are asked for too."""
        entries = self._archive.entries
        self._next_ahead = max(self._next_ahead, index)
        while self._next_ahead < len(entries) and len(self._ahead) < AHEAD_FILES:
            at, entry = self._next_ahead, entries[self._next_ahead]
            if entry.is_late or (self._ahead and self._ahead_bytes + entry.size > AHEAD_BYTES):
                break
            self._ahead[at] = quiet(self._store.read_pinned(self._archive.bucket, self._archive.pinned[at]))
            self._ahead_bytes += entry.size
            self._next_ahead += 1
        self._ahead_bytes -= entries[index].size
        return self._ahead.pop(index)

    async def _late(self, index: int, start: int) -> AsyncGenerator[tuple[int, bytes], None]:
        """Data and descriptor of a large file, from where the span begins in it."""
        pinned, entry = self._archive.pinned[index], self._archive.entries[index]
        begin = at = min(max(0, self._span.start - start), entry.size)
        known = self._crcs.get(pinned.version_id)
        before: asyncio.Future[int] | None = None
        if begin and known is None and self._span.end > start + entry.size:
            before = quiet(asyncio.ensure_future(self._crc_of(pinned, Span(0, begin))))
        try:
            crc = 0
            async with aclosing(self._data(pinned, Span(begin, entry.size))) as chunks:
                async for chunk in chunks:
                    crc = crc32(chunk, crc)
                    yield start + at, chunk
                    at += len(chunk)
            if before is not None:
                crc = crc32_combine(await before, crc, entry.size - begin)
            if known is None:
                known = self._crcs.keep(pinned.version_id, crc)
            yield start + entry.size, descriptor(entry, known)
        finally:
            if before is not None:
                before.cancel()

    async def _data(self, pinned: Pinned, span: Span) -> AsyncGenerator[bytes, None]:
        """A file's bytes; the next piece is read while one is sent."""
        download = await self._store.open_pinned(self._archive.bucket, pinned)
        try:
            async with aclosing(download.chunks(span)) as chunks:
                coming = asyncio.ensure_future(anext(chunks, None))
                try:
                    while (chunk := await coming) is not None:
                        coming = asyncio.ensure_future(anext(chunks, None))
                        yield chunk
                finally:
                    await end(coming)
        finally:
            download.close()

    # CRCs and the directory -----------------------------------------------------------------------------------------

    async def _crc_of(self, pinned: Pinned, span: Span) -> int:
        crc = 0
        async with aclosing(self._data(pinned, span)) as chunks:
            async for chunk in chunks:
                crc = crc32(chunk, crc)
        return crc

    async def _learn_earlier(self) -> None:
        """The CRCs of files before the span: the directory repeats them."""
        last = self._first if self._span.start < self._archive.directory else len(self._archive.pinned)
        for pinned in self._archive.pinned[:last]:
            if self._crcs.get(pinned.version_id) is None:
                self._crcs.keep(pinned.version_id, await self._crc_of(pinned, Span(0, pinned.size)))

    async def _directory(self) -> AsyncGenerator[tuple[int, bytes], None]:
        archive, at = self._archive, self._archive.directory
        for first in range(0, len(archive.entries), RECORDS_AT_ONCE):
            block = b"".join([await self._record(index) for index in range(first, self._until(first))])
            if at + len(block) > self._span.start:
                yield at, block
            at += len(block)
            await asyncio.sleep(0)  # others wait for the loop
        yield at, end_records(len(archive.entries), at - archive.directory, archive.directory)

    def _until(self, first: int) -> int:
        return min(first + RECORDS_AT_ONCE, len(self._archive.entries))

    async def _record(self, index: int) -> bytes:
        pinned = self._archive.pinned[index]
        crc = self._crcs.get(pinned.version_id)
        if crc is None:  # forgotten since: of more files than are remembered
            crc = self._crcs.keep(pinned.version_id, await self._crc_of(pinned, Span(0, pinned.size)))
        return central_record(self._archive.entries[index], crc, self._archive.offsets[index])
