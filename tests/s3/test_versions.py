"""Versions: each write is kept, markers hide, deletes by version bring back, lists name all of them."""

from typing import Any

import pytest

from tests.s3.asking import body_of, refused

Client = Any


def put(s3: Client, bucket: str, key: str, body: bytes) -> str:
    version: str = s3.put_object(Bucket=bucket, Key=key, Body=body)["VersionId"]
    return version


def everything(page: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["Key"], one["VersionId"]) for one in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]]


def test_every_write_is_kept_under_its_id(s3: Client, versioned: str) -> None:
    ids = [put(s3, versioned, "k", str(number).encode()) for number in range(3)]
    assert len(set(ids)) == 3
    for number, version in enumerate(ids):
        got = s3.get_object(Bucket=versioned, Key="k", VersionId=version)
        assert (body_of(got), got["VersionId"]) == (str(number).encode(), version)
    assert s3.head_object(Bucket=versioned, Key="k")["VersionId"] == ids[-1]


def test_ending_the_newest_version_brings_the_one_before(s3: Client, versioned: str) -> None:
    first = put(s3, versioned, "k", b"1")
    second = put(s3, versioned, "k", b"2")
    marker = s3.delete_object(Bucket=versioned, Key="k")["VersionId"]
    assert s3.delete_object(Bucket=versioned, Key="k", VersionId=marker)["DeleteMarker"] is True
    assert body_of(s3.get_object(Bucket=versioned, Key="k")) == b"2"
    assert s3.delete_object(Bucket=versioned, Key="k", VersionId=second)["VersionId"] == second
    assert s3.head_object(Bucket=versioned, Key="k")["VersionId"] == first


def test_what_was_written_before_is_the_null_version(s3: Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"before")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    newer = put(s3, bucket, "k", b"after")
    assert body_of(s3.get_object(Bucket=bucket, Key="k", VersionId="null")) == b"before"
    assert {version for _, version in everything(s3.list_object_versions(Bucket=bucket))} == {"null", newer}
    s3.delete_object(Bucket=bucket, Key="k", VersionId="null")
    assert refused(s3.get_object, Bucket=bucket, Key="k", VersionId="null") == (404, "NoSuchVersion")
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == b"after"


def test_while_suspended_the_null_version_is_written_anew(s3: Client, versioned: str) -> None:
    kept = put(s3, versioned, "k", b"kept")
    s3.put_bucket_versioning(Bucket=versioned, VersioningConfiguration={"Status": "Suspended"})
    for body in (b"1", b"2"):
        assert "VersionId" not in s3.put_object(Bucket=versioned, Key="k", Body=body)
    assert sorted(version for _, version in everything(s3.list_object_versions(Bucket=versioned))) == [kept, "null"]
    marker = s3.delete_object(Bucket=versioned, Key="k")
    assert (marker["VersionId"], marker["DeleteMarker"]) == ("null", True)
    assert body_of(s3.get_object(Bucket=versioned, Key="k", VersionId=kept)) == b"kept"
    assert refused(s3.get_object, Bucket=versioned, Key="k") == (404, "NoSuchKey")


def test_deleting_what_never_was_makes_a_marker(s3: Client, versioned: str) -> None:
    assert s3.delete_object(Bucket=versioned, Key="never")["DeleteMarker"] is True
    page = s3.list_object_versions(Bucket=versioned)
    assert [(one["Key"], one["IsLatest"]) for one in page["DeleteMarkers"]] == [("never", True)]


@pytest.fixture(scope="module")
def many(s3: Client) -> str:
    name = "list-of-versions"
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="a/1", Body=b"before")
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    for key in ("a/1", "a/2", "b", "c/x/y"):
        for number in range(3):
            put(s3, name, key, str(number).encode())
    s3.delete_object(Bucket=name, Key="a/2")
    return name


@pytest.mark.parametrize("size", [1, 2, 3, 5, 13, 14, 15])
def test_pages_of_versions_join_to_the_whole(s3: Client, many: str, size: int) -> None:
    whole = s3.list_object_versions(Bucket=many)
    found: list[tuple[str, str]] = []
    markers: dict[str, str] = {}
    latest = 0
    while True:
        page = s3.list_object_versions(Bucket=many, MaxKeys=size, **markers)
        found += everything(page)
        latest += sum(one["IsLatest"] for one in [*page.get("Versions", []), *page.get("DeleteMarkers", [])])
        if not page["IsTruncated"]:
            break
        markers = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}
    assert len(found) == len(set(found)) == 14
    assert set(found) == set(everything(whole))
    if size == 1:  # larger pages come as two lists, of versions and of markers
        assert [key for key, _ in found] == sorted(key for key, _ in found)
    assert latest == 4


def test_versions_are_rolled_up_like_objects(s3: Client, many: str) -> None:
    page = s3.list_object_versions(Bucket=many, Delimiter="/")
    assert [one["Prefix"] for one in page["CommonPrefixes"]] == ["a/", "c/"]
    assert {key for key, _ in everything(page)} == {"b"}
    first = s3.list_object_versions(Bucket=many, Delimiter="/", MaxKeys=1)
    assert (first["NextKeyMarker"], first["IsTruncated"]) == ("a/", True)
    rest = s3.list_object_versions(Bucket=many, Delimiter="/", KeyMarker="a/")
    assert [one["Prefix"] for one in rest["CommonPrefixes"]] == ["c/"]


def test_pages_go_on_behind_a_version_that_has_ended(s3: Client, versioned: str) -> None:
    """As every tool does that empties a bucket: list, delete, list on."""
    for number in range(6):
        put(s3, versioned, "k", str(number).encode())
    seen: list[tuple[str, str]] = []
    markers: dict[str, str] = {}
    while True:
        page = s3.list_object_versions(Bucket=versioned, MaxKeys=2, **markers)
        for key, version in everything(page):
            seen.append((key, version))
            s3.delete_object(Bucket=versioned, Key=key, VersionId=version)
        if not page["IsTruncated"]:
            break
        markers = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}
    assert len(seen) == 6
    s3.delete_bucket(Bucket=versioned)


def test_a_version_marker_without_a_key_is_refused(s3: Client, versioned: str) -> None:
    answer = refused(s3.list_object_versions, Bucket=versioned, VersionIdMarker="x")
    assert answer == (400, "InvalidArgument")
