"""CORS of a bucket: kept by boto3, checked as a document, answered on both doors."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from storage_service.app.core.errors import InvalidRequest, MalformedXML
from storage_service.app.s3.configuration.cors import parse_cors_xml, render_cors_xml
from storage_service.app.s3.reading import parse_xml
from tests.s3.asking import refused

Client = Any
SITE = "https://app.example.org"
RULES = {
    "CORSRules": [
        {
            "ID": "site",
            "AllowedMethods": ["GET", "PUT"],
            "AllowedOrigins": ["https://*.example.org"],
            "AllowedHeaders": ["x-amz-*", "Content-Type"],
            "ExposeHeaders": ["ETag", "x-amz-version-id"],
            "MaxAgeSeconds": 600,
        },
        {"AllowedMethods": ["HEAD"], "AllowedOrigins": ["*"]},
    ]
}


def preflight(method: str, headers: str = "", origin: str = SITE) -> dict[str, str]:
    asked = {"origin": origin, "access-control-request-method": method}
    return asked | ({"access-control-request-headers": headers} if headers else {})


@pytest.fixture
def ruled(s3: Client, anonymous: Client, bucket: str) -> Iterator[str]:
    """A bucket with the rules and an object for everyone."""
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=RULES)
    s3.put_object(Bucket=bucket, Key="a", Body=b"x", ACL="public-read")
    yield bucket


def test_rules_are_kept_and_removed(s3: Client, bucket: str) -> None:
    assert refused(s3.get_bucket_cors, Bucket=bucket) == (404, "NoSuchCORSConfiguration")
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=RULES)
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == RULES["CORSRules"]
    s3.delete_bucket_cors(Bucket=bucket)
    assert refused(s3.get_bucket_cors, Bucket=bucket) == (404, "NoSuchCORSConfiguration")


@pytest.mark.parametrize("path", ["/{b}/a", "/storage/{b}/a", "/files/download/{b}/a"])
def test_answers_bear_what_the_first_fitting_rule_says(http: httpx.Client, ruled: str, path: str) -> None:
    url = path.format(b=ruled)
    answer = http.get(url, headers={"origin": SITE})
    assert answer.headers.get_list("access-control-allow-origin") == [SITE]
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-expose-headers"] == "ETag, x-amz-version-id"
    assert "Origin" in answer.headers["vary"]
    for headers in ({}, {"origin": "https://example.com"}):
        answer = http.get(url, headers=headers)
        assert answer.status_code == 200
        assert "access-control-allow-origin" not in answer.headers
        assert "Origin" in answer.headers["vary"]
    answer = http.head(url, headers={"origin": "https://example.com"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("path", ["/{b}/new", "/files/upload-direct/{b}/new", "/files/{b}/new", "/files/tags/{b}/new"])
def test_preflights_are_answered_by_the_rules(http: httpx.Client, ruled: str, path: str) -> None:
    url = path.format(b=ruled)
    asked = "X-Amz-Date, content-type" if path.startswith("/{b}") else "content-type"  # `x-amz-*` is S3's alone
    answer = http.options(url, headers=preflight("PUT", asked))
    assert answer.status_code == 200
    assert answer.headers.get_list("access-control-allow-origin") == [SITE]
    assert answer.headers["access-control-allow-methods"] == "GET, PUT"
    assert answer.headers["access-control-allow-headers"] == asked.lower()
    assert answer.headers["access-control-max-age"] == "600"
    for refusal in (preflight("DELETE"), preflight("PUT", "authorization"), preflight("PUT", origin="http://x.org")):
        answer = http.options(url, headers=refusal)
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers


def test_errors_bear_the_headers_too(http: httpx.Client, ruled: str) -> None:
    answer = http.get(f"/{ruled}/none", headers={"origin": SITE})
    assert answer.status_code == 403
    assert answer.headers.get_list("access-control-allow-origin") == [SITE]


def test_a_bucket_without_rules_is_open_to_any_origin(http: httpx.Client, s3: Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"x", ACL="public-read")
    answer = http.get(f"/{bucket}/a", headers={"origin": SITE})
    assert answer.headers.get_list("access-control-allow-origin") == ["*"]
    answer = http.options(f"/{bucket}/a", headers=preflight("PUT", "authorization, x-amz-date"))
    assert answer.status_code == 204
    assert answer.headers.get_list("access-control-allow-origin") == ["*"]


def rule(inner: str) -> bytes:
    return f"<CORSConfiguration><CORSRule>{inner}</CORSRule></CORSConfiguration>".encode()


ORIGIN, GET = "<AllowedOrigin>*</AllowedOrigin>", "<AllowedMethod>GET</AllowedMethod>"


@pytest.mark.parametrize(
    ("document", "error"),
    [
        (b"<CORSConfiguration/>", MalformedXML),
        (rule(ORIGIN), MalformedXML),
        (rule(GET), MalformedXML),
        (b"<CORSConfiguration><Rule/></CORSConfiguration>", MalformedXML),
        (rule(ORIGIN + "<AllowedMethod>PATCH</AllowedMethod>"), InvalidRequest),
        (rule(ORIGIN + "<AllowedMethod>get</AllowedMethod>"), InvalidRequest),
        (rule("<AllowedOrigin>*.*</AllowedOrigin>" + GET), InvalidRequest),
        (rule("<AllowedOrigin>a\nb</AllowedOrigin>" + GET), InvalidRequest),
        (rule(ORIGIN + GET + "<AllowedHeader>*-*</AllowedHeader>"), InvalidRequest),
        (rule(ORIGIN + GET + "<ExposeHeader>*</ExposeHeader>"), InvalidRequest),
        (rule(ORIGIN + GET + "<ExposeHeader>é</ExposeHeader>"), InvalidRequest),
        (rule(ORIGIN + GET + "<MaxAgeSeconds>-1</MaxAgeSeconds>"), MalformedXML),
        (rule(ORIGIN + GET + "<MaxAgeSeconds>soon</MaxAgeSeconds>"), MalformedXML),
        (rule(ORIGIN + GET + f"<ID>{'x' * 256}</ID>"), MalformedXML),
        (
            b"<CORSConfiguration>" + b"".join([rule(ORIGIN + GET)[19:-20]] * 101) + b"</CORSConfiguration>",
            MalformedXML,
        ),
    ],
)
def test_rules_that_make_no_sense_are_refused(document: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse_cors_xml(parse_xml(document, "CORSConfiguration"))


def test_a_document_survives_the_way_through_json() -> None:
    inner = f"<ID>a</ID>{ORIGIN}{GET}<AllowedHeader>x-*</AllowedHeader><MaxAgeSeconds>5</MaxAgeSeconds>"
    found = parse_cors_xml(parse_xml(rule(inner), "CORSConfiguration"))
    again = parse_cors_xml(parse_xml(render_cors_xml(found).encode(), "CORSConfiguration"))
    assert again == found
    assert found[0] == {
        "id": "a",
        "origins": ["*"],
        "methods": ["GET"],
        "headers": ["x-*"],
        "expose": [],
        "max_age": 5,
    }
