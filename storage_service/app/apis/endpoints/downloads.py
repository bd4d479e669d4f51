"""Objects to readers: download, view, permanent and signed links. GET and HEAD, plain ASGI."""

import time
from typing import NamedTuple

from storage_service.app.apis.context import Context
from storage_service.app.apis.endpoints.download_head import (
    ATTACHMENT,
    PERMANENT,
    SIGNED_INLINE,
    VIEW,
    Style,
    not_modified_headers,
    render_head,
)
from storage_service.app.apis.hot import Target
from storage_service.app.apis.resolve import no_such_version
from storage_service.app.core import protection
from storage_service.app.core.downloads import Download, Precheck
from storage_service.app.core.errors import NoSuchBucket, NoSuchKey, NoSuchVersion, NotModified, StorageError
from storage_service.app.core.gate import Passage, pass_gate, same_as
from storage_service.app.core.links import LinkGrant
from storage_service.app.core.objects import Bucket, Span, Version, is_uuid
from storage_service.app.core.security import Principal, authorize
from storage_service.app.edge.accel import keep
from storage_service.app.edge.conditions import Conditions, check, if_range_holds, parse_conditions
from storage_service.app.edge.deliver import deliver
from storage_service.app.edge.facts import facts_of
from storage_service.app.edge.ranges import content_range, parse_range
from storage_service.app.edge.request import Request
from storage_service.app.edge.respond import send_empty

UUID_CHARS = 36


class Asked(NamedTuple):
    """Who asks for what."""

    request: Request
    principal: Principal
    target: Target
    version_id: str | None
    guard: "Guard | None"


class Guard:
    """Checks the request's conditions against the version found, before a byte of it is read."""

    __slots__ = ("bucket", "conditions", "method", "version")

    def __init__(self, conditions: Conditions, method: str) -> None:
        self.conditions = conditions
        self.method = method
        self.bucket: Bucket | None = None
        self.version: Version | None = None

    def __call__(self, version: Version) -> None:
        self.version = version
        check(self.conditions, version.etag, version.at_ms, self.method)


def _prechecks(decided: Version | None, guard: Guard | None) -> Precheck | None:
    """What must hold of the version found, before a byte of it is read."""
    if decided is None:
        return guard

    def check_both(version: Version) -> None:
        same_as(decided, version)
        if guard is not None:
            guard(version)

    return check_both


