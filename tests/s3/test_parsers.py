"""F2 for this door: whatever bytes its parsers are given, they answer or refuse with one of our errors, quickly."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings

from storage_service.app.edge.request import Request
from storage_service.app.s3 import attributes_in, checksums, copy_source, metadata, tags
from storage_service.app.s3.auth import form, payload, sigv2, sigv4
from storage_service.app.s3.auth.chunks import ChunkReader
from storage_service.app.s3.configuration import acl_xml, lifecycle_xml, locks
from storage_service.app.s3.reading import parse_xml
from storage_service.app.s3.target import parse_target
from tests.faults.test_parsers import EXAMPLES, V4, Parser, feed, latin, mutated
from tests.s3.auth import chunking
from tests.s3.auth.signed import request_of

pytestmark = pytest.mark.ci

SETTINGS = settings(max_examples=EXAMPLES // 2, deadline=None, suppress_health_check=list(HealthCheck))
HEADERS = {"host": "files.example.org", "x-amz-date": "20260524T000000Z", "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
V2_URL = b"AWSAccessKeyId=AKIA&Signature=c2lnbmF0dXJl&Expires=1779600000&versionId=1&x-amz-meta-a=b"


def of_header(name: str, parse: Callable[[Request], object]) -> Parser:
    return lambda data: parse(request_of("PUT", b"/b/k", {**HEADERS, name: data}))


def of_query(parse: Callable[[Request], object]) -> Parser:
    return lambda data: parse(request_of("GET", b"/b/k?" + data, HEADERS))


def chunks(seed: bool) -> Parser:
    """Fed in two pieces, cut where it hurts."""

    def parse(data: bytes) -> object:
        reader = ChunkReader(chunking.payload(151, seed=seed, trailers=["x-amz-checksum-crc32"], signed_trailers=seed))
        cut = len(data) // 3
        found = reader.feed(data[:cut]) + reader.feed(data[cut:])
        reader.finish()
        return found

    return parse


def as_form(data: bytes) -> object:
    """A form's fields, written as lines."""
    lines = [line.partition(b"=") for line in data.split(b"\n")]
    return form.read_form({name.decode("latin-1").lower(): value.decode("latin-1") for name, _, value in lines})


DATA = [b"a" * 100, b"b" * 50, b"c"]
CRC = "x-amz-checksum-crc32:AAAAAA==\n"
FORM = (
    b"policy=e30=\nx-amz-algorithm=AWS4-HMAC-SHA256\nx-amz-date=20260524T000000Z\nx-amz-signature=" + b"0" * 64
) + b"\nx-amz-credential=AKIA/20260524/us-east-1/s3/aws4_request"
ACL = (
    b"<AccessControlPolicy><Owner><ID>ann</ID></Owner><AccessControlList><Grant><Grantee><ID>ann</ID></Grantee>"
    b"<Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>"
)
RULES = (
    b"<LifecycleConfiguration><Rule><ID>a</ID><Status>Enabled</Status><Filter><Prefix>x</Prefix></Filter>"
    b"<Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>"
)
PARSERS: dict[str, tuple[Parser, tuple[bytes, ...]]] = {
    "signed chunks": (chunks(seed=True), (chunking.signed(DATA, CRC), chunking.signed([]))),
    "chunks": (chunks(seed=False), (chunking.unsigned(DATA, b"x-amz-checksum-crc32:AAAAAA==\r\n"),)),
    "version 4 in a header": (
        lambda data: sigv4.read_header(request_of("PUT", b"/b/k", HEADERS), data.decode("latin-1")),
        (V4,),
    ),
    "version 2 in a header": (
        lambda data: sigv2.read_header(request_of("PUT", b"/b/k", HEADERS), "b", "k", data.decode("latin-1")),
        (b"AWS AKIA:c2lnbmF0dXJl",),
    ),
    "version 2 in a URL": (of_query(lambda request: sigv2.read_url(request, "b", "k")), (V2_URL,)),
    "a form's signature": (as_form, (FORM, b"AWSAccessKeyId=a\nsignature=b\npolicy=c")),
    "x-amz-content-sha256": (
        lambda data: payload.payload_of(data, {b"x-amz-decoded-content-length": data, b"x-amz-trailer": data}, None),
        (b"STREAMING-UNSIGNED-PAYLOAD-TRAILER", b"x-amz-checksum-crc32", b"12"),
    ),
    "a copy source": (
        of_header("x-amz-copy-source", copy_source.parse_source),
        (b"/b/k%20?versionId=null", b"b/%2e%2e/k?versionId=0197-"),
    ),
    "a range of a copy": (of_header("x-amz-copy-source-range", copy_source.parse_span), (b"bytes=0-4",)),
    "tags": (latin(tags.parse_header), (b"a=1&b=%zz", b"a&a", b"=x")),
    "grantees": (
        latin(lambda text: list(acl_xml.parse_grantees("READ", text))),
        (b'id="ann", uri="http://acs.amazonaws.com/groups/global/AllUsers"', b"emailAddress=a@b"),
    ),
    "metadata": (
        lambda data: metadata.parse_metadata([(b"x-amz-meta-a", data), (b"x-amz-meta-" + data[:8], b"b")]),
        (b"=?utf-8?b?w6Q=?=", b"=?utf-8?q?=C3=A4?= b", "\u00e4".encode()),
    ),
    "a checksum": (latin(lambda text: checksums.parse_value("CRC32", text)), (b"AAAAAA==",)),
    "a redirect": (latin(attributes_in.check_redirect), (b"/page", b"https://example.org/\r\nx: y")),
    "a path": (lambda data: parse_target(data, "b.s3.example.org", ("s3.example.org",)), (b"/b/k%2f%e9", b"//")),
    "an ACL": (lambda data: acl_xml.parse_acl_xml(parse_xml(data, "AccessControlPolicy"), "ann"), (ACL,)),
    "a lifecycle": (
        lambda data: lifecycle_xml.parse_lifecycle_xml(parse_xml(data, "LifecycleConfiguration")),
        (RULES,),
    ),
    "a moment": (latin(locks.parse_until), (b"2046-01-01T00:00:00Z", b"2046-01-01")),
}


@pytest.mark.parametrize("name", PARSERS)
def test_parser_answers_or_refuses(name: str) -> None:
    parse, seeds = PARSERS[name]

    @SETTINGS
    @given(mutated(seeds))
    def check(data: bytes) -> None:
        feed(parse, data)

    for seed in seeds:
        feed(parse, seed)
    check()


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.parametrize("letter", [b"a", b",", b"=", b"%41", b";", b"<a>", b"\n", b'"', b"=?utf-8?q?a?="])
def test_long_input_costs_little(name: str, letter: bytes) -> None:
    """Nothing grows with the square of its length."""
    parse, seeds = PARSERS[name]
    feed(parse, seeds[0] + letter * 60_000)
