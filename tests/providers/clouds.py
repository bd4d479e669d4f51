"""A server that answers as Google's XML API and Azure's Blob service are documented to, and remembers all requests.

Sources: cloud.google.com/storage/docs/xml-api/reference-methods; learn.microsoft.com/rest/api/storageservices
(Put Blob, Put Block, Put Block List, Get Blob, Get Blob Properties, Delete Blob, List Blobs).
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


class Asked(NamedTuple):
    method: str
    path: str  # decoded
    query: dict[str, list[str]]
    headers: dict[str, str]  # lower case names
    raw_path: str


class Cloud:
    """Objects by path, and every request."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.objects: dict[str, tuple[bytes, str]] = {}
        self.blocks: dict[tuple[str, str], bytes] = {}
        self.kinds: dict[str, str] = {}  # of multipart uploads under way
        self.asked: list[Asked] = []
        self.failing = False


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cloud: Cloud

    def do_GET(self) -> None:
        asked = self._asked()
        if "list-type" in asked.query or asked.query.get("comp") == ["list"]:
            self._answer(200, _listing(self.cloud, asked), {"content-type": "application/xml"})
        else:
            self._object(asked)

    def do_HEAD(self) -> None:
        self._object(self._asked())

    def do_PUT(self) -> None:
        asked = self._asked()
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        block = asked.query.get("blockid") or asked.query.get("partNumber")
        if block:
            self.cloud.blocks[asked.path, block[0]] = body
            self._answer(201 if "x-ms-version" in asked.headers else 200, b"", {"etag": f'"{block[0]}"'})
            return
        if asked.query.get("comp") == ["blocklist"]:
            names = re.findall(rb"<(?:Latest|Uncommitted)>([^<]+)<", body)
            body = b"".join(self.cloud.blocks[asked.path, name.decode()] for name in names)
        kind = asked.headers.get("x-ms-blob-content-type") or asked.headers.get("content-type", "")
        self.cloud.objects[asked.path] = (body, kind)
        self._answer(201 if "x-ms-version" in asked.headers else 200, b"", {"etag": _etag(body)})

    def do_POST(self) -> None:
        """A multipart upload of Google's XML API begins and ends so; Azure's Blob Batch deletes so."""
        asked = self._asked()
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if asked.query.get("comp") == ["batch"]:
            self._batch(body)
            return
        if "uploads" in asked.query:
            self.cloud.kinds[asked.path] = asked.headers.get("content-type", "")
            text = "<InitiateMultipartUploadResult><UploadId>upload-1</UploadId></InitiateMultipartUploadResult>"
        else:
            numbers = re.findall(rb"<PartNumber>(\d+)<", body)
            whole = b"".join(self.cloud.blocks[asked.path, number.decode()] for number in numbers)
            self.cloud.objects[asked.path] = (whole, self.cloud.kinds.get(asked.path, ""))
            text = f"<CompleteMultipartUploadResult><ETag>{escape(_etag(whole))}</ETag></CompleteMultipartUploadResult>"
        self._answer(200, text.encode(), {"content-type": "application/xml"})

    def _batch(self, body: bytes) -> None:
        parts = []
        for number, path in enumerate(re.findall(rb"DELETE (\S+) HTTP/1.1", body)):
            found = self.cloud.objects.pop(unquote(urlsplit(path.decode()).path), None)
            status = "202 Accepted" if found else "404 The specified blob does not exist."
            head = f"Content-Type: application/http\r\nContent-ID: {number}\r\n\r\nHTTP/1.1 {status}\r\n"
            parts.append(f"--batchresponse_1\r\n{head}x-ms-request-id: 1\r\n\r\n")
        text = "".join([*parts, "--batchresponse_1--\r\n"])
        self._answer(202, text.encode(), {"content-type": "multipart/mixed; boundary=batchresponse_1"})

    def do_DELETE(self) -> None:
        asked = self._asked()
        found = self.cloud.objects.pop(asked.path, None)
        self._answer((202 if "x-ms-version" in asked.headers else 204) if found else 404)

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _asked(self) -> Asked:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(
            self.command, unquote(parts.path), parse_qs(parts.query, keep_blank_values=True), headers, parts.path
        )
        self.cloud.asked.append(asked)
        return asked

    def _object(self, asked: Asked) -> None:
        if asked.path not in self.cloud.objects:
            self._answer(404)
            return
        body, kind = self.cloud.objects[asked.path]
        headers = {"etag": _etag(body), "content-type": kind, "x-ms-blob-type": "BlockBlob"}
        self._answer(200, body, headers)

    def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(403 if self.cloud.failing else status)
        self.send_header("last-modified", formatdate(usegmt=True))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def cloud() -> Iterator[Cloud]:
    """On loopback, in a thread."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Handler.cloud = Cloud(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Handler.cloud
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


def _listing(found: Cloud, asked: Asked) -> bytes:
    prefix = asked.query.get("prefix", [""])[0]
    start = f"{asked.path}/"
    names = [path.removeprefix(start) for path in sorted(found.objects) if path.startswith(start + prefix)]
    if "list-type" in asked.query:
        entries = "".join(
            f"<Contents><Key>{escape(name)}</Key><LastModified>2026-01-15T10:00:00.000Z</LastModified>"
            f"<ETag>&quot;x&quot;</ETag><Size>1</Size></Contents>"
            for name in names
        )
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>".encode()
    entries = "".join(
        f"<Blob><Name>{escape(name)}</Name><Properties><Last-Modified>{formatdate(usegmt=True)}</Last-Modified>"
        f"<Content-Length>1</Content-Length><Content-Type>a/b</Content-Type><Etag>x</Etag>"
        f"<ResourceType>file</ResourceType></Properties></Blob>"
        for name in names
    )
    return f"<EnumerationResults><Blobs>{entries}</Blobs><NextMarker/></EnumerationResults>".encode()
