"""F2: whatever bytes a parser is given, it answers or says what is wrong with one of our errors. Quickly, too.

Inputs grow out of right ones: pieces of them are cut out, doubled, exchanged and mixed with noise.
"""

import os
import time
from collections.abc import Callable
from typing import Final

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage_service.app.core import sidecar
from storage_service.app.core.errors import StorageError
from storage_service.app.core.policy.document import parse_policy
from storage_service.app.edge.conditions import parse_date
from storage_service.app.edge.form_reader import disposition
from storage_service.app.edge.forms import boundary_of
from storage_service.app.edge.names import content_disposition
from storage_service.app.edge.ranges import parse_range
from storage_service.app.edge.request import decode_path, parse_query
from storage_service.app.s3.auth.canonical import canonical_path, parse_pairs, render_pairs
from storage_service.app.s3.auth.claim import parse_authorization, parse_url
from storage_service.app.s3.auth.policy import parse_policy as parse_form_policy
from storage_service.app.tus.protocol import parse_checksum, parse_metadata

SECONDS: Final = float(os.environ.get("STORAGE_FUZZ_SECONDS", "60"))  # of each, in the full tier
EXAMPLES: Final = 400
MOST_SECONDS: Final = 1.0  # of the processor

Parser = Callable[[bytes], object]


def latin(parse: Callable[[str], object]) -> Parser:
    """Of a header: bytes are read as Latin-1."""
    return lambda data: parse(data.decode("latin-1"))


def utf8(parse: Callable[[str], object]) -> Parser:
    return lambda data: parse(data.decode("utf-8", "surrogateescape"))


def both_sides(data: bytes) -> object:
    return sidecar.version_of(sidecar.parse_file(data), 1)


def checked(data: bytes) -> object:
    """A sidecar whose checksum is right, whatever else it says."""
    try:
        record = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(record, dict):
        return None
    record[sidecar.CHECKSUM] = sidecar.checksum_of(record)
    parsed = sidecar.parse_file(orjson.dumps(record))
    return sidecar.bucket_of(parsed) if "owner" in record else sidecar.version_of(parsed, 1)


V4 = (
    b"AWS4-HMAC-SHA256 Credential=AKIA/20260524/us-east-1/s3/aws4_request,"
    b" SignedHeaders=host;x-amz-date, Signature=" + b"0" * 64
)
URL = (
    b"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA%2F20260524%2Fus-east-1%2Fs3%2Faws4_request"
    b"&X-Amz-Date=20260524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=" + b"0" * 64
)
POLICY = (
    b'{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["*"]},"Action":"s3:GetObject",'
    b'"Resource":["arn:aws:s3:::photos/*"],"Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}]}'
)
FORM_POLICY = (
    b'{"expiration":"2030-01-01T00:00:00.000Z","conditions":[{"bucket":"b"},["starts-with","$key","u/"],'
    b'["content-length-range",1,100]]}'
)
SIDECAR = (
    b'{"format":1,"key":"k","bucket_id":"b","version_id":"v","file_id":"f","size":1,"etag":"e","at_ms":1,"mtime_ns":1,'
    b'"expires_ms":null,"sequence":1,"meta_sequence":1,"null_version":true,"delete_marker":false,"doc":{}}'
)
BUCKET = (
    b'{"format":1,"id":"b","number":1,"name":"n","owner":"o","generation":1,"created_ms":1,"updated_ms":1,"options":{}}'
)

