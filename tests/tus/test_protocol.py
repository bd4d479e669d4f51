"""The headers of tus, without a service."""

from __future__ import annotations

from base64 import b64encode

import pytest

from storage_service.app.core.errors import InvalidArgument, NoSuchUpload, ServiceUnavailable, SlowDown, StorageError
from storage_service.app.edge.request import Request
from storage_service.app.edge.status import status_of
from storage_service.app.tus.patience import patient
from storage_service.app.tus.protocol import (
    Checksum,
    Concat,
    parse_checksum,
    parse_concat,
    parse_metadata,
    parse_number,
    parse_target,
)
from tests.edge.asgi import Client

ONE, TWO = "01a1fd07-89e6-701b-b1e0-a2e91482b203", "01a1fd07-89e6-701b-b1e0-a2e91482b204"


def b64(text: str) -> str:
    return b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", {}),
        (f"key {b64('a/ü.txt')},bucket {b64('b')}", {"key": "a/ü.txt", "bucket": "b"}),
        (f" key {b64('x')} , is_confidential", {"key": "x", "is_confidential": ""}),
        ("empty ,key eA==", {"empty": "", "key": "x"}),
    ],
)
def test_metadata_is_read(header: str, found: dict[str, str]) -> None:
    assert parse_metadata(header) == found


@pytest.mark.parametrize("header", ["key !!", "key /w==", "key eA==,key eA==", "k\ney eA==", "a eA==" * 9000])
def test_malformed_metadata_is_refused(header: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_metadata(header)


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.0", "1_0", "\u0661", "9" * 20, "0x1"])
def test_what_is_no_number_of_bytes_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_number(text, "Upload-Offset")


def test_checksum_is_read() -> None:
    assert parse_checksum("SHA1 " + b64encode(bytes(20)).decode()) == Checksum("sha1", bytes(20))


@pytest.mark.parametrize("header", ["sha1", "sha1 AAAA", "sha1 !!", "whirlpool AAAA", ""])
def test_malformed_checksum_is_refused(header: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_checksum(header)


def test_concatenation_is_read() -> None:
    assert parse_concat("partial") == Concat(True)
    both = f"final;/files/resumable/{ONE} https://x.example/sub/files/resumable/{TWO}"
    assert parse_concat(both) == Concat(False, (ONE, TWO))


@pytest.mark.parametrize("header", ["", "final", "final;", "final;../../etc", "whole", f"partial;{ONE}", "final;/a/b"])
def test_malformed_concatenation_is_refused(header: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_concat(header)


@pytest.mark.parametrize(
    ("path", "upload_id"),
    [
        ("/files/resumable", ""),
        ("/files/resumable/", ""),
        (f"/files/resumable/{ONE}", ONE),
        (f"/files/resumable/{ONE}/", ONE),
        ("/files/resumable/../x", None),
        (f"/files/resumable/{ONE}/x", None),
        ("/files/resumable/..%2f", None),
    ],
)
def test_path_names_an_upload(path: str, upload_id: str | None) -> None:
    assert parse_target(path) == upload_id


@pytest.mark.parametrize(
    ("method", "path", "error", "status"),
    [
        ("HEAD", b"/files/resumable/1", ServiceUnavailable(), 423),
        ("HEAD", b"/files/resumable/1", SlowDown(), 423),
        ("HEAD", b"/files/resumable/1", NoSuchUpload(), 404),
        ("PATCH", b"/files/resumable/1", ServiceUnavailable(), 503),
        ("POST", b"/files/resumable", ServiceUnavailable(), 503),
        ("HEAD", b"/files/download/a/b", ServiceUnavailable(), 503),
    ],
)
def test_a_look_at_an_upload_is_answered_so_that_clients_wait(
    method: str, path: bytes, error: StorageError, status: int
) -> None:
    client = Client()
    request = Request({"type": "http", "method": method, "raw_path": path, "headers": []}, client.receive, client.send)
    assert status_of(patient(request, error)) == status
