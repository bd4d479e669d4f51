"""Requests signed by botocore, an authenticator with one key, and a clock that stands still."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import botocore.auth
import botocore.compat
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from storage_service.app.core.keys import AccessKey, Keyring
from storage_service.app.edge.request import Message, Request
from storage_service.app.s3.auth.authenticate import Authenticator, AuthOptions
from storage_service.app.s3.auth.caller import Caller
from storage_service.app.s3.auth.failures import FailureLog
from storage_service.app.s3.auth.names import PublicNames

# Source: the credentials of AWS's documentation.
ACCESS_KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
HOST = "files.example.org"
NOW = datetime(2026, 5, 24, 12, 0, 0, tzinfo=UTC)

V4 = botocore.auth.S3SigV4Auth
V4_URL = botocore.auth.S3SigV4QueryAuth
V2 = botocore.auth.HmacV1Auth
V2_URL = botocore.auth.HmacV1QueryAuth


class NoRecords:
    """A ring of the root key alone."""

    def all(self) -> list[AccessKey]:
        return []

    def add(self, key: AccessKey) -> None:
        raise NotImplementedError

    def replace(self, key: AccessKey) -> None:
        raise NotImplementedError

    def generation(self) -> int:
        return 0

    def last_used(self) -> Mapping[str, int]:
        return {}

    def note_used(self, used: Mapping[str, int]) -> None:
        raise NotImplementedError


def ring(access_key: str = ACCESS_KEY, secret: str = SECRET) -> Keyring:
    return Keyring(NoRecords(), AccessKey(access_key, secret, "@service"))


async def open_ring() -> Keyring:
    """That has read its keys."""
    made = ring()
    await made.refresh()
    return made


def authenticator(*urls: str, now: datetime = NOW, failures: FailureLog | None = None, **options: Any) -> Authenticator:
    failed = failures.note if failures else None
    chosen = AuthOptions(now=now.timestamp, failed=failed, **options)
    return Authenticator(ring(), PublicNames(urls), chosen)


def at(monkeypatch: Any, moment: datetime) -> None:
    """botocore's clock."""

    def current(remove_tzinfo: bool = True) -> datetime:
        return moment.replace(tzinfo=None) if remove_tzinfo else moment

    monkeypatch.setattr(botocore.auth, "get_current_datetime", current)
    monkeypatch.setattr(botocore.auth, "formatdate", lambda usegmt: moment.strftime("%a, %d %b %Y %H:%M:%S GMT"))
    monkeypatch.setattr(botocore.auth.time, "time", moment.timestamp)


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(_: Message) -> None:
    raise AssertionError("nothing is answered here")


def request_of(method: str, target: bytes, headers: Mapping[str, str | bytes], client: str = "127.0.0.1") -> Request:
    path, _, query = target.partition(b"?")
    return Request(
        {
            "type": "http",
            "method": method,
            "raw_path": path,
            "query_string": query,
            "headers": [
                (name.lower().encode(), value if isinstance(value, bytes) else value.encode())
                for name, value in headers.items()
            ],
            "client": (client, 50_000),
        },
        _receive,
        _send,
    )


def sign(
    auth: Any,
    method: str = "GET",
    url: str = f"http://{HOST}/bucket/key",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    *,
    access_key: str = ACCESS_KEY,
    secret: str = SECRET,
    region: str = "us-east-1",
    **options: Any,
) -> AWSRequest:
    """What botocore would send."""
    made = AWSRequest(method, url, headers=dict(headers or {}), data=body)
    credentials = Credentials(access_key, secret)
    signer = (
        auth(credentials, "s3", region, **options)
        if issubclass(auth, botocore.auth.SigV4Auth)
        else auth(credentials, **options)
    )
    signer.add_auth(made)
    return made


def wire(signed: AWSRequest, *, path: str | None = None, **replaced: str | None) -> Request:
    """As it arrives. A header of None does not; names have underscores."""
    parts = urlsplit(signed.url)
    headers: dict[str, str | bytes] = {"host": parts.netloc}
    headers |= {name.lower(): value for name, value in signed.headers.items()}
    for name, value in replaced.items():
        headers.pop(name.replace("_", "-"), None)
        if value is not None:
            headers[name.replace("_", "-")] = value
    target = (parts.path if path is None else path) + (f"?{parts.query}" if parts.query else "")
    return request_of(signed.method, target.encode(), headers)


async def ask(request: Request, *urls: str, **options: Any) -> Caller:
    """Who sent it, by an authenticator that knows these public URLs."""
    bucket, _, key = re.sub(r"^/", "", request.path).partition("/")
    return await authenticator(*urls, **options).authenticate(request, bucket, key)
