"""One upload: announced, sent, compared."""

from typing import Any

from storage_service.client._async import io
from storage_service.client._async.connection import AsyncConnection
from storage_service.client._async.resumable import AsyncResumable
from storage_service.client.digests import HEADERS, Digest
from storage_service.client.errors import (
    ChecksumMismatch,
    Conflict,
    ConnectionFailed,
    NotFound,
    PreconditionFailed,
    ServiceUnavailable,
)
from storage_service.client.models import FileInfo
from storage_service.client.options import PutOptions
from storage_service.client.source import Data, Source, source_of
from storage_service.client.tus import is_resumable
from storage_service.client.wire import (
    Call,
    is_conditional,
    must_be_new,
    path_of,
    pause_seconds,
    put_headers,
)

LOOK_FIRST_BYTES = 1024 * 1024


class AsyncUpload:
    """Of one key's bytes, on these terms."""

    def __init__(self, connection: AsyncConnection, bucket: str, key: str, options: PutOptions) -> None:
        self._connection = connection
        self._bucket = bucket
        self._key = key
        self._options = options
        self._algorithm = options.get("checksum", "sha256")

    async def send(self, data: Data) -> FileInfo:
        """Raises: Conflict, PreconditionFailed, ChecksumMismatch, ConnectionFailed and what else the service says."""
        headers = put_headers(self._options)
        source = await io.in_thread(source_of, data)
        await self._look_first(source)
        if is_resumable(source, self._options):
            return await AsyncResumable(self._connection, self._bucket, self._key, self._options).send(source)
        digest = ""
        if not source.rewindable:
            source.passing = Digest(self._algorithm)
        elif self._algorithm != "none":
            digest = await io.in_thread(source.digest, self._algorithm)
            headers[HEADERS[self._algorithm]] = digest
        call = Call(
            "PUT",
            path_of("files", "upload-direct", self._bucket, key=self._key),
            headers=headers,
            source=source,
            progress=self._options.get("progress"),
            repeatable=not is_conditional(self._options),
        )
        return self._checked(FileInfo.parse(await self._sent(call, digest)), source)

    async def _look_first(self, source: Source) -> None:
        """Before much is hashed and sent in vain; the service decides. Raises: Conflict."""
        if not must_be_new(self._options) or (source.size or 0) < LOOK_FIRST_BYTES:
            return
        path = path_of("files", "info", self._bucket, key=self._key)
        try:
            await self._connection.answer(Call("GET", path))
        except NotFound:
            return
        raise _taken(self._key)

    async def _sent(self, call: Call, digest: str) -> Any:
        """The answer. A conditional write is repeated only when it is known that it has not happened."""
        attempt = 0
        while True:
            try:
                return await self._connection.json(call)
            except PreconditionFailed as error:
                if must_be_new(self._options):
                    raise _taken(self._key, error.request_id) from None
                raise
            except (ConnectionFailed, ServiceUnavailable) as error:
                if call.repeatable or not digest or attempt >= self._connection.retries:
                    raise
                if (stored := await self._stored(digest)) is not None:
                    return stored
                await io.pause(pause_seconds(attempt, error))
            attempt += 1

    async def _stored(self, digest: str) -> Any:
        """What the service has, if it is just these bytes: then the answer was lost, not the upload."""
        try:
            record = await self._connection.json(Call("GET", path_of("files", "info", self._bucket, key=self._key)))
        except NotFound:
            return None
        return record if record["checksums"][self._algorithm] == digest else None

    def _checked(self, info: FileInfo, source: Source) -> FileInfo:
        """Raises: ChecksumMismatch if what passed is not what was stored."""
        found = "" if source.passing is None else source.passing.text()
        stored = info.sha256 if self._algorithm == "sha256" else info.crc64nvme
        if found and stored and found != stored:
            raise ChecksumMismatch(f"{self._algorithm} of {self._key!r} is {stored}, sent was {found}")
        return info


def _taken(key: str, request_id: str = "") -> Conflict:
    return Conflict(f"{key!r} exists already", status=409, code="key_already_exists", request_id=request_id)
