"""Origins as S3 servers: objects fetched in threads of their own, secrets sealed as those of access keys are."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from storage_service.app.backends.disk import Disk
from storage_service.app.backends.records import Records
from storage_service.app.backends.sealing import SealBroken, Sealer
from storage_service.app.backends.volume import Layout
from storage_service.app.core.errors import BackendUnavailable
from storage_service.app.core.objects import Attributes
from storage_service.app.core.origins import Origin
from storage_service.remote import Body, Endpoint, Refused, RemoteError, S3Server
from storage_service.remote.errors import parse_xml

log = logging.getLogger(__name__)

THREADS = 32  # one fetch takes one; more wait
TIMEOUT_SECONDS = 20.0  # of one wait: whoever asked for the object waits, too
TRIES = 4
METADATA = "x-amz-meta-"
TEXTS = {
    "content-type": "content_type",
    "cache-control": "cache_control",
    "content-disposition": "content_disposition",
    "content-encoding": "content_encoding",
    "content-language": "content_language",
    "expires": "expires",
    "x-amz-website-redirect-location": "website_redirect",
}
Result = TypeVar("Result")


class S3Arriving:
    """The core's `Arriving`: a body of the origin, read in the pool."""

    def __init__(self, body: Body, attributes: Attributes, pool: ThreadPoolExecutor) -> None:
        self._body = body
        self._pieces: Iterator[bytes] = body.pieces()
        self._pool = pool
        self.attributes = attributes
        self.size = body.size
        self.etag = body.etag

    async def body(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        while piece := await loop.run_in_executor(self._pool, self._next):
            yield piece

    def _next(self) -> bytes:
        try:
            return next(self._pieces, b"")
        except RemoteError as error:
            raise gone(error) from None

    def close(self) -> None:
        self._body.close()


class S3Origins:
    """The core's `Origins`. `seal` and `open` use the key file of the store."""

    def __init__(self, layout: Layout) -> None:
        disk = Disk()
        self._records = Records(layout, disk)
        self._sealer = Sealer(layout.secrets_key, disk)
        self._pool = ThreadPoolExecutor(THREADS, "origin")
        self._servers: dict[Origin, tuple[S3Server, S3Server]] = {}

    async def fetch(self, origin: Origin, key: str) -> S3Arriving | None:
        return await self._run(self._fetch, origin, key)

    def _fetch(self, origin: Origin, key: str) -> S3Arriving | None:
        server, aside = self._servers_of(origin)
        try:
            body = server.lone(origin.bucket, origin.prefix + key)
        except Refused as error:
            if error.code in {"NoSuchKey", "NotFound"} or error.status == 404:  # noqa: PLR2004
                return None
            raise
        try:
            return S3Arriving(body, self._attributes(aside, origin, key, body), self._pool)
        except BaseException:
            body.close()
            raise

    def _attributes(self, aside: S3Server, origin: Origin, key: str, body: Body) -> Attributes:
        headers = body.headers
        said = {field: headers[name] for name, field in TEXTS.items() if headers.get(name)}
        metadata = {name.removeprefix(METADATA): text for name, text in headers.items() if name.startswith(METADATA)}
        tags: dict[str, str] = {}
        if headers.get("x-amz-tagging-count", "0") != "0":
            root = parse_xml(aside.ask("GET", origin.bucket, origin.prefix + key, {"tagging": ""}))
            tags = {node.findtext("Key") or "": node.findtext("Value") or "" for node in root.iter("Tag")}
        return Attributes(metadata=metadata, tags=tags, **said)  # type: ignore[arg-type]

    async def page(self, origin: Origin, after: str, limit: int) -> list[tuple[str, int, str]]:
        return await self._run(self._page, origin, after, limit)

    def _page(self, origin: Origin, after: str, limit: int) -> list[tuple[str, int, str]]:
        query = {"list-type": "2", "encoding-type": "url", "prefix": origin.prefix, "max-keys": str(limit)}
        if after:
            query["start-after"] = origin.prefix + after
        page = next(self._servers_of(origin)[0].pages(origin.bucket, query))
        return [(one.key.removeprefix(origin.prefix), one.size, one.etag) for one in page.entries]

    async def _run(self, call: Callable[..., Result], *values: object) -> Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, call, *values)
        except RemoteError as error:
            raise gone(error) from None
        except SealBroken as error:
            raise BackendUnavailable(f"The origin's secret cannot be read: {error}") from None

    def _servers_of(self, origin: Origin) -> tuple[S3Server, S3Server]:
        """One for bodies, one for questions while a body is read."""
        found = self._servers.get(origin)
        if found is None:
            secret = self._sealer.open(origin.secret, _place(origin.bucket_id)) if origin.secret else ""
            endpoint = Endpoint(origin.url, origin.access_key, secret, origin.region)
            found = S3Server(endpoint, TIMEOUT_SECONDS, TRIES), S3Server(endpoint, TIMEOUT_SECONDS, TRIES)
            self._servers[origin] = found
        return found

    def seal(self, bucket_id: str, secret: str) -> str:
        with self._records.locked():
            return self._sealer.seal(secret, _place(bucket_id)) if secret else ""

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        for servers in self._servers.values():
            for server in servers:
                server.close()


def gone(error: RemoteError) -> BackendUnavailable:
    """What the origin said is for the log: whoever reads an object need not know of it."""
    log.warning("an origin does not give what it is asked for: %s", error)
    return BackendUnavailable("What has not arrived yet cannot be fetched: the bucket's origin does not answer")


def _place(bucket_id: str) -> str:
    return f"origin/{bucket_id}"
