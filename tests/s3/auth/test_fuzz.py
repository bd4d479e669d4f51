"""Nothing that a client can send raises anything but our errors, and nothing random is let in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_service.app.core.errors import StorageError
from storage_service.app.s3.auth.doctor import Doctor
from storage_service.app.s3.auth.failures import FailureLog
from storage_service.app.s3.auth.names import PublicNames
from tests.s3.auth.signed import (
    ACCESS_KEY,
    HOST,
    NOW,
    V2_URL,
    V4,
    V4_URL,
    authenticator,
    open_ring,
    request_of,
    sign,
    wire,
)

WORDS = [
    *b"AWS4-HMAC-SHA256|AWS |Credential=|SignedHeaders=|Signature=|host;x-amz-date|=|,|;|/|%|%2|%2F|+|&|?| ".split(
        b"|"
    ),
    b"X-Amz-Algorithm=AWS4-HMAC-SHA256&",
    b"X-Amz-Credential=",
    b"X-Amz-Signature=" + b"0" * 64,
    b"X-Amz-Date=20260524T120000Z&",
    b"X-Amz-Expires=",
    b"X-Amz-SignedHeaders=host&",
    b"AWSAccessKeyId=",
    b"Expires=99999999999&",
    b"Signature=",
    ACCESS_KEY.encode(),
    b"/20260524/us-east-1/s3/aws4_request",
    b"0" * 64,
    b"20260524T120000Z",
    b"99999999T999999Z",
    b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "é\u2028".encode(),
]
TEXT = st.lists(st.one_of(st.sampled_from(WORDS), st.binary(max_size=6)), max_size=12).map(b"".join)
NAMES = st.sampled_from(
    ["authorization", "x-amz-date", "date", "x-amz-content-sha256", "x-amz-decoded-content-length", "x-amz-trailer"]
)


@given(TEXT, TEXT, st.dictionaries(NAMES, TEXT, max_size=5))
async def test_random_requests_are_anonymous_or_refused(path: bytes, query: bytes, headers: dict[str, bytes]) -> None:
    log = FailureLog(NOW.timestamp)
    target = b"/" + path.replace(b"?", b"") + b"?" + query
    request = request_of("PUT", target, {"host": HOST, **headers})
    try:
        caller = await authenticator("http://localhost:8001", failures=log).authenticate(request, "", "")
    except StorageError:
        doctor = Doctor(await open_ring(), PublicNames(["http://localhost:8001"]), 8001)
        assert [doctor.diagnose(failed).fault for failed in log.newest(1)]
    else:
        assert caller.principal.kind == "anonymous"
        assert "authorization" not in headers


@pytest.mark.parametrize("auth", [V4, V4_URL, V2_URL])
@given(st.data())
async def test_no_bit_of_a_signed_request_can_change(auth: type, data: st.DataObject) -> None:
    """Of the path, of the signed query, of a signed header."""
    headers = {"x-amz-meta-note": "hello"} if auth is V4 else {}
    request = wire(sign(auth, "PUT", f"http://{HOST}/bucket/some/key?partNumber=1&uploadId=abc", headers))
    scope = request.scope
    place = data.draw(st.sampled_from(["raw_path", "query_string", "x-amz-meta-note"]))
    before = dict(scope["headers"]).get(place.encode()) if place.startswith("x-") else scope[place]
    if before is None:
        return
    where, bit = data.draw(st.integers(0, len(before) - 1)), data.draw(st.integers(0, 7))
    changed = bytearray(before)
    changed[where] ^= 1 << bit
    if place.startswith("x-"):
        scope["headers"] = [
            (name, bytes(changed) if name == place.encode() else value) for name, value in scope["headers"]
        ]
    else:
        scope[place] = bytes(changed)
    try:
        caller = await authenticator().authenticate(request, "bucket", "some/key")
    except StorageError:
        return
    assert caller.principal.kind == "anonymous" or _same(before, bytes(changed))


def _same(before: bytes, after: bytes) -> bool:
    """Whether both say the same: escapes have no case, and outer spaces do not count."""
    return before.lower() == after.lower() or before.strip() == after.strip()
