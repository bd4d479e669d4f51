import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_service.app.core.digests import Hasher, Wanted, check_digests, digest_small
from storage_service.app.core.errors import BadDigest

BODY = b"123456789"
CRC = bytes.fromhex("ae8b14860a799888")  # the check value of CRC-64/NVME, Rocksoft catalogue


def test_digests_of_the_check_string() -> None:
    digests = digest_small(BODY)
    assert base64.b64decode(digests.crc64nvme) == CRC
    assert digests.md5 == "25f9e794323b453885f5181f1b624d0b"
    assert digests.sha256 == hashlib.sha256(BODY).hexdigest()


def test_digests_of_nothing() -> None:
    assert digest_small(b"") == Hasher().finish()
    assert digest_small(b"").crc64nvme == "AAAAAAAAAAA="


@given(st.lists(st.binary(max_size=64)), st.booleans())
def test_chunks_hash_like_the_whole(chunks: list[bytes], sha256: bool) -> None:
    hasher = Hasher(sha256=sha256)
    for chunk in chunks:
        hasher.update(chunk)
    assert hasher.finish() == digest_small(b"".join(chunks), sha256)
    assert (hasher.finish().sha256 is not None) == sha256


RIGHT = Wanted(hashlib.md5(BODY).digest(), CRC, hashlib.sha256(BODY).digest())


@pytest.mark.parametrize("wanted", [None, Wanted(), RIGHT])
def test_right_digests_pass(wanted: Wanted | None) -> None:
    check_digests(digest_small(BODY), wanted)


@pytest.mark.parametrize("wanted", [Wanted(md5=bytes(16)), Wanted(crc64nvme=bytes(8)), Wanted(sha256=bytes(32))])
def test_each_wrong_digest_is_told(wanted: Wanted) -> None:
    with pytest.raises(BadDigest):
        check_digests(digest_small(BODY), wanted)


def test_a_digest_that_was_not_computed_is_never_taken_for_right() -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        check_digests(digest_small(BODY, sha256=False), RIGHT)