class Downloads:
    """The handlers of all routes that send an object's bytes."""

    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._access = context.access
        self._links = context.links
        self._rules = context.rules
        self._locate = context.locate

    async def attachment(self, request: Request, target: Target) -> None:
        principal = await self._access.resolve(request.scope["headers"])
        await self._serve(request, target, principal, ATTACHMENT)

    async def view(self, request: Request, target: Target) -> None:
        principal = await self._access.resolve(request.scope["headers"])
        await self._serve(request, target, principal, VIEW)

    async def permanent(self, request: Request, target: Target) -> None:
        principal = await self._access.resolve(request.scope["headers"])
        await self._serve(request, target, principal, PERMANENT)

    async def signed(self, request: Request, target: Target) -> None:
        # The link is the credential: headers, even stale ones, have no say (contract §5).
        grant = self._links.verify(target.token, time.time())
        style = SIGNED_INLINE if grant.disposition == "inline" else ATTACHMENT
        await self._serve(request, target, grant.principal, style, grant)

    async def _serve(
        self, request: Request, target: Target, principal: Principal, style: Style, grant: LinkGrant | None = None
    ) -> None:
        conditions = parse_conditions(request)
        guard = None if conditions is None else Guard(conditions, request.method)
        version_id = request.query.get("version_id") or None
        try:
            bucket, found = await self._open(Asked(request, principal, target, version_id, guard))
        except NotModified:
            if guard is None or guard.bucket is None or guard.version is None:
                raise
            await send_empty(request.send, 304, not_modified_headers(guard.version, guard.bucket, style))
            return
        if isinstance(found, Download):
            if grant is not None and grant.once is not None:
                keep(request)
                await self._use(grant.once, grant.expires_at, found)
            await _send(request, bucket, found, style)
        else:
            await _send_head(request, bucket, found, style)

    async def _use(self, once: str, expires_at: int, download: Download) -> None:
        """Use the link up: only for a file that is there, and not for a HEAD. Raises: LinkUsed."""
        try:
            await self._store.use_once(once, expires_at * 1000)
        except BaseException:
            download.close()
            raise

    async def _open(self, asked: Asked) -> tuple[Bucket, Download | Version]:
        """What the path names by key, else by file id: an exact name wins. A HEAD opens no file."""
        bucket: Bucket | None = None
        try:
            bucket = await self._store.bucket(asked.target.bucket)
            return bucket, await self._read(asked, bucket, asked.target.key)
        except (NoSuchBucket, NoSuchKey, NoSuchVersion) as error:
            named = await self._by_id(asked, bucket)
            if named is None:
                raise _in_words(error, asked, bucket) from None
        bucket, key = named
        return bucket, await self._read(asked, bucket, key)

    async def _read(self, asked: Asked, bucket: Bucket, key: str) -> Download | Version:
        # Before the look-up: who may not read must not learn what is there.
        decided = await self._admit(asked, bucket, key)
        guard = asked.guard
        if guard is not None:
            guard.bucket = bucket
        if asked.request.method != "HEAD":
            return await self._store.get_object(bucket, key, asked.version_id, _prechecks(decided, guard))
        version = await self._store.head_object(bucket, key, asked.version_id)
        same_as(decided, version)
        if guard is not None:
            guard(version)
        return version

    async def _admit(self, asked: Asked, bucket: Bucket, key: str) -> Version | None:
        """The version whose own ACL or tags let the caller in, if they did. Raises: Unauthenticated, AccessDenied."""
        if bucket.options.public and not bucket.options.config:  # hot: nothing of the object can change the answer
            authorize(asked.principal, "read_object", bucket, key, self._rules)
            return None
        asking = protection.Asked(facts=facts_of(asked.request))
        passage = Passage(asked.principal, "read_object", bucket, key, asked.version_id, self._rules, asking)
        return await pass_gate(self._store, passage)

    async def _by_id(self, asked: Asked, bucket: Bucket | None) -> tuple[Bucket, str] | None:
        """Bucket and key of a file named by its id: ours, or one the backend knows.

        Raises: NoSuchBucket, if the backend names one that is not here.
        """
        file_id = asked.target.key
        # A link names a key and nothing else.
        if asked.principal.scope or len(file_id) != UUID_CHARS or not is_uuid(file_id):
            return None
        if bucket is not None:
            version = await self._store.find_file(bucket, file_id.lower())
            if version is not None:
                return bucket, version.key
        if self._locate is None:
            return None
        place = await self._locate(file_id, asked.request.scope["headers"])
        return None if place is None else (await self._store.bucket(place[0]), place[1])


def _in_words(error: StorageError, asked: Asked, bucket: Bucket | None) -> StorageError:
    if bucket is None or asked.version_id is None:
        return error
    return no_such_version(bucket, asked.target.key, asked.version_id)


async def _send(request: Request, bucket: Bucket, download: Download, style: Style) -> None:
    """The whole, or the range that was asked for; the download is closed. Raises: InvalidRange."""
    version = download.version
    try:
        span = _range(request, version)
        headers = render_head(version, bucket, style, request.query)
    except BaseException:
        download.close()
        raise
    if span is None:
        await deliver(request, 200, headers, download, Span(0, version.size))
        return
    headers.append((b"content-range", content_range(span, version.size)))
    await deliver(request, 206, headers, download, span)


def _range(request: Request, version: Version) -> Span | None:
    """The span to send alone; None = the whole."""
    header = request.header(b"range")
    if header is None:
        return None
    if not if_range_holds(request.header(b"if-range"), version.etag, version.at_ms):
        return None
    return parse_range(header, version.size)


async def _send_head(request: Request, bucket: Bucket, version: Version, style: Style) -> None:
    """The answer of GET without its bytes; Range counts for GET only (RFC 9110 §14.2)."""
    headers = render_head(version, bucket, style, request.query)
    headers.append((b"content-length", b"%d" % version.size))
    await request.send({"type": "http.response.start", "status": 200, "headers": headers})
    await request.send({"type": "http.response.body", "body": b""})
