"""POST forms: signed by boto3's client, and by hand as older tools do; every condition holds or the form is refused."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st

from storage_service.app.core.errors import (
    AccessDenied,
    InvalidAccessKeyId,
    InvalidArgument,
    InvalidPolicyDocument,
    InvalidRequest,
    InvalidToken,
    SignatureDoesNotMatch,
    StorageError,
)
from storage_service.app.s3.auth.policy import check_form, parse_policy
from tests.s3.auth.signed import ACCESS_KEY, HOST, NOW, SECRET, authenticator

EXPIRATION = (NOW + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
CONDITIONS: list[Any] = [
    {"bucket": "photos"},
    ["starts-with", "$key", "user/"],
    {"acl": "private"},
    ["starts-with", "$Content-Type", "text/"],
    ["content-length-range", 1, 1024],
]
FIELDS = {"key": "user/a.txt", "acl": "private", "Content-Type": "text/plain"}


def policy_of(conditions: Any = CONDITIONS, expiration: Any = EXPIRATION) -> str:
    document = {"expiration": expiration, "conditions": conditions}
    return base64.b64encode(json.dumps(document).encode()).decode()


def old_form(policy: str, secret: str = SECRET, **fields: str) -> dict[str, str]:
    """Signed with version 2, as in AWS's older examples."""
    signature = base64.b64encode(hmac.new(secret.encode(), policy.encode(), hashlib.sha1).digest()).decode()
    return FIELDS | {"AWSAccessKeyId": ACCESS_KEY, "policy": policy, "signature": signature} | fields


def new_form(conditions: list[Any], **fields: str) -> dict[str, str]:
    """Signed by boto3 with version 4."""
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{HOST}",
        region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET,
        config=Config(signature_version="s3v4"),
    )
    made = client.generate_presigned_post("photos", "user/a.txt", dict(fields), conditions, 3600)
    found: dict[str, str] = made["fields"]
    return found


async def test_form_of_boto3_is_accepted_with_its_limits() -> None:
    form = new_form([["content-length-range", 1, 1024], {"acl": "private"}], acl="private")
    caller = await authenticator().authenticate_form(form, "photos")
    assert caller.access_key == ACCESS_KEY
    assert (caller.payload.least_bytes, caller.payload.most_bytes) == (1, 1024)


async def test_form_of_version_2_is_accepted_with_its_limits() -> None:
    caller = await authenticator().authenticate_form(old_form(policy_of()), "photos")
    assert (caller.access_key, caller.payload.least_bytes, caller.payload.most_bytes) == (ACCESS_KEY, 1, 1024)


@pytest.mark.parametrize(
    "changed",
    [
        {"key": "other/a.txt"},
        {"acl": "public-read"},
        {"Content-Type": "image/png"},
        {"x-amz-meta-extra": "1"},
        {"success_action_redirect": "http://evil.example.org/"},
        {"bucket": "photos", "tagging": "<Tagging/>"},
    ],
)
async def test_field_beyond_the_policy_is_refused(changed: dict[str, str]) -> None:
    with pytest.raises(AccessDenied, match="Invalid according to Policy"):
        await authenticator().authenticate_form(old_form(policy_of(), **changed), "photos")


async def test_form_for_another_bucket_is_refused_whatever_it_says() -> None:
    for fields in ({}, {"bucket": "photos"}):
        with pytest.raises(AccessDenied, match=r'\["eq", "\$bucket"'):
            await authenticator().authenticate_form(old_form(policy_of(), **fields), "other")


async def test_bucket_must_be_among_the_conditions() -> None:
    with pytest.raises(AccessDenied, match="Extra input fields: bucket"):
        await authenticator().authenticate_form(old_form(policy_of(CONDITIONS[1:])), "photos")


async def test_notes_and_checksums_need_no_condition() -> None:
    fields = {"x-ignore-note": "1", "x-amz-checksum-sha256": "x"}
    assert (await authenticator().authenticate_form(old_form(policy_of(), **fields), "photos")).access_key


async def test_names_of_fields_have_no_case() -> None:
    conditions = [{"bUcKeT": "photos"}, ["StArTs-WiTh", "$KeY", "user/"], {"AcL": "private"}]
    conditions += [["starts-with", "$Content-Type", ""]]
    assert (await authenticator().authenticate_form(old_form(policy_of(conditions)), "photos")).access_key


