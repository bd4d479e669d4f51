"""Websites: buckets with a website configuration, to visitors. Index and error documents, and redirects.

A visitor is a GET or HEAD that nobody signed and whose query, if it has one, says nothing to S3; whoever asks in S3's
words (`list-type`, `versionId` …) or signs means S3's own answer.
Source: AWS "Hosting a static website using Amazon S3".
"""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from storage_service.app.core.errors import AccessDenied, NoSuchKey, NoSuchVersion, StorageError, Unauthenticated
from storage_service.app.core.gate import find_bucket
from storage_service.app.core.objects import Span, Version
from storage_service.app.edge.deliver import deliver
from storage_service.app.edge.names import quote_key
from storage_service.app.edge.request import Request
from storage_service.app.edge.respond import send_empty
from storage_service.app.s3 import get
from storage_service.app.s3.answers import s3_status_of
from storage_service.app.s3.auth.caller import Caller
from storage_service.app.s3.context import Call
from storage_service.app.s3.head import render_head, sane
from storage_service.app.s3.operation import Operation
from storage_service.app.s3.operations import PARAMETERS, SUBRESOURCES

METHODS = frozenset({"GET", "HEAD"})
WORDS = SUBRESOURCES | PARAMETERS
MOVED, FOUND, NOT_FOUND = 301, 302, 404
VISIT = Operation("GET", "object", "", "GetObject", "read_object", get.get_object)


def is_visit(request: Request, caller: Caller) -> bool:
    return (
        request.method in METHODS
        and not caller.access_key
        and caller.principal.kind == "anonymous"
        and (not request.scope.get("query_string") or WORDS.isdisjoint(request.query))
    )


async def site_of(call: Call) -> Mapping[str, Any] | None:
    """The website configuration of the bucket that is named; None where there is none."""
    bucket = await find_bucket(call.store, call.target.bucket)
    found: Mapping[str, Any] | None = None if bucket is None else bucket.options.config.get("website")
    return found


async def serve(call: Call, site: Mapping[str, Any]) -> None:
    """Raises: what refuses the object, where neither a rule nor an error document answers for it."""
    key = call.target.key
    redirect = site.get("redirect_all") or _rule_for(site, key, None)
    if redirect is not None:
        return await _redirect(call, redirect, key, _prefix_of(site, redirect))
    if _lacks_slash(call):
        return await send_empty(call.request.send, FOUND, ((b"location", _place(call, "")),))
    try:
        await _page(call, site)
    except StorageError as error:
        await _answer_fault(call, site, error)
    return None


def _lacks_slash(call: Call) -> bool:
    """Whether a browser asked for the bucket itself without a slash: what a page names would be beside the bucket."""
    bare = not call.target.hosted and not call.target.key and not call.request.raw_path.endswith(b"/")
    return bare and b"text/html" in call.request.headers.get(b"accept", b"")


async def _page(call: Call, site: Mapping[str, Any]) -> None:
    key = call.target.key
    page = _call_for(call, key + site["index"] if not key or key.endswith("/") else key)
    version = await _readable(page)
    location = sane(orjson.loads(version.doc).get("website_redirect"))
    if location:
        await send_empty(call.request.send, MOVED, ((b"location", location),))
    elif call.request.method == "HEAD":
        await get.head_object(page)
    else:
        await get.get_object(page)


async def _readable(call: Call) -> Version:
    """Raises: AccessDenied, NoSuchKey."""
    await call.admit()
    return await call.store.head_object(call.bucket, call.key)


def _call_for(call: Call, key: str) -> Call:
    return Call(call.context, call.request, call.target._replace(key=key), VISIT, call.caller)


async def _answer_fault(call: Call, site: Mapping[str, Any], error: StorageError) -> None:
    status, key = s3_status_of(error), call.target.key
    redirect = _rule_for(site, key, status)
    if redirect is not None:
        return await _redirect(call, redirect, key, _prefix_of(site, redirect))
    if status == NOT_FOUND and key and not key.endswith("/") and await _exists(call, f"{key}/{site['index']}"):
        return await send_empty(call.request.send, FOUND, ((b"location", _place(call, key + "/")),))
    if "error" not in site or not isinstance(error, (AccessDenied, NoSuchKey, NoSuchVersion, Unauthenticated)):
        raise error
    return await _error_document(_call_for(call, site["error"]), status, error)


async def _exists(call: Call, key: str) -> bool:
    try:
        await _readable(_call_for(call, key))
    except StorageError:
        return False
    return True


async def _error_document(call: Call, status: int, error: StorageError) -> None:
    try:
        version = await _readable(call)
        if call.request.method == "HEAD":
            length = (b"content-length", b"%d" % version.size)
            headers = [length, *render_head(call, version, call.bucket)]
            await call.request.send({"type": "http.response.start", "status": status, "headers": headers})
            await call.request.send({"type": "http.response.body", "body": b""})
            return
        download = await call.store.get_object(call.bucket, call.key)
    except (AccessDenied, NoSuchKey, Unauthenticated):
        raise error from None
    headers = render_head(call, download.version, call.bucket)
    await deliver(call.request, status, headers, download, Span(0, download.version.size))


# Redirects ----------------------------------------------------------------------------------------------------------


def _rule_for(site: Mapping[str, Any], key: str, status: int | None) -> Mapping[str, Any] | None:
    """The redirect of the first rule that fits: before the look-up (`status` None), or after one that failed."""
    for rule in _rules(site):
        condition = rule.get("condition", {})
        if condition.get("status") == status and key.startswith(condition.get("prefix", "")):
            found: Mapping[str, Any] = rule["redirect"]
            return found
    return None


def _rules(site: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    found: Iterable[Mapping[str, Any]] = site.get("rules", ())
    return found


def _prefix_of(site: Mapping[str, Any], redirect: Mapping[str, Any]) -> str:
    """The prefix in the condition of the redirect's rule."""
    return next(
        (str(rule.get("condition", {}).get("prefix", "")) for rule in _rules(site) if rule["redirect"] is redirect), ""
    )


async def _redirect(call: Call, redirect: Mapping[str, Any], key: str, prefix: str) -> None:
    if "key" in redirect:
        key = redirect["key"]
    elif "prefix" in redirect:
        key = redirect["prefix"] + key[len(prefix) :]
    location = _place(call, key)
    host = redirect.get("host") or (call.request.header(b"host") if "scheme" in redirect else None)
    if redirect.get("host"):
        location = b"/" + _quoted(key)
    if host:
        scheme = redirect.get("scheme") or call.request.scope.get("scheme", "http")
        location = f"{scheme}://{host}".encode("latin-1", "replace") + location
    await send_empty(call.request.send, redirect.get("code", MOVED), ((b"location", location),))


def _place(call: Call, key: str) -> bytes:
    """The path of a key in this bucket, as this visitor writes it."""
    target = call.target
    return b"/" + _quoted(key) if target.hosted else f"/{target.bucket}/".encode() + _quoted(key)


def _quoted(key: str) -> bytes:
    """Never a second slash at the start: a browser would take what follows for a host."""
    quoted = quote_key(key)
    return (f"%2F{quoted[1:]}" if quoted.startswith("/") else quoted).encode()
