import base64
import hashlib

import pytest

from storage_service.app.core.digests import Wanted
from storage_service.app.core.errors import InvalidArgument
from storage_service.app.edge.wanted import parse_wanted
from tests.edge.asgi import request

MD5 = hashlib.md5(b"x").digest()
SHA = hashlib.sha256(b"x").digest()
CRC = bytes(range(8))


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ([], None),
        ([("content-md5", b64(MD5))], Wanted(md5=MD5)),
        ([("x-checksum-crc64nvme", b64(CRC))], Wanted(crc64nvme=CRC)),
        ([("x-checksum-sha256", SHA.hex())], Wanted(sha256=SHA)),
        ([("x-checksum-sha256", SHA.hex().upper())], Wanted(sha256=SHA)),
        ([("x-checksum-sha256", b64(SHA))], Wanted(sha256=SHA)),
        ([("content-digest", f"sha-256=:{b64(SHA)}:")], Wanted(sha256=SHA)),
        ([("repr-digest", f"sha-512=:AA==:, sha-256=:{b64(SHA)}:;x=1")], Wanted(sha256=SHA)),
        ([("content-digest", "sha-512=:AA==:"), ("content-digest", "md5=:AA==:")], Wanted()),
        (
            [("content-digest", f"sha-256=:{b64(bytes(32))}:, sha-256=:{b64(SHA)}:")],
            Wanted(sha256=SHA),
        ),
        (
            [("content-digest", f"sha-256=:{b64(SHA)}:"), ("x-checksum-sha256", SHA.hex())],
            Wanted(sha256=SHA),
        ),
    ],
)
def test_announced_digests(headers: list[tuple[str, str]], wanted: Wanted | None) -> None:
    assert parse_wanted(request(headers=headers)) == wanted


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("content-md5", ""),
        ("content-md5", MD5.hex()),
        ("content-md5", b64(MD5)[:-1]),
        ("content-md5", "é"),
        ("content-md5", b64(MD5) + "\n!"),
        ("x-checksum-sha256", "0" * 63),
        ("x-checksum-sha256", b64(MD5)),
        ("x-checksum-crc64nvme", "12345678"),
        ("content-digest", f"sha-256={b64(SHA)}"),
        ("content-digest", "sha-256=:AA==:"),
        ("content-digest", "garbage"),
        ("repr-digest", ","),
    ],
)
def test_malformed_digests_are_refused(name: str, value: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_wanted(request(headers=[(name, value)]))


def test_contradicting_digests_are_refused() -> None:
    headers = [("x-checksum-sha256", SHA.hex()), ("content-digest", f"sha-256=:{b64(bytes(32))}:")]
    with pytest.raises(InvalidArgument):
        parse_wanted(request(headers=headers))
