"""Whatever is sent: an answer in time, never a fault of ours, and XML that parses."""

from typing import Any
from xml.sax.saxutils import escape

import httpx
import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage_service.app.s3.operations import PARAMETERS, SUBRESOURCES

Client = Any
SLOW_SECONDS = 5.0
FUZZED = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

METHODS = st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"])
NAMES = st.sampled_from(sorted(SUBRESOURCES | PARAMETERS)) | st.text(max_size=8)
VALUES = st.sampled_from(["", "1", "0", "-1", "true", "null", "9" * 30, "%", "..", "\x00"]) | st.text(max_size=12)
QUERIES = st.lists(st.tuples(NAMES, VALUES), max_size=4)
HEADER_NAMES = st.sampled_from(
    [
        "range", "if-match", "if-none-match", "if-modified-since", "content-md5", "content-type", "x-amz-copy-source",
        "x-amz-metadata-directive", "x-amz-tagging", "x-amz-acl", "x-amz-checksum-crc32", "x-amz-checksum-sha256",
        "x-amz-sdk-checksum-algorithm", "x-amz-trailer", "x-amz-content-sha256", "x-amz-decoded-content-length",
        "x-amz-object-attributes", "x-amz-max-parts", "x-amz-rename-source", "x-amz-expected-bucket-owner",
        "x-amz-meta-x", "x-amz-storage-class", "x-amz-date", "authorization", "x-amz-object-lock-mode",
        "x-amz-if-match-size", "x-amz-if-match-last-modified-time", "x-amz-bypass-governance-retention", "expect",
    ]
)  # fmt: skip
KNOWN_VALUES = st.sampled_from(["", "*", "bytes=0-1", "bytes=-", "AWS4-HMAC-SHA256", "AWS a:b", "/", "a/b", "1"])
LATIN = st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f")
HEADER_VALUES = KNOWN_VALUES | st.text(LATIN, max_size=40).map(str.strip)
HEADERS = st.dictionaries(HEADER_NAMES, HEADER_VALUES, max_size=4)
ELEMENTS = st.sampled_from(
    ["Delete", "Object", "Key", "VersionId", "Quiet", "Tagging", "TagSet", "Tag", "Value", "VersioningConfiguration",
     "Status", "CreateBucketConfiguration", "LocationConstraint", "CompleteMultipartUpload", "Part",
     "PartNumber", "ETag"]
)  # fmt: skip
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8).map(escape)


def nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(ELEMENTS, st.lists(inner, max_size=4)).map(lambda it: f"<{it[0]}>{''.join(it[1])}</{it[0]}>")


TREES = st.recursive(TEXTS, nested, max_leaves=12)
BODIES = TREES.map(str.encode) | st.binary(max_size=60)


@pytest.fixture(scope="module")
def open_bucket(s3: Client) -> str:
    """Everybody may read and write it: what is fuzzed gets past the doorman."""
    name = "open-to-the-fuzzer"
    s3.create_bucket(Bucket=name, ACL="public-read-write")
    s3.put_object(Bucket=name, Key="k", Body=b"0123456789", ACL="public-read-write")
    return name


def check(answer: httpx.Response) -> None:
    assert answer.status_code < 500 or answer.status_code == 501, answer.text
    assert answer.elapsed.total_seconds() < SLOW_SECONDS
    assert answer.headers["x-amz-request-id"]
    if answer.content and answer.headers.get("content-type") == "application/xml":
        root = fromstring(answer.content)
        if answer.status_code >= 400:
            assert root.tag == "Error"
            assert root.findtext("Code")
            assert root.findtext("RequestId") == answer.headers["x-amz-request-id"]


ADDRESSES = st.sampled_from(["", "/", "/k", "/k/", "//k", "/%00", "/%ff", "/..", "/é"])


@FUZZED
@given(asked=st.tuples(METHODS, ADDRESSES, QUERIES), headers=HEADERS, body=BODIES)
def test_any_request_is_answered(
    http: httpx.Client, open_bucket: str, asked: tuple[str, str, Any], headers: dict[str, str], body: bytes
) -> None:
    method, key, query = asked
    sent = {name.encode(): value.encode("latin-1") for name, value in headers.items() if name != "expect"}
    url = httpx.URL(f"/{open_bucket}{key}")
    content = body if method in {"PUT", "POST"} else None
    url = url.copy_merge_params(query) if query else url
    check(http.request(method, url, headers={b"x-amz-fuzzed": b"1", **sent}, content=content))


DOCUMENTS = [
    ("POST", "?delete"),
    ("PUT", "/k?tagging"),
    ("PUT", "?versioning"),
    ("POST", "/k?uploadId=x"),
    ("PUT", "?acl"),
    ("PUT", "?cors"),
]


@FUZZED
@given(target=st.sampled_from(DOCUMENTS), body=BODIES)
def test_any_document_is_answered(http: httpx.Client, open_bucket: str, target: tuple[str, str], body: bytes) -> None:
    check(http.request(target[0], f"/{open_bucket}{target[1]}", content=body, headers={"x-amz-fuzzed": "1"}))
