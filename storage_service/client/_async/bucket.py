"""What can be done with one bucket's files."""

import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal, Unpack, overload

from storage_service.client._async import io
from storage_service.client._async.connection import AsyncConnection
from storage_service.client._async.download import PART_BYTES, AsyncFetching, AsyncParallel
from storage_service.client._async.listing import AsyncListing
from storage_service.client._async.object import AsyncObject, open_object
from storage_service.client._async.upload import AsyncUpload
from storage_service.client.errors import InvalidRequest, NotFound, PartialFailure, PreconditionFailed, error_of
from storage_service.client.models import FileInfo, Prefix, SignedLink, UploadPolicy, VersionInfo
from storage_service.client.options import FileFields, PutOptions, check_options
from storage_service.client.source import Data, Progress
from storage_service.client.wire import Call, Sort, path_of, quoted_tag, range_header, signed_link

MAX_BULK_KEYS = 1000
TRIES = 3  # of a download whose file is replaced meanwhile
HOUR = timedelta(hours=1)
Span = tuple[int, int | None]


class AsyncBucket:
    """A bucket by name or id. Making one of these asks the service nothing."""

    def __init__(self, connection: AsyncConnection, name: str) -> None:
        self._connection = connection
        self.name = name

    def __repr__(self) -> str:
        return f"<bucket {self.name!r} at {self._connection.url}>"

    # ------------------------------------------------------------------------------ writing
    async def put(self, key: str, data: Data, **options: Unpack[PutOptions]) -> FileInfo:
        """Store bytes, a `Path`, an open binary file or an iterator under a new key; `upsert=True` may replace.

        `if_match` replaces that version only. `checksum` (`sha256`, `crc64nvme`, `none`) of bytes and files is
        announced, so that what differs is never stored; of an iterator it is compared afterwards.
        `progress(sent, size)` is called along the way. From 64 MiB on bytes and files go in pieces, and a connection
        that broke costs a piece at most; `resumable` says so of others, or forbids it. A mapping `resume`, kept
        between two processes, lets the second go on with a file where the first ended.
        Raises: Conflict if the key is taken, PreconditionFailed, ChecksumMismatch, TooLarge, QuotaExceeded ...
        """
        return await AsyncUpload(self._connection, self.name, key, options).send(data)

    async def copy(
        self,
        key: str,
        to_key: str,
        *,
        to_bucket: str | None = None,
        overwrite: bool = False,
        metadata: Mapping[str, Any] | None = None,
    ) -> FileInfo:
        """A copy, made by the service. Raises: NotFound, Conflict if the target is taken."""
        body = self._places(key, to_key, to_bucket, overwrite)
        return FileInfo.parse(await self._post("copy", body | ({} if metadata is None else {"metadata": metadata})))

    async def move(self, key: str, to_key: str, *, to_bucket: str | None = None, overwrite: bool = False) -> FileInfo:
        """The file under another key, with its id. Raises: NotFound, Conflict if the target is taken."""
        return FileInfo.parse(await self._post("move", self._places(key, to_key, to_bucket, overwrite)))

    async def delete(self, *keys: str, version_id: str | None = None, purge: bool = False) -> None:
        """Delete one or many; `purge` skips the trash. Raises: NotFound of one, PartialFailure of many."""
        if len(keys) == 1:
            params = _given(version_id=version_id, purge="true" if purge else None)
            await self._connection.answer(Call("DELETE", path_of("files", self.name, key=keys[0]), params))
            return
        if version_id is not None:
            raise InvalidRequest("version_id names a version of one key")
        failures = {}
        for start in range(0, len(keys), MAX_BULK_KEYS):
            some = {"bucket": self.name, "keys": list(keys[start : start + MAX_BULK_KEYS]), "purge": purge}
            for result in (await self._post("delete", some, repeatable=True))["results"]:
                if result["status"] >= FIRST_ERROR:
                    failures[result["key"]] = error_of(result["status"], {}, json.dumps(result).encode())
        if failures:
            raise PartialFailure(failures)

    async def restore(self, key: str, version_id: str | None = None) -> FileInfo:
        """Bring a deleted file or an older version back. Raises: NotFound."""
        call = Call("POST", path_of("files", "restore", self.name, key=key), json=_given(version_id=version_id))
        return FileInfo.parse(await self._connection.json(call))

    async def update(
        self, key: str, *, replace: bool = False, if_match: str | None = None, **fields: Unpack[FileFields]
    ) -> FileInfo:
        """Change what is said of a file: `metadata`, `tags`, `content_type`, `cache_control`, `expires_at` ...

        Metadata is merged, None takes a name out; `replace=True` makes it exactly what is given.
        Raises: NotFound, PreconditionFailed if it is no longer `if_match`.
        """
        check_options("update", fields, FileFields)
        headers = {} if if_match is None else {"if-match": quoted_tag(if_match)}
        said = {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in fields.items()}
        path = path_of("files", "metadata", self.name, key=key)
        call = Call("PUT" if replace else "PATCH", path, headers=headers, json=said, repeatable=if_match is None)
        return FileInfo.parse(await self._connection.json(call))

    # ------------------------------------------------------------------------------ reading
    async def get(
        self,
        key: str,
        *,
        range: Span | None = None,
        if_none_match: str | None = None,
        version_id: str | None = None,
        progress: Progress | None = None,
    ) -> AsyncObject:
        """A file to read; `range` is a half-open span of bytes, (-n, None) the last n.

        Raises: NotFound, NotModified, InvalidRequest for a span outside of it.
        """
        headers = _given(
            range=None if range is None else range_header(range),
            if_none_match=None if if_none_match is None else quoted_tag(if_none_match),
        )
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        call = Call("GET", self._download(key), _given(version_id=version_id), named, progress=progress)
        return await open_object(self._connection, call)

    async def get_ranges(self, key: str, ranges: Sequence[Span], *, at_once: int = 4) -> list[bytes]:
        """Bytes of each span, all of one version. Raises: NotFound, PreconditionFailed if it was replaced meanwhile."""
        info = await self.head(key)
        return await io.run_all([partial(self._range, key, info.etag, span) for span in ranges], at_once)

    async def download(
        self,
        key: str,
        path: os.PathLike[str] | str,
        *,
        at_once: int = 4,
        part_bytes: int = PART_BYTES,
        progress: Progress | None = None,
    ) -> FileInfo:
        """Write it to this path in parallel ranges, all of it, compared with its checksum, or leave the path alone.

        Raises: NotFound, ChecksumMismatch, ConnectionFailed.
        """
        how = AsyncParallel(at_once, part_bytes, progress)
        for left in reversed(range(TRIES)):
            info = await self.head(key)
            try:
                await AsyncFetching(self._connection, self._download(key), info, how).to(Path(path))
            except PreconditionFailed:  # replaced meanwhile: the new one, from its start
                if not left:
                    raise
            else:
                return info
        raise NotFound(key)

    async def head(self, key: str, *, version_id: str | None = None) -> FileInfo:
        """What is known of a file. Raises: NotFound."""
        call = Call("GET", path_of("files", "info", self.name, key=key), _given(version_id=version_id))
        return FileInfo.parse(await self._connection.json(call))

    async def exists(self, key: str) -> bool:
        try:
            await self.head(key)
        except NotFound:
            return False
        return True

    async def versions(self, key: str, *, trash: bool = False) -> list[VersionInfo]:
        """Newest first. Raises: NotFound."""
        call = Call("GET", path_of("files", "versions", self.name, key=key), {"trash": "true"} if trash else {})
        return [VersionInfo.parse(record) for record in await self._connection.json(call)]

    @overload
    def list(
        self, prefix: str = "", *, start_after: str = "", sort: Sort = "name", search: str = ""
    ) -> AsyncIterator[FileInfo]: ...
    @overload
    def list(self, prefix: str = "", *, delimiter: str, start_after: str = "") -> AsyncIterator[FileInfo | Prefix]: ...
    def list(
        self, prefix: str = "", *, delimiter: str = "", start_after: str = "", sort: Sort = "name", search: str = ""
    ) -> AsyncIterator[Any]:
        """Files in the byte order of their keys, page after page as they are needed.

        `delimiter` rolls keys up to it into a `Prefix`. `search` and another `sort` (`-` = descending) are for people:
        they get slower with size. Raises: NotFound.
        """
        params = _given(prefix=prefix or None, delimiter=delimiter or None, search=search or None)
        order = {} if sort == "name" else {"sort": sort.lstrip("-"), "order": "desc" if sort[0] == "-" else "asc"}
        start = {"start_after": start_after} if start_after else {}
        return AsyncListing(self._connection, self.name, {**params, **order}).entries(start)

    async def walk(self, prefix: str = "") -> AsyncIterator[tuple[str, Sequence[str], Sequence[FileInfo]]]:
        """As `os.walk`: for each prefix what lies below it: prefixes, files. Raises: NotFound."""
        waiting = [prefix]
        while waiting:
            here = waiting.pop()
            entries = [entry async for entry in self.list(here, delimiter="/")]
            below = [entry.name for entry in entries if isinstance(entry, Prefix)]
            yield here, below, [entry for entry in entries if isinstance(entry, FileInfo)]
            waiting += reversed(below)

    # ------------------------------------------------------------------------------ links
    @overload
    async def sign(  # type: ignore[overload-overlap]  # a str is a sequence of str, too
        self,
        keys: str,
        *,
        method: Literal["GET", "PUT"] = "GET",
        expires: timedelta = HOUR,
        inline: bool = False,
    ) -> SignedLink: ...
    @overload
    async def sign(
        self,
        keys: Sequence[str],
        *,
        method: Literal["GET", "PUT"] = "GET",
        expires: timedelta = HOUR,
        inline: bool = False,
    ) -> Sequence[SignedLink]: ...
    async def sign(
        self,
        keys: str | Sequence[str],
        *,
        method: Literal["GET", "PUT"] = "GET",
        expires: timedelta = HOUR,
        inline: bool = False,
    ) -> SignedLink | Sequence[SignedLink]:
        """Links that need no credential: to download (the browser shows it with `inline`), or to upload (PUT)."""
        if not isinstance(keys, str):
            works = [partial(self.sign, key, method=method, expires=expires, inline=inline) for key in keys]
            return await io.run_all(works, 4)
        if method == "PUT":
            return await self.sign_upload(keys, UploadPolicy(expires=expires))
        asked = {"expires_in_seconds": int(expires.total_seconds()), "disposition": "inline" if inline else None}
        return await self._sign("download", keys, asked)

    async def sign_upload(self, key: str, policy: UploadPolicy | None = None) -> SignedLink:
        """A link that uploads to this key, on these terms."""
        return await self._sign("upload", key, (policy or UploadPolicy()).record())

    def public_url(self, key: str) -> str:
        """The permanent link. It reads for everybody where the bucket is public."""
        return self._connection.url + path_of("storage", self.name, key=key)

    # ------------------------------------------------------------------------------ words
    def _download(self, key: str) -> str:
        return path_of("files", "download", self.name, key=key)

    def _places(self, key: str, to_key: str, to_bucket: str | None, overwrite: bool) -> dict[str, Any]:
        target = {"bucket": to_bucket or self.name, "key": to_key}
        return {"source": {"bucket": self.name, "key": key}, "target": target, "overwrite": overwrite}

    async def _post(self, verb: str, body: Mapping[str, Any], *, repeatable: bool = False) -> Any:
        return await self._connection.json(Call("POST", path_of("files", verb), json=body, repeatable=repeatable))

    async def _range(self, key: str, etag: str, span: Span) -> bytes:
        headers = {"range": range_header(span), "if-match": quoted_tag(etag)}
        found = await open_object(self._connection, Call("GET", self._download(key), headers=headers))
        return await found.read()

    async def _sign(self, verb: str, key: str, asked: Mapping[str, Any]) -> SignedLink:
        call = Call("POST", path_of("files", "presigned-url", verb, self.name, key=key), json=asked)
        return signed_link(await self._connection.json(call))


FIRST_ERROR = 400


def _given(**values: str | None) -> dict[str, str]:
    return {name: value for name, value in values.items() if value is not None}