PARSERS: Final[dict[str, tuple[Parser, tuple[bytes, ...]]]] = {
    "Range": (latin(lambda text: parse_range(text, 1_000)), (b"bytes=0-4", b"bytes=-5", b"bytes=5-, 7-8")),
    "a date": (latin(parse_date), (b"Sun, 06 Nov 1994 08:49:37 GMT", b"Sunday, 06-Nov-94 08:49:37 GMT")),
    "Authorization": (latin(parse_authorization), (V4, b"AWS AKIA:c2lnbmF0dXJl")),
    "a signed URL": (lambda data: parse_url(parse_pairs(data)), (URL,)),
    "canonical query": (lambda data: render_pairs(parse_pairs(data)), (URL, b"a=1&a=%zz&=&b")),
    "canonical path": (canonical_path, (b"/a/%2e%2e/b", b"//a%zz/ \xc3\xa9")),
    "a path": (decode_path, (b"/a/%2e%2e/b", b"/%ff/%00")),
    "a query": (parse_query, (b"a=1&b=%zz", b"a=%f0%9f&&=c")),
    "a form's boundary": (
        latin(boundary_of),
        (b"multipart/form-data; boundary=x", b'multipart/form-data; boundary="y z"'),
    ),
    "a part's disposition": (
        disposition,
        (b"form-data; name=\"a\"; filename*=utf-8''%e2%82%ac", b'form-data; name="a\\"b"'),
    ),
    "a file name": (utf8(lambda text: content_disposition("attachment", text)), ("ä/b\u202e.exe".encode(), b"a\r\nb")),
    "tus metadata": (latin(parse_metadata), (b"filename d29ybGQ=,is_confidential", b"a b,a b")),
    "tus checksum": (latin(parse_checksum), (b"sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", b"md5 ")),
    "a bucket policy": (lambda data: parse_policy(data, "photos"), (POLICY,)),
    "a form policy": (utf8(parse_form_policy), (FORM_POLICY,)),
    "a sidecar": (both_sides, (sidecar.render_file(SIDECAR), SIDECAR)),
    "a sidecar with its checksum": (checked, (SIDECAR, BUCKET)),
}


def mutated(seeds: tuple[bytes, ...]) -> st.SearchStrategy[bytes]:
    """Pieces of the seeds and noise, in any order."""
    piece = st.builds(
        lambda seed, start, length: seed[start : start + length],
        st.sampled_from(seeds),
        st.integers(0, 200),
        st.integers(0, 200),
    )
    noise = st.binary(max_size=6) | st.sampled_from(
        [b"\0", b"\xff", b"%", b'"', b"{", b"[", b"null", b"-1", b"9" * 400]
    )
    return st.lists(st.sampled_from(seeds) | piece | noise, max_size=6).map(b"".join) | with_a_change(seeds)


@st.composite
def with_a_change(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """A seed with some bytes replaced: most of it is right, so parsers come far."""
    seed = draw(st.sampled_from(seeds))
    at = draw(st.integers(0, len(seed)))
    return (
        seed[:at]
        + draw(st.binary(max_size=4) | st.sampled_from([b"", b"0", b"true", b"{}", b"[]", b'"']))
        + seed[at + draw(st.integers(0, 8)) :]
    )


def feed(parse: Parser, data: bytes) -> None:
    began = time.process_time()
    try:
        parse(data)
    except StorageError as error:
        assert error.detail is not None
    assert time.process_time() - began < MOST_SECONDS


@pytest.mark.parametrize("name", PARSERS)
def test_parser_answers_or_refuses(name: str) -> None:
    parse, seeds = PARSERS[name]

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(mutated(seeds))
    def check(data: bytes) -> None:
        feed(parse, data)

    for seed in seeds:
        feed(parse, seed)
    check()


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", PARSERS)
def test_parser_answers_or_refuses_for_minutes(name: str) -> None:
    parse, seeds = PARSERS[name]
    end = time.monotonic() + SECONDS

    @settings(max_examples=1_000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(mutated(seeds))
    def check(data: bytes) -> None:
        feed(parse, data)

    check()
    while time.monotonic() < end:
        check()


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.parametrize("letter", [b"a", b",", b"=", b"%41", b"[", b'{"a":', b"-", b" "])
def test_long_input_costs_little(name: str, letter: bytes) -> None:
    """Nothing grows with the square of its length."""
    parse, seeds = PARSERS[name]
    feed(parse, seeds[0] + letter * 60_000)
