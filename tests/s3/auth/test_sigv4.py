"""Version 4 against botocore as signer: what it signs is accepted, and refused once a signed bit has changed."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from storage_service.app.core.errors import (
    AccessDenied,
    AuthorizationHeaderMalformed,
    AuthorizationQueryParametersError,
    InvalidAccessKeyId,
    InvalidArgument,
    InvalidRequest,
    InvalidToken,
    RequestTimeTooSkewed,
    SignatureDoesNotMatch,
    StorageError,
)
from storage_service.app.core.keys import AccessKey, Keyring
from storage_service.app.s3.auth.authenticate import Authenticator, AuthOptions
from storage_service.app.s3.auth.names import PublicNames
from storage_service.app.s3.auth.presigned import MOST_KEPT_BYTES, _read, _sign, is_genuine, read_plain
from storage_service.app.s3.auth.signing import signing_key
from storage_service.app.s3.auth.sigv4 import canonical_of, read_url
from tests.s3.auth.signed import ACCESS_KEY, HOST, NOW, SECRET, V4, V4_URL, NoRecords, ask, request_of, sign, wire

KEYS = [
    "key",
    "a//b",
    "../up",
    "with space",
    "100%",
    "plus+and&equals=",
    "~tilde-._",
    "(paren)'quote'!*",
    "Ünï/cödé/日本語/🎈",
    "trailing/",
    "semi;colon:at@$,",
    "new\nline",
    "%2F",
]


@pytest.mark.parametrize("auth", [V4, V4_URL])
@pytest.mark.parametrize("key", KEYS)
async def test_any_key_is_accepted_and_another_key_is_not(auth: Any, key: str) -> None:
    signed = sign(auth, url=f"http://{HOST}/bucket/{quote(key, safe='/~')}")
    assert (await ask(wire(signed))).access_key == ACCESS_KEY
    with pytest.raises(SignatureDoesNotMatch):
        await ask(wire(signed, path="/bucket/another"))


@pytest.mark.parametrize("auth", [V4, V4_URL])
@pytest.mark.parametrize(
    "query",
    [
        "uploads",
        "uploads=",
        "list-type=2&prefix=a%20b%2Fc&delimiter=%2F",
        "prefix=a+b",
        "tagging&versionId=null",
        "b=2&a=1&a=0&a-b=3",
        "prefix=%E2%82%AC",
        "partNumber=1&uploadId=abc",
        "response-content-disposition=attachment%3B%20filename%3D%22a.txt%22",
    ],
)
async def test_any_query_is_accepted_and_another_is_not(auth: Any, query: str) -> None:
    encoded = query.replace("+", "%20")  # what botocore signs is what it sends
    signed = sign(auth, url=f"http://{HOST}/bucket?{encoded}")
    assert (await ask(wire(signed))).principal.admin
    signed.url = signed.url.replace("/bucket?", "/bucket?x-id=1&")
    with pytest.raises(SignatureDoesNotMatch):
        await ask(wire(signed))


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE"])
async def test_method_is_signed(method: str) -> None:
    signed = sign(V4, method)
    assert (await ask(wire(signed))).access_key == ACCESS_KEY
    signed.method = "DELETE" if method != "DELETE" else "GET"
    with pytest.raises(SignatureDoesNotMatch):
        await ask(wire(signed))


async def test_spaces_in_signed_headers_are_folded() -> None:
    signed = sign(V4, "PUT", headers={"x-amz-meta-note": "  two   spaces "})
    assert (await ask(wire(signed, x_amz_meta_note="two spaces"))).access_key == ACCESS_KEY
    with pytest.raises(SignatureDoesNotMatch):
        await ask(wire(signed, x_amz_meta_note="twospaces"))


async def test_expect_that_a_server_ate_is_made_up_for() -> None:
    signed = sign(V4, "PUT", headers={"Expect": "100-continue"})
    request = wire(signed)
    if "expect" in request.headers[b"authorization"].decode():
        assert (await ask(wire(signed, expect=None))).access_key == ACCESS_KEY
    else:  # botocore leaves it out of the signature
        assert (await ask(request)).access_key == ACCESS_KEY


@pytest.mark.parametrize("auth", [V4, V4_URL])
@pytest.mark.parametrize(
    "name", ["x-amz-acl", "x-amz-tagging", "x-amz-meta-a", "x-amz-object-lock-mode", "x-amz-copy-source"]
)
async def test_amz_header_that_was_not_signed_is_refused(auth: Any, name: str) -> None:
    signed = sign(auth, "PUT")
    with pytest.raises(AccessDenied, match=f"not signed: {name}"):
        await ask(wire(signed, **{name.replace("-", "_"): "added"}))


async def test_header_of_a_cdn_does_no_harm() -> None:
    assert (await ask(wire(sign(V4), x_amz_cf_id="anything"))).access_key == ACCESS_KEY


@pytest.mark.parametrize(
    ("seconds", "secret", "error"),
    [(-1, SECRET, None), (0, SECRET, InvalidAccessKeyId), (0, "wrong-secret", SignatureDoesNotMatch)],
)
async def test_key_past_its_time_is_told_only_to_who_knows_its_secret(
    seconds: int, secret: str, error: type[StorageError] | None
) -> None:
    ends_ms = int(NOW.timestamp() * 1000)
    ring = Keyring(NoRecords(), AccessKey(ACCESS_KEY, SECRET, "ann", expires_ms=ends_ms))
    clock = (NOW + timedelta(seconds=seconds)).timestamp
    auth = Authenticator(ring, PublicNames(()), AuthOptions(now=clock))
    request = wire(sign(V4, secret=secret))
    if error is None:
        assert (await auth.authenticate(request, "bucket", "key")).access_key == ACCESS_KEY
    else:
        with pytest.raises(error):
            await auth.authenticate(request, "bucket", "key")


async def test_host_must_be_signed() -> None:
    request = wire(sign(V4))
    authorization = request.headers[b"authorization"].decode().replace("SignedHeaders=host;", "SignedHeaders=")
    with pytest.raises(AccessDenied, match="not signed: host"):
        await ask(wire(sign(V4), authorization=authorization))


@pytest.mark.parametrize("auth", [V4, V4_URL])
async def test_wrong_secret_and_unknown_key_are_told_apart_as_aws_does(auth: Any) -> None:
    with pytest.raises(SignatureDoesNotMatch):
        await ask(wire(sign(auth, secret=SECRET[:-1] + "x")))
    with pytest.raises(InvalidAccessKeyId):
        await ask(wire(sign(auth, access_key="AKIAUNKNOWN")))


@pytest.mark.parametrize("minutes", [-14, 0, 14])
async def test_clock_may_be_off_by_fifteen_minutes(minutes: int) -> None:
    signed = sign(V4)
    assert (await ask(wire(signed), now=NOW + timedelta(minutes=minutes))).access_key == ACCESS_KEY


@pytest.mark.parametrize("minutes", [-16, 16, 24 * 60])
async def test_clock_beyond_fifteen_minutes_is_refused(minutes: int) -> None:
    with pytest.raises(RequestTimeTooSkewed):
        await ask(wire(sign(V4)), now=NOW + timedelta(minutes=minutes))


@pytest.mark.parametrize(("seconds", "holds"), [(-880, True), (-901, False), (0, True), (3599, True), (3600, False)])
async def test_url_holds_from_its_date_until_it_expires(seconds: int, holds: bool) -> None:
    request = wire(sign(V4_URL, expires=3600))
    if holds:
        assert (await ask(request, now=NOW + timedelta(seconds=seconds))).access_key == ACCESS_KEY
    else:
        with pytest.raises(AccessDenied, match=r"expired|not yet valid"):
            await ask(request, now=NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("expires", "words"),
    [("604801", "less than a week"), ("-1", "non-negative"), ("1.5", "a number"), ("", "a number"), ("٣", "a number")],
)
async def test_url_with_a_lifetime_out_of_range_is_refused(expires: str, words: str) -> None:
    signed = sign(V4_URL, expires=3600)
    signed.url = signed.url.replace("X-Amz-Expires=3600", f"X-Amz-Expires={quote(expires)}")
    with pytest.raises(AuthorizationQueryParametersError, match=words):
        await ask(wire(signed))


async def test_url_may_hold_for_seven_days() -> None:
    assert (await ask(wire(sign(V4_URL, expires=604_800)), now=NOW + timedelta(days=6, hours=23))).access_key


@pytest.mark.parametrize(
    "name",
    ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"],
)
async def test_url_without_one_of_its_parameters_or_with_two_is_refused(name: str) -> None:
    signed = sign(V4_URL)
    parameter = next(part for part in signed.url.partition("?")[2].split("&") if part.startswith(name))
    for changed in (f"X-Gone={parameter}", f"{parameter}&{parameter}"):
        url = signed.url.replace(parameter, changed)
        with pytest.raises(AuthorizationQueryParametersError):
            await ask(request_of("GET", url.removeprefix(f"http://{HOST}").encode(), {"host": HOST}))


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("AWS4-HMAC-SHA256 ", "AWS4-ECDSA-P256-SHA256 ", InvalidArgument),
        ("AWS4-HMAC-SHA256 ", "Bearer ", InvalidArgument),
        ("Credential=", "Credentials=", AuthorizationHeaderMalformed),
        ("Signature=", "Sig=", AuthorizationHeaderMalformed),
        ("SignedHeaders=", "Headers=", AuthorizationHeaderMalformed),
        ("/s3/aws4_request", "/ec2/aws4_request", AuthorizationHeaderMalformed),
        ("/aws4_request", "", AuthorizationHeaderMalformed),
        ("/20260524/", "/20260523/", AuthorizationHeaderMalformed),
        ("/20260524/", "/2026-05-24/", AuthorizationHeaderMalformed),
        ("Signature=", "Signature=0,Signature=", AuthorizationHeaderMalformed),
        ("Signature=", "Signature=é", AuthorizationHeaderMalformed),
    ],
)
async def test_malformed_authorization_is_refused(old: str, new: str, error: type[StorageError]) -> None:
    signed = sign(V4)
    text = signed.headers["Authorization"]
    assert old in text
    with pytest.raises(error):
        await ask(wire(signed, authorization=text.replace(old, new)))


async def test_body_hash_and_date_are_required() -> None:
    signed = sign(V4)
    with pytest.raises(InvalidRequest, match="x-amz-content-sha256"):
        await ask(wire(signed, x_amz_content_sha256=None))
    with pytest.raises(AccessDenied, match="valid Date"):
        await ask(wire(signed, x_amz_date=None))
    with pytest.raises(AccessDenied, match="valid Date"):
        await ask(wire(signed, x_amz_date="yesterday"))


async def test_two_ways_to_authenticate_are_refused() -> None:
    header, url = sign(V4), sign(V4_URL)
    header.url = url.url
    with pytest.raises(InvalidArgument, match="Only one auth mechanism"):
        await ask(wire(header))
    twice = wire(sign(V4))
    twice.scope["headers"].append((b"authorization", b"AWS4-HMAC-SHA256 other"))
    with pytest.raises(InvalidArgument, match="Only one auth mechanism"):
        await ask(twice)


async def test_session_tokens_are_refused_clearly() -> None:
    with pytest.raises(InvalidToken, match="no session tokens"):
        await ask(wire(sign(V4, headers={"x-amz-security-token": "token"})))
    signed = sign(V4_URL, url=f"http://{HOST}/bucket/key?X-Amz-Security-Token=token")
    with pytest.raises(InvalidToken):
        await ask(wire(signed))


async def test_region_is_checked_where_one_is_set() -> None:
    signed = sign(V4, region="eu-central-1")
    assert (await ask(wire(signed))).access_key == ACCESS_KEY
    assert (await ask(wire(signed), region="eu-central-1")).access_key == ACCESS_KEY
    with pytest.raises(AuthorizationHeaderMalformed, match="'eu-central-1' is wrong; expecting 'us-east-1'"):
        await ask(wire(signed), region="us-east-1")
    with pytest.raises(AuthorizationQueryParametersError, match="expecting 'us-east-1'"):
        await ask(wire(sign(V4_URL, region="eu-central-1")), region="us-east-1")


async def test_unsigned_request_is_anonymous() -> None:
    caller = await ask(request_of("GET", b"/bucket/key", {"host": HOST}))
    assert (caller.principal.kind, caller.access_key, caller.payload.kind) == ("anonymous", "", "unsigned")


async def test_empty_authorization_is_no_anonymous_request() -> None:
    with pytest.raises(AccessDenied):
        await ask(request_of("GET", b"/bucket/key", {"host": HOST, "authorization": ""}))


async def test_headers_in_a_url_become_the_requests() -> None:
    url = f"http://{HOST}/bucket/key?x-amz-acl=public-read&X-Amz-Meta-Note=a%20b"
    request = wire(sign(V4_URL, "PUT", url))
    await ask(request)
    assert request.header(b"x-amz-acl") == "public-read"
    assert request.header(b"x-amz-meta-note") == "a b"
    assert request.header(b"x-amz-credential") is None


async def test_header_in_a_url_may_not_break_a_line() -> None:
    with pytest.raises(InvalidArgument, match="control characters"):
        await ask(wire(sign(V4_URL, "PUT", f"http://{HOST}/bucket/key?x-amz-meta-a=b%0D%0Ac")))


async def test_error_names_bucket_and_key() -> None:
    with pytest.raises(SignatureDoesNotMatch) as raised:
        await ask(wire(sign(V4, secret="wrong-secret")))
    assert (raised.value.bucket, raised.value.key) == ("bucket", "key")


# The short way of plain presigned URLs ------------------------------------------------------------------------------


async def test_plain_url_goes_the_short_way() -> None:
    request = wire(sign(V4_URL))
    plain = read_plain(request)
    assert plain is not None
    assert plain.canonical == canonical_of(read_url(request))
    assert (await ask(request)).payload.kind == "unsigned"


@pytest.mark.parametrize(
    "change",
    [
        {"x_amz_meta_added": "1"},
        {"authorization": "AWS4-HMAC-SHA256 x"},
        {"x_amz_content_sha256": "UNSIGNED-PAYLOAD"},
        {"path": "/bucket/a+b"},
        {"path": "/bucket/%7E"},
        {"path": ""},
    ],
)
def test_what_is_not_plain_goes_the_long_way(change: dict[str, str]) -> None:
    assert read_plain(wire(sign(V4_URL), **change)) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"X-Amz-Expires=", b"X-Amz-Expires=9"),
        (b"X-Amz-SignedHeaders=host", b"X-Amz-SignedHeaders=host%3Brange"),
        (b"X-Amz-Algorithm=", b"x-id=GetObject&X-Amz-Algorithm="),
        (b"&X-Amz-Signature=", b"&versionId=1&X-Amz-Signature="),
        (b"us-east-1%2Fs3", b"us-east-1%2fs3"),
        (b"%2Fs3%2F", b"%2Fsts%2F"),
        (b"X-Amz-Date=2026", b"X-Amz-Date=2025"),
    ],
)
def test_query_of_another_form_goes_the_long_way(old: bytes, new: bytes) -> None:
    request = wire(sign(V4_URL, expires=600_000))
    assert old in request.scope["query_string"]
    request.scope["query_string"] = request.scope["query_string"].replace(old, new)
    assert read_plain(request) is None


@pytest.mark.parametrize("minutes", [-16, -14, 0, 59, 60])
async def test_both_ways_agree_on_time(minutes: int) -> None:
    request, now = wire(sign(V4_URL, expires=3600)), NOW + timedelta(minutes=minutes)
    plain, key = read_plain(request), signing_key(SECRET, b"20260524", b"us-east-1")
    assert plain is not None
    assert is_genuine(plain, key, now.timestamp()) is (-15 <= minutes < 60)
    if -15 <= minutes < 60:
        assert (await ask(request, now=now)).access_key == ACCESS_KEY
    else:
        with pytest.raises(AccessDenied):
            await ask(request, now=now)


async def test_short_way_lets_nobody_in_with_another_secret_region_or_place() -> None:
    for request in (
        wire(sign(V4_URL, secret="another")),
        wire(sign(V4_URL), path="/bucket/other"),
        wire(sign(V4_URL), host="other.example.org"),
    ):
        with pytest.raises(SignatureDoesNotMatch):
            await ask(request)
    with pytest.raises(AuthorizationQueryParametersError):
        await ask(wire(sign(V4_URL, region="eu-west-1")), region="us-east-1")


async def test_url_checked_before_is_checked_against_the_key_of_now() -> None:
    request = wire(sign(V4_URL, expires=3600))
    plain = read_plain(request)
    assert plain is not None
    for secret in (SECRET, "another-secret", SECRET):
        key = signing_key(secret, b"20260524", b"us-east-1")
        assert is_genuine(plain, key, NOW.timestamp()) is (secret == SECRET)


@pytest.mark.parametrize("letters", [1, 2 * MOST_KEPT_BYTES])
async def test_long_urls_are_not_kept(letters: int) -> None:
    before = _read.cache_info().misses, _sign.cache_info().misses
    request = wire(sign(V4_URL, url=f"http://{HOST}/bucket/long-{'x' * letters}"))
    assert (await ask(request)).access_key == ACCESS_KEY
    after = _read.cache_info().misses, _sign.cache_info().misses
    assert after == (before if letters > MOST_KEPT_BYTES else (before[0] + 1, before[1] + 1))
