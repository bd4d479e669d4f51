"""One archive: where everything in it stands, and its bytes from any of them on.

Nothing is kept but the list of what goes in. A CRC that a range needs of files before it is read while the range is
sent, and remembered for the next one.
"""

import asyncio
import hashlib
from array import array
from bisect import bisect_right
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
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
from storage_service.app.core.downloads import Download, Piece, pieces_of
from storage_service.app.core.objects import Bucket, Pinned, Span
from storage_service.app.core.storage import ObjectStore
from storage_service.app.edge.tasks import quiet

FORMAT = b"zip 1"  # changes with any byte of an archive's form: ranges of two forms must not be joined
ROW_BYTES = 4 << 20  # of small files that are read, and sent, together
ROW_FILES = 64
RECORDS_AT_ONCE = 256  # of the directory
MOST_CRCS = 200_000  # remembered by a worker, about 20 MiB

Chunk = bytes | Piece


class Crcs:
    """CRC-32 by version id; the oldest are forgotten."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def of(self, pinned: Pinned) -> int | None:
        """The one it was stored with, or that has been found since."""
        return self._known.get(pinned.version_id) if pinned.crc32 is None else pinned.crc32

    def keep(self, pinned: Pinned, crc: int) -> int:
        if pinned.crc32 is not None:
            return crc
        if len(self._known) >= MOST_CRCS:
            del self._known[next(iter(self._known))]
        self._known[pinned.version_id] = crc
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


def _size_of(chunk: Chunk) -> int:
    return chunk.size if isinstance(chunk, Piece) else len(chunk)


def _within(span: Span, at: int, row: Iterable[Chunk]) -> Iterator[Chunk]:
    """What of a row that begins at `at` lies in the span."""
    for chunk in row:
        first, last = max(0, span.start - at), max(0, span.end - at)
        at += _size_of(chunk)
        piece = chunk.cut(first, last) if isinstance(chunk, Piece) else chunk[first:last]
        if _size_of(piece):
            yield piece


def _close_all(asked: "Iterable[asyncio.Future[tuple[Download, int]]]") -> None:
    """Also those that are still coming."""
    for one in asked:
        one.add_done_callback(_close)


def _close(done: "asyncio.Future[tuple[Download, int]]") -> None:
    if not done.cancelled() and done.exception() is None:
        done.result()[0].close()


class ArchiveStream:
    """One span of an archive under way."""

    def __init__(self, archive: Archive, span: Span, store: ObjectStore, crcs: Crcs) -> None:
        self._archive = archive
        self._span = span
        self._store = store
        self._crcs = crcs
        self._first = max(0, bisect_right(archive.offsets, span.start) - 1)
        self._coming: list[asyncio.Future[tuple[Download, int]]] = []

    async def chunks(self) -> AsyncGenerator[list[Chunk], None]:
        """The span's bytes, some at a time; pieces of files stay open until the next are asked for.

        Raises: NoSuchVersion, DamagedObject.
        """
        async with aclosing(self._pieces()) as pieces:
            async for at, row in pieces:
                if some := list(_within(self._span, at, row)):
                    yield some
                if at + sum(map(_size_of, row)) >= self._span.end:
                    return

    async def _pieces(self) -> AsyncGenerator[tuple[int, list[Chunk]], None]:
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
            _close_all(self._coming)

    # Files ----------------------------------------------------------------------------------------------------------

    async def _files(self) -> AsyncGenerator[tuple[int, list[Chunk]], None]:
        entries, index = self._archive.entries, self._first
        while index < len(entries):
            if entries[index].is_late:
                async with aclosing(self._late(index)) as rows:
                    async for row in rows:
                        yield row
                index += 1
                continue
            group = self._coming or self._ask(index)
            self._coming = self._ask(index + len(group))  # while these are sent
            try:
                found = [await one for one in group]
                yield self._archive.offsets[index], list(self._early(index, found))
            finally:
                _close_all(group)
            index += len(group)

    def _ask(self, index: int) -> "list[asyncio.Future[tuple[Download, int]]]":
        """The small files from here on, and their CRCs: as many as are sent in a row."""
        entries, pinned = self._archive.entries, self._archive.pinned
        asked: list[asyncio.Future[tuple[Download, int]]] = []
        size = 0
        while index < len(entries) and not entries[index].is_late and size < ROW_BYTES and len(asked) < ROW_FILES:
            asked.append(quiet(self._store.open_with_crc32(self._archive.bucket, pinned[index], crc32)))
            size += entries[index].size
            index += 1
        return asked

    def _early(self, index: int, found: Iterable[tuple[Download, int]]) -> Iterator[Chunk]:
        """Small files with their heads."""
        for at, (download, crc) in enumerate(found, index):
            entry = self._archive.entries[at]
            yield local_header(entry, self._crcs.keep(self._archive.pinned[at], crc))
            yield Piece(download, Span(0, entry.size)) if download.body is None else download.body

    async def _late(self, index: int) -> AsyncGenerator[tuple[int, list[Chunk]], None]:
        """A large file with head and descriptor, from where the span begins in it. Each piece is read for its CRC while
        it is sent."""
        pinned, entry, offset = self._archive.pinned[index], self._archive.entries[index], self._archive.offsets[index]
        yield offset, [local_header(entry, 0)]
        start = offset + local_bytes(entry)
        begin = min(max(0, self._span.start - start), entry.size)
        known = self._crcs.of(pinned)
        is_wanted = known is None and self._span.end > start + entry.size
        before = quiet(asyncio.ensure_future(self._crc_of(pinned, begin))) if begin and is_wanted else None
        download = await self._store.open_pinned(self._archive.bucket, pinned)
        try:
            crc = 0
            for piece in pieces_of(download, Span(begin, entry.size)):
                coming = quiet(download.fold(piece.span, crc32, crc)) if is_wanted else None
                yield start + piece.span.start, [piece]
                crc = crc if coming is None else await coming
            if before is not None:
                crc = crc32_combine(await before, crc, entry.size - begin)
            if is_wanted:
                known = self._crcs.keep(pinned, crc)
            yield start + entry.size, [descriptor(entry, known or 0)]
        finally:
            if before is not None:
                before.cancel()
            download.close()

    # CRCs and the directory -----------------------------------------------------------------------------------------

    async def _crc_of(self, pinned: Pinned, size: int) -> int:
        """Of a file's first bytes."""
        crc, download = 0, await self._store.open_pinned(self._archive.bucket, pinned)
        try:
            for piece in pieces_of(download, Span(0, size)):
                crc = await download.fold(piece.span, crc32, crc)
        finally:
            download.close()
        return crc

    async def _learn_earlier(self) -> None:
        """The CRCs of files before the span: the directory repeats them."""
        last = self._first if self._span.start < self._archive.directory else len(self._archive.pinned)
        for pinned in self._archive.pinned[:last]:
            if self._crcs.of(pinned) is None:
                self._crcs.keep(pinned, await self._crc_of(pinned, pinned.size))

    async def _directory(self) -> AsyncGenerator[tuple[int, list[Chunk]], None]:
        archive, at = self._archive, self._archive.directory
        for first in range(0, len(archive.entries), RECORDS_AT_ONCE):
            block = b"".join([await self._record(index) for index in range(first, self._until(first))])
            if at + len(block) > self._span.start:
                yield at, [block]
            at += len(block)
            await asyncio.sleep(0)  # others wait for the loop
        yield at, [end_records(len(archive.entries), at - archive.directory, archive.directory)]

    def _until(self, first: int) -> int:
        return min(first + RECORDS_AT_ONCE, len(self._archive.entries))

    async def _record(self, index: int) -> bytes:
        pinned = self._archive.pinned[index]
        crc = self._crcs.of(pinned)
        if crc is None:  # forgotten since: of more files than are remembered
            crc = self._crcs.keep(pinned, await self._crc_of(pinned, pinned.size))
        return central_record(self._archive.entries[index], crc, self._archive.offsets[index])
