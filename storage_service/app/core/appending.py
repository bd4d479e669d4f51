"""One request that lets an upload grow: reads, hashes, writes, commits."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, NamedTuple

from storage_service.app.core.absorb import Absorber
from storage_service.app.core.backend import Growing
from storage_service.app.core.changes import AppendUpload
from storage_service.app.core.checksums import Algorithm
from storage_service.app.core.errors import EntityTooLarge
from storage_service.app.core.objects import Bucket, Upload, now_ms
from storage_service.app.core.pieces import PartHasher, Verify, rolling_of
from storage_service.app.core.uploads import Uploads

WISH_SECONDS = 1.0  # between looks of the holder whether somebody waits
COMMIT_BYTES = 64 << 20  # what a crash may cost at most
COMMIT_SECONDS = 10.0
IDLE_SECONDS = 1.0  # without a byte: what has come is committed, so that the client that comes back finds it


class AppendOptions(NamedTuple):
    """`length`: of the whole, if it is said only now. `verify` may refuse the piece once all of it was read; then none
    of it is kept. Without it, what came before a broken end is kept. `algorithms`: what `verify` needs computed."""

    length: int | None = None
    verify: Verify | None = None
    algorithms: Sequence[Algorithm] = ()


class Appending:
    """Ends early when somebody else wants to go on."""

    def __init__(
        self,
        uploads: Uploads,
        bucket: Bucket,
        place: tuple[Upload, int | None],
        growing: Growing,
        options: AppendOptions,
    ) -> None:
        """`place`: the row as it stands, and the length of the whole as far as it is known now."""
        self._uploads = uploads
        self._lane = uploads.lane
        self._verify = options.verify
        self._pending = 0  # bytes taken and not committed
        self._committed_at = 0.0
        self.bucket = bucket
        self.upload, self._length = place
        self.growing = growing
        self.taken_over = False
        self.stop = asyncio.Event()
        self._begin_piece(options.algorithms)

    def _begin_piece(self, algorithms: Iterable[Algorithm]) -> None:
        """What is taken from here on has digests of its own."""
        self._hasher = PartHasher(algorithms)
        self._absorber = Absorber(self._uploads.lanes, self._hasher, self.growing)

    async def run(self, body: AsyncIterator[bytes]) -> Upload:
        """The upload as it stands afterwards."""
        watch = asyncio.ensure_future(self._watch())
        loop = asyncio.get_running_loop()
        self._committed_at = loop.time()
        try:
            while (chunk := await self._next(body, watch)) is not None:
                await self._take_in(chunk)
                late = loop.time() - self._committed_at > COMMIT_SECONDS
                if self._verify is None and (late or self._pending >= COMMIT_BYTES):
                    await self._commit()
        finally:
            watch.cancel()
        return await self._conclude()

    async def _conclude(self) -> Upload:
        if self._verify is not None:
            if self.taken_over:
                return self.upload
            await self._absorber.done()
            self._verify(self._hasher.finish())
        await self._commit()
        return self.upload

    async def _take_in(self, chunk: bytes) -> None:
        size, length = self.upload.size + self._pending + len(chunk), self._length
        most = self._uploads.most_bytes(self.bucket, self.upload) if length is None else length
        if size > most:
            await self._commit()
            raise EntityTooLarge(f"The upload may have {most} bytes", bucket=self.bucket.name)
        await self._absorber.take(chunk)
        self._pending += len(chunk)

    async def _next(self, body: AsyncIterator[bytes], watch: "asyncio.Future[None]") -> bytes | None:
        """The next chunk; None at the end, or when somebody else is to go on."""
        reading = asyncio.ensure_future(_pull(body))
        both: set[asyncio.Future[Any]] = {reading, watch}
        while True:
            await asyncio.wait(both, timeout=IDLE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                return reading.result()
            if watch.done():
                self.taken_over = True
                reading.cancel()
                await asyncio.wait({reading})
                return None
            if self._pending and self._verify is None:
                await self._commit()

    async def _watch(self) -> None:
        """Returns when this request is to end."""
        files, name = self._uploads.files, self.upload.id
        while not await self._lane.run(files.is_wanted, name):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stop.wait(), WISH_SECONDS)
            if self.stop.is_set():
                return

    async def _commit(self) -> None:
        """What was written is synced and counts from now on."""
        upload, size = self.upload, self._pending
        if not size and upload.length == self._length:
            return
        await self._absorber.done()
        rolling = rolling_of(upload)
        if size:
            await self._lane.run(self.growing.sync)
            rolling = rolling.plus(self._hasher.finish(), size, upload.size)
        until_ms = now_ms() + self._uploads.expiry_ms
        digest = rolling.render() if size else upload.digest
        change = AppendUpload(self.bucket.id, upload.id, upload.size, size, digest, self._length, until_ms)
        outcome = await self._uploads.catalog.commit(change)
        self.upload = outcome.upload or upload
        self._begin_piece(())
        self._pending = 0
        self._committed_at = asyncio.get_running_loop().time()


async def _pull(body: AsyncIterator[bytes]) -> bytes | None:
    try:
        return await body.__anext__()
    except StopAsyncIteration:
        return None
