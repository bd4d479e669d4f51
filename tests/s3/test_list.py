"""Lists: pages join to the whole, in byte order, each key once."""

from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_service.app.core.errors import InvalidArgument
from storage_service.app.s3.list import make_token, read_limit, read_token
from tests.s3.asking import keys, prefixes, refused

Client = Any
KEYS = ["a", "a/1", "a/2", "a//x", "b", "b/1/2", "c+d e", "c/é", "z"]


@pytest.fixture(scope="module")
def filled(s3: Client) -> str:
    name = "list-of-odd-keys"
    s3.create_bucket(Bucket=name)
    for key in KEYS:
        s3.put_object(Bucket=name, Key=key, Body=key.encode())
    return name


IN_ORDER = sorted(KEYS, key=str.encode)


@pytest.mark.parametrize("size", [1, 2, 3, 9, 10])
def test_pages_of_version_2_join_to_the_whole(s3: Client, filled: str, size: int) -> None:
    found: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = s3.list_objects_v2(Bucket=filled, MaxKeys=size, **token)
        assert page["KeyCount"] == len(keys(page)) <= size
        found += keys(page)
        if not page["IsTruncated"]:
            break
        token = {"ContinuationToken": page["NextContinuationToken"]}
    assert found == IN_ORDER


@pytest.mark.parametrize("size", [1, 2, 4])
def test_pages_of_version_1_join_to_the_whole_with_a_delimiter(s3: Client, filled: str, size: int) -> None:
    found: list[str] = []
    marker = ""
    while True:
        page = s3.list_objects(Bucket=filled, MaxKeys=size, Delimiter="/", Marker=marker)
        found += sorted([*keys(page), *prefixes(page)], key=str.encode)
        if not page["IsTruncated"]:
            break
        marker = page["NextMarker"]
    assert found == sorted(["a", "a/", "b", "b/", "c+d e", "c/", "z"], key=str.encode)


@pytest.mark.parametrize(
    ("arguments", "shown", "rolled"),
    [
        ({"Prefix": "a/"}, ["a//x", "a/1", "a/2"], []),
        ({"Prefix": "a/", "Delimiter": "/"}, ["a/1", "a/2"], ["a//"]),
        ({"Delimiter": "/"}, ["a", "b", "c+d e", "z"], ["a/", "b/", "c/"]),
        ({"Prefix": "none"}, [], []),
        ({"StartAfter": "b"}, ["b/1/2", "c+d e", "c/é", "z"], []),
        ({"StartAfter": "a/1", "Delimiter": "/"}, ["b", "c+d e", "z"], ["a/", "b/", "c/"]),
        ({"Delimiter": "+"}, ["a", "a//x", "a/1", "a/2", "b", "b/1/2", "c/é", "z"], ["c+"]),
    ],
)
def test_prefix_delimiter_and_start_choose_what_is_listed(
    s3: Client, filled: str, arguments: dict[str, str], shown: list[str], rolled: list[str]
) -> None:
    page = s3.list_objects_v2(Bucket=filled, **arguments)
    assert (keys(page), prefixes(page)) == (shown, rolled)


def test_no_keys_are_asked_for_and_none_come(s3: Client, filled: str) -> None:
    page = s3.list_objects_v2(Bucket=filled, MaxKeys=0)
    assert (page["KeyCount"], page["IsTruncated"]) == (0, False)


def test_the_owner_is_named_when_asked(s3: Client, filled: str) -> None:
    assert "Owner" not in s3.list_objects_v2(Bucket=filled)["Contents"][0]
    assert s3.list_objects_v2(Bucket=filled, FetchOwner=True)["Contents"][0]["Owner"]["ID"] == "main-user"
    assert s3.list_objects(Bucket=filled)["Contents"][0]["Owner"]["ID"] == "main-user"


def test_each_object_has_its_own_owner(s3: Client, other: Client, versioned: str) -> None:
    s3.put_bucket_acl(Bucket=versioned, ACL="public-read-write")
    s3.put_object(Bucket=versioned, Key="mine", Body=b"", Metadata={"owner": "nobody"})
    other.put_object(Bucket=versioned, Key="others", Body=b"")
    owners = {"mine": "main-user", "others": "other-user"}
    listed = s3.list_objects_v2(Bucket=versioned, FetchOwner=True)["Contents"], s3.list_objects(Bucket=versioned)
    assert {one["Key"]: one["Owner"]["ID"] for one in listed[0]} == owners
    assert {one["Key"]: one["Owner"]["ID"] for one in listed[1]["Contents"]} == owners
    versions = s3.list_object_versions(Bucket=versioned)["Versions"]
    assert {one["Key"]: one["Owner"]["ID"] for one in versions} == owners
    s3.delete_bucket_ownership_controls(Bucket=versioned)
    s3.put_bucket_acl(Bucket=versioned, ACL="private")
    rules = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    s3.put_bucket_ownership_controls(Bucket=versioned, OwnershipControls=rules)
    assert {one["Owner"]["ID"] for one in s3.list_objects(Bucket=versioned)["Contents"]} == {"main-user"}


@pytest.mark.parametrize(
    "arguments",
    [{"ContinuationToken": "made up"}, {"ContinuationToken": "bm90IG91cnM="}, {"MaxKeys": -1}],
)
def test_what_no_page_begins_with_is_refused(s3: Client, filled: str, arguments: dict[str, Any]) -> None:
    assert refused(s3.list_objects_v2, Bucket=filled, **arguments) == (400, "InvalidArgument")


def test_the_document_is_xml_without_url_encoding_too(http: httpx.Client, s3: Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="<&> \n é", Body=b"")
    url = s3.generate_presigned_url("list_objects_v2", Params={"Bucket": bucket})
    assert "<Key>&lt;&amp;&gt; &#10; é</Key>" in http.get(url.replace("encoding-type=url&", "")).text


def test_metadata_stands_beside_the_objects_for_minios_clients(http: httpx.Client, s3: Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Metadata={"colour": "blue"}, Tagging="a=1", ContentType="text/plain")
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    text = http.get(f"/{bucket}?list-type=2&metadata=true").text
    assert "<X-Amz-Meta-Colour>blue</X-Amz-Meta-Colour>" in text
    assert "<UserTags>a=1</UserTags>" in text


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
def test_a_token_is_read_as_it_was_made(after: str) -> None:
    token = make_token(after)
    assert token.isascii()
    assert read_token(token) == after


@pytest.mark.parametrize("token", ["", "x", "MQ", "Mg==", "é", "MQ==\n", "Mf8="])
def test_a_token_of_somebody_else_is_refused(token: str) -> None:
    with pytest.raises(InvalidArgument):
        read_token(token)


@pytest.mark.parametrize(("text", "limit"), [(None, 1000), ("", 1000), ("0", 0), ("7", 7), ("99999", 99999)])
def test_a_limit_is_a_number(text: str | None, limit: int) -> None:
    assert read_limit(text, "max-keys") == limit


@pytest.mark.parametrize("text", ["-1", "x", "1.5", "9" * 11, "\u0661", " 1"])
def test_what_is_no_number_is_no_limit(text: str) -> None:
    with pytest.raises(InvalidArgument):
        read_limit(text, "max-keys")
