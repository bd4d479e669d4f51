"""Version 2 against botocore as signer, and what its URLs may not carry."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from storage_service.app.core.errors import (
    AccessDenied,
    InvalidAccessKeyId,
    InvalidArgument,
    InvalidRequest,
    RequestTimeTooSkewed,
    SignatureDoesNotMatch,
)
from tests.s3.auth.signed import ACCESS_KEY, HOST, NOW, V2, V2_URL, ask, authenticator, request_of, sign, wire
from tests.s3.auth.test_sigv4 import KEYS


@pytest.mark.parametrize("auth", [V2, V2_URL])
@pytest.mark.parametrize("key", KEYS)
async def test_any_key_is_accepted_and_another_key_is_not(auth: Any, key: str) -> None:
    signed = sign(auth, url=f"http://{HOST}/bucket/{quote(key, safe='/~')}")
    assert (await ask(wire(signed))).access_key == ACCESS_KEY
    with pytest.raises(SignatureDoesNotMatch):
        await ask(wire(signed, path="/bucket/another"))


@pytest.mark.parametrize("auth", [V2, V2_URL])
@pytest.mark.parametrize(
    "query", ["acl", "uploads", "partNumber=2&uploadId=x", "response-content-type=text%2Fplain", "versionId=null"]
)
async def test_sub_resources_are_signed(auth: Any, query: str) -> None:
    signed = sign(auth, "PUT", f"http://{HOST}/bucket/key?{query}")
    assert (await ask(wire(signed))).access_key == ACCESS_KEY
    signed.url = signed.url.replace(query, "tagging")
    with pytest.raises(SignatureDoesNotMatch):
        await ask(wire(signed))


@pytest.mark.parametrize("parameter", ["retention", "legal-hold", "encryption", "x-amz-acl=public-read", "anything=1"])
async def test_url_may_bear_nothing_that_is_not_signed(parameter: str) -> None:
    signed = sign(V2_URL, "PUT")
    signed.url += f"&{parameter}"
    with pytest.raises((AccessDenied, SignatureDoesNotMatch)):
        await ask(wire(signed))


@pytest.mark.parametrize("prefix", ["", "/s3"])
async def test_bucket_may_be_signed_with_a_slash_at_its_end(prefix: str) -> None:
    signed = sign(V2, "PUT", f"http://{HOST}{prefix}/bucket/")
    assert (await ask(wire(signed, path="/bucket"), f"http://{HOST}{prefix}")).access_key == ACCESS_KEY
    with pytest.raises(SignatureDoesNotMatch):
        await ask(wire(sign(V2, "PUT", f"http://{HOST}/bucket/key/"), path="/bucket/key"))


async def test_url_may_list() -> None:
    signed = sign(V2_URL, url=f"http://{HOST}/bucket?prefix=a%2Fb&delimiter=%2F&max-keys=3&list-type=2")
    assert (await ask(wire(signed))).access_key == ACCESS_KEY


async def test_headers_are_signed_in_a_url_too() -> None:
    headers = {"x-amz-acl": "private", "Content-Type": "text/plain"}
    signed = sign(V2_URL, "PUT", headers=headers)
    request = wire(signed)
    assert (await ask(request)).access_key == ACCESS_KEY
    with pytest.raises(SignatureDoesNotMatch):
        await ask(wire(signed, x_amz_acl="public-read"))


async def test_headers_that_only_the_url_holds_become_the_requests() -> None:
    signed = sign(V2_URL, "PUT", headers={"x-amz-acl": "private", "Content-Type": "text/plain"})
    request = wire(signed, x_amz_acl=None, content_type=None)
    assert (await ask(request)).access_key == ACCESS_KEY
    assert (request.header(b"x-amz-acl"), request.header(b"content-type")) == ("private", "text/plain")


async def test_key_of_one_bucket_is_not_that_of_another_host() -> None:
    """Version 2 signs no host: `/photos/cat` of bucket photos must not open `photos/cat` of a bucket in the host."""
    signed = sign(V2_URL, url=f"http://{HOST}/photos/cat")
    request = wire(signed, host="photos.example.org")
    with pytest.raises(SignatureDoesNotMatch):
        await authenticator().authenticate(request, "photos", "photos/cat")


@pytest.mark.parametrize(("seconds", "holds"), [(3599, True), (3600, False)])
async def test_url_ends(seconds: int, holds: bool) -> None:
    request = wire(sign(V2_URL, expires=3600))
    if holds:
        assert (await ask(request, now=NOW + timedelta(seconds=seconds))).access_key == ACCESS_KEY
    else:
        with pytest.raises(AccessDenied, match="Request has expired"):
            await ask(request, now=NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("change", ["Signature=", "Expires=", "AWSAccessKeyId="])
async def test_url_with_a_parameter_twice_or_missing_is_refused(change: str) -> None:
    signed = sign(V2_URL)
    signed.url += f"&{change}1"
    with pytest.raises(AccessDenied, match="requires the Signature"):
        await ask(wire(signed))
    request = request_of("GET", b"/bucket/key?AWSAccessKeyId=a&Expires=x&Signature=y", {"host": HOST})
    with pytest.raises(AccessDenied, match="requires the Signature"):
        await ask(request)


@pytest.mark.parametrize(
    ("date", "error"),
    [
        ("Bad Date", AccessDenied),
        ("", AccessDenied),
        (None, AccessDenied),
        ("Tue, 07 Jul 1950 21:53:04 GMT", AccessDenied),
        ("Tue, 07 Jul 2010 21:53:04 GMT", RequestTimeTooSkewed),
        ("Tue, 07 Jul 9999 21:53:04 GMT", RequestTimeTooSkewed),
        ("Mon, 01 Jan 0001 00:00:00 +2359", RequestTimeTooSkewed),
    ],
)
async def test_date_out_of_time_is_refused(date: str | None, error: Any) -> None:
    with pytest.raises(error):
        await ask(wire(sign(V2), date=date))


@pytest.mark.parametrize("text", ["AWS HAHAHA", "AWS", "AWS :", "AWS key:", "AWS key:ä", "HAHAHA"])
async def test_malformed_authorization_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        await ask(wire(sign(V2), authorization=text))


async def test_unknown_key_is_refused() -> None:
    with pytest.raises(InvalidAccessKeyId):
        await ask(wire(sign(V2), authorization="AWS AKIAIGR7ZNNBHC5BKSUB:FWeDfwojDSdS2Ztmpfeubhd9isU="))


@pytest.mark.parametrize("auth", [V2, V2_URL])
async def test_one_setting_turns_it_off(auth: Any) -> None:
    with pytest.raises(InvalidRequest, match="Please use AWS4-HMAC-SHA256"):
        await ask(wire(sign(auth)), sigv2=False)
