"""Both clients have one source, and the pure parts keep their tables."""

import base64

import httpx
import pytest

from storage_service.client.digests import Digest, announced
from storage_service.client.errors import (
    ChecksumMismatch,
    ClientError,
    InsufficientStorage,
    InvalidRequest,
    QuotaExceeded,
    RateLimited,
    ServerError,
    ServiceUnavailable,
    error_of,
)
from storage_service.client.wire import Call, may_repeat, path_of, pause_seconds, quote_key, range_header, spans_of
from tools.make_sync_client import all_derived


def test_sync_client_is_derived_from_the_async_one() -> None:
    """If not: `python tools/make_sync_client.py`."""
    derived = all_derived()
    assert len(derived) > 5
    assert [path.name for path, text in derived.items() if path.read_text(encoding="utf-8") != text] == []


@pytest.mark.parametrize(
    ("key", "path"),
    [("a/b", "a/b"), ("a b", "a%20b"), ("..", "%2E%2E"), ("a/./b", "a%2F%2E%2Fb"), ("%", "%25"), ("ä", "%C3%A4")],
)
def test_quote_key(key: str, path: str) -> None:
    assert quote_key(key) == path
    url = httpx.URL("http://x.test/p" + path_of("files", "info", "b", key=key))
    assert url.raw_path.decode() == f"/p/files/info/b/{path}"


@pytest.mark.parametrize(("span", "header"), [((0, 1), "bytes=0-0"), ((5, None), "bytes=5-"), ((-5, None), "bytes=-5")])
def test_range_header(span: tuple[int, int | None], header: str) -> None:
    assert range_header(span) == header


def test_spans_cover_the_whole_once() -> None:
    assert spans_of(0, 10) == []
    assert spans_of(25, 10) == [(0, 10), (10, 20), (20, 25)]


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "bad_digest", ChecksumMismatch),
        (403, "quota_exceeded", QuotaExceeded),
        (422, "validation_failed", InvalidRequest),
        (416, "invalid_range", InvalidRequest),
        (429, "", RateLimited),
        (503, "slow_down", RateLimited),
        (503, "service_unavailable", ServiceUnavailable),
        (504, "", ServiceUnavailable),
        (507, "insufficient_storage", InsufficientStorage),
        (500, "damaged_object", ServerError),
        (599, "", ServerError),
    ],
)
def test_errors_are_told_apart_by_code_then_status(status: int, code: str, kind: type[ClientError]) -> None:
    error = error_of(status, {"x-request-id": "r1"}, b'{"code": "%s", "message": "why"}' % code.encode())
    assert (type(error), error.status, error.code, error.request_id) == (kind, status, code, "r1")
    assert "why" in str(error)


@pytest.mark.parametrize("body", [b"<html>Bad gateway</html>", b"", b"[1]", b"\xff"])
def test_error_page_of_a_proxy_is_an_error_too(body: bytes) -> None:
    assert isinstance(error_of(502, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, body), ServiceUnavailable)


@pytest.mark.parametrize(
    ("headers", "algorithm", "expected"),
    [
        ({"x-checksum-sha256": "aa", "x-checksum-crc64nvme": "bb"}, "sha256", "aa"),
        ({"x-checksum-crc64nvme": "bb"}, "crc64nvme", "bb"),
        ({}, "none", None),
    ],
)
def test_download_is_compared_with_the_best_digest_there_is(
    headers: dict[str, str], algorithm: str, expected: str | None
) -> None:
    digest, found = announced(headers)
    digest.update(b"123456789")
    assert (digest.algorithm, found) == (algorithm, expected)
    if expected is None:
        digest.check(expected)
    else:
        with pytest.raises(ChecksumMismatch):
            digest.check(expected)


def test_crc64nvme_of_the_check_text() -> None:
    """Source: the catalogue of parametrised CRC algorithms, CRC-64/NVME: check 0xae8b14860a799888."""
    digest = Digest("crc64nvme")
    digest.update(b"123456789")
    assert digest.text() == base64.b64encode(bytes.fromhex("ae8b14860a799888")).decode()


def test_pauses_grow_are_spread_and_bounded() -> None:
    calm = ServiceUnavailable("")
    assert [pause_seconds(attempt, calm, 1.0) for attempt in range(9)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10]
    assert pause_seconds(3, calm, 0.0) == 0
    calm.retry_after_seconds = 2.0
    assert pause_seconds(0, calm, 0.5) == pytest.approx(2.05)


def test_what_may_be_repeated() -> None:
    reading, making = Call("GET", "/"), Call("POST", "/", repeatable=False)
    unclear: list[ClientError | httpx.TransportError] = [httpx.ReadError(""), httpx.ReadTimeout("")]
    for error in [*unclear, ServiceUnavailable("")]:
        assert may_repeat(reading, error)
        assert not may_repeat(making, error)
    undone: list[ClientError | httpx.TransportError] = [httpx.ConnectError(""), RateLimited("")]
    for error in undone:
        assert may_repeat(reading, error)
        assert may_repeat(making, error)
    assert not may_repeat(reading, ServerError(""))
