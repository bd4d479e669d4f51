"""Presigned S3 requests (version 4, UNSIGNED-PAYLOAD), made before the clock runs; and one signed call at a time."""

import hashlib
import hmac
import http.client
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self
from urllib.parse import quote

from bench.client import Wrong
from bench.load import Play
from bench.processes import Server
from bench.targets import S3_KEY, Place

BUCKET = "s3bench"
REGION = "us-east-1"
HOURS_SECONDS = 6 * 3600
Query = Iterable[tuple[str, str]]


class Signer:
    """Signs for one server, with one date: the work of a line is one canonical request."""

    def __init__(self, server: Server, place: Place) -> None:
        self._host = f"127.0.0.1:{server.port}"
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        scope = f"{stamp[:8]}/{REGION}/s3/aws4_request"
        key = f"AWS4{place.s3_secret}".encode()
        for part in (stamp[:8], REGION, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        self._key = key
        self._prologue = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n"
        self._fixed = (
            f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={quote(f'{S3_KEY}/{scope}', safe='')}"
            f"&X-Amz-Date={stamp}&X-Amz-Expires={HOURS_SECONDS}&X-Amz-SignedHeaders=host"
        )

    def url(self, method: str, path: str, query: Query = ()) -> str:
        """Path and query of a presigned request; `path` is plain ASCII."""
        more = [f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query]
        fields = "&".join(sorted([*self._fixed.split("&"), *more])) if more else self._fixed
        canonical = f"{method}\n{path}\n{fields}\nhost:{self._host}\n\nhost\nUNSIGNED-PAYLOAD"
        text = self._prologue + hashlib.sha256(canonical.encode()).hexdigest()
        return f"{path}?{fields}&X-Amz-Signature={hmac.digest(self._key, text.encode(), 'sha256').hex()}"

    def play(self, method: str, key: str, body_bytes: int = 0, query: Query = ()) -> Play:
        return Play(method, self.url(method, f"/{BUCKET}/{key}", query), body_bytes)


class Plain:
    """The same requests to a server that asks for no signature."""

    def play(self, method: str, key: str, body_bytes: int = 0, query: Query = ()) -> Play:
        return Play(method, f"/{BUCKET}/{key}", body_bytes)


class Caller:
    """One connection for calls whose bodies matter."""

    def __init__(self, server: Server, signer: Signer) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        self._signer = signer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.close()

    def call(self, method: str, path: str, query: Query = (), body: bytes = b"") -> tuple[http.client.HTTPMessage, str]:
        """Headers and text of the answer. Raises: Wrong unless it is a success."""
        self._connection.request(method, self._signer.url(method, path, query), body)
        answer = self._connection.getresponse()
        text = answer.read().decode(errors="replace")
        if answer.status >= http.client.MULTIPLE_CHOICES or "<Error>" in text:
            raise Wrong(f"{method} {path}: {answer.status} {text[:300]}")
        return answer.headers, text