async def test_policy_ends() -> None:
    form = old_form(policy_of())
    with pytest.raises(AccessDenied, match="Policy expired"):
        await authenticator(now=NOW + timedelta(hours=1)).authenticate_form(form, "photos")


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"not json",
        b"[]",
        b'{"expiration": "2026-05-24T13:00:00Z"}',
        b'{"EXPIRATION": "2026-05-24T13:00:00Z", "conditions": []}',
        b'{"expiration": "2026-05-24T13:00:00Z", "CONDITIONS": []}',
        b'{"expiration": "2026-05-24 13:00:00+00:00", "conditions": []}',
        b'{"expiration": "2026-05-24T13:00:00", "conditions": []}',
        b'{"expiration": "2026-05-24T13:00:00Z", "conditions": [{}]}',
        b'{"expiration": "2026-05-24T13:00:00Z", "conditions": [{"acl": 1}]}',
        b'{"expiration": "2026-05-24T13:00:00Z", "conditions": [["matches", "$key", "a"]]}',
        b'{"expiration": "2026-05-24T13:00:00Z", "conditions": [["eq", "key", "a"]]}',
        b'{"expiration": "2026-05-24T13:00:00Z", "conditions": [["content-length-range", 0]]}',
        b'{"expiration": "2026-05-24T13:00:00Z", "conditions": [["content-length-range", -1, 0]]}',
        b'{"expiration": "2026-05-24T13:00:00Z", "conditions": [["content-length-range", true, 9]]}',
        b"[" * 60_000,
    ],
)
async def test_policy_that_cannot_be_read_is_refused(document: bytes) -> None:
    with pytest.raises(InvalidPolicyDocument):
        await authenticator().authenticate_form(old_form(base64.b64encode(document).decode()), "photos")


async def test_signature_covers_the_policy() -> None:
    form = old_form(policy_of())
    with pytest.raises(SignatureDoesNotMatch):
        await authenticator().authenticate_form(form | {"policy": policy_of([])}, "photos")
    with pytest.raises(SignatureDoesNotMatch):
        await authenticator().authenticate_form(old_form(policy_of(), secret="wrong-secret"), "photos")
    new = new_form([])
    with pytest.raises(SignatureDoesNotMatch):
        await authenticator().authenticate_form(new | {"x-amz-signature": "0" * 64}, "photos")


@pytest.mark.parametrize(
    ("removed", "error"),
    [("signature", InvalidArgument), ("policy", InvalidArgument), ("AWSAccessKeyId", InvalidArgument)],
)
async def test_half_a_signature_is_no_anonymous_form(removed: str, error: type[StorageError]) -> None:
    form = {name: value for name, value in old_form(policy_of()).items() if name != removed}
    with pytest.raises(error):
        await authenticator().authenticate_form(form, "photos")
    both = old_form(policy_of()) | new_form([])
    with pytest.raises(InvalidRequest):
        await authenticator().authenticate_form(both, "photos")


async def test_form_without_a_signature_is_anonymous_and_needs_a_key() -> None:
    caller = await authenticator().authenticate_form(FIELDS, "photos")
    assert caller.principal.kind == "anonymous"
    with pytest.raises(InvalidArgument, match="field named 'key'"):
        await authenticator().authenticate_form({"acl": "private"}, "photos")


async def test_unknown_key_token_and_setting_refuse() -> None:
    with pytest.raises(InvalidAccessKeyId):
        await authenticator().authenticate_form(old_form(policy_of(), AWSAccessKeyId="unknown"), "photos")
    with pytest.raises(InvalidToken):
        await authenticator().authenticate_form(old_form(policy_of()) | {"x-amz-security-token": "t"}, "photos")
    with pytest.raises(InvalidRequest):
        await authenticator(sigv2=False).authenticate_form(old_form(policy_of()), "photos")


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["eq", "starts-with", "$key"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)


@given(JSON, st.dictionaries(st.text(max_size=6), st.text(max_size=6), max_size=4))
def test_no_policy_breaks_the_reader(conditions: Any, fields: dict[str, str]) -> None:
    try:
        check_form(parse_policy(policy_of(conditions)), fields, NOW.timestamp())
    except StorageError as error:
        assert type(error) in (InvalidPolicyDocument, AccessDenied)
    else:
        assert isinstance(conditions, list)
