"""Checksums of a whole from those of its parts."""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_service.app.core.checksums import KINDS, Algorithm, checksum, composite, joined
from storage_service.app.core.objects import Upload
from storage_service.app.core.pieces import PartHasher, Rolling, rolling_of

CRCS: list[Algorithm] = ["CRC32", "CRC32C", "CRC64NVME"]
CHECK = b"123456789"  # the check values of the CRC catalogue. Source: reveng.sourceforge.io/crc-catalogue


@pytest.mark.parametrize(
    ("algorithm", "value"), [("CRC32", "cbf43926"), ("CRC32C", "e3069283"), ("CRC64NVME", "ae8b14860a799888")]
)
def test_crcs_are_those_of_the_catalogue(algorithm: Algorithm, value: str) -> None:
    assert checksum(algorithm, CHECK).hex() == value


@pytest.mark.parametrize("algorithm", CRCS)
@given(pieces=st.lists(st.binary(max_size=200), max_size=6))
def test_joined_crc_is_that_of_the_whole(algorithm: Algorithm, pieces: list[bytes]) -> None:
    parts = [(checksum(algorithm, piece), len(piece)) for piece in pieces]
    assert joined(algorithm, parts) == checksum(algorithm, b"".join(pieces))


def test_digests_cannot_be_joined() -> None:
    with pytest.raises(ValueError, match="SHA1"):
        joined("SHA1", [(bytes(20), 1)])


def test_composite_is_the_digest_of_the_digests() -> None:
    sums = [hashlib.sha256(piece).digest() for piece in (b"a", b"b")]
    assert composite("SHA256", sums) == hashlib.sha256(b"".join(sums)).digest()
    crcs = [zlib.crc32(piece).to_bytes(4, "big") for piece in (b"a", b"b")]
    assert composite("CRC32", crcs) == zlib.crc32(b"".join(crcs)).to_bytes(4, "big")


@pytest.mark.parametrize("algorithm", KINDS)
def test_value_has_the_size_its_algorithm_says(algorithm: Algorithm) -> None:
    assert len(checksum(algorithm, b"x")) == KINDS[algorithm].size


@given(pieces=st.lists(st.binary(max_size=100), min_size=1, max_size=6))
def test_rolling_crc_of_pieces_is_that_of_the_whole_and_survives_its_row(pieces: list[bytes]) -> None:
    upload = Upload("u", 1, "k", "v", "resumable", "open", 0, 1, 0, 0, None, "", "{}")
    for piece in pieces:
        hasher = PartHasher()
        hasher.update(piece)
        grown: Rolling = rolling_of(upload).plus(hasher.finish(), len(piece), upload.size)
        upload = upload._replace(size=upload.size + len(piece), digest=grown.render())
    found = rolling_of(upload)
    assert found.crc64nvme == b64encode(checksum("CRC64NVME", b"".join(pieces))).decode()
    assert found.pieces == len(pieces)
