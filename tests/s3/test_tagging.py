"""Tags of objects through boto3."""

from typing import Any

import pytest

from tests.s3.asking import refused

Client = Any


def tag_set(tags: dict[str, str]) -> dict[str, Any]:
    return {"TagSet": [{"Key": name, "Value": value} for name, value in tags.items()]}


def tags_of(s3: Client, bucket: str, **version: str) -> dict[str, str]:
    answer = s3.get_object_tagging(Bucket=bucket, Key="k", **version)
    return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}


def test_tags_are_put_read_and_taken_away(s3: Client, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    assert tags_of(s3, bucket) == {}
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set({"a": "1", "b c": "é <&>"}))
    assert tags_of(s3, bucket) == {"a": "1", "b c": "é <&>"}
    assert s3.head_object(Bucket=bucket, Key="k")["ETag"] == etag
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert tags_of(s3, bucket) == {}


def test_a_version_has_tags_of_its_own(s3: Client, versioned: str) -> None:
    old = s3.put_object(Bucket=versioned, Key="k", Tagging="old=1")["VersionId"]
    s3.put_object(Bucket=versioned, Key="k", Tagging="new=1")
    s3.put_object_tagging(Bucket=versioned, Key="k", VersionId=old, Tagging=tag_set({"older": "2"}))
    assert tags_of(s3, versioned, VersionId=old) == {"older": "2"}
    assert tags_of(s3, versioned) == {"new": "1"}


@pytest.mark.parametrize("tags", [{f"k{n}": "v" for n in range(11)}, {"k" * 129: "v"}, {"k": "v" * 257}])
def test_tags_over_their_limits_change_nothing(s3: Client, bucket: str, tags: dict[str, str]) -> None:
    s3.put_object(Bucket=bucket, Key="k", Tagging="a=1")
    assert refused(s3.put_object_tagging, Bucket=bucket, Key="k", Tagging=tag_set(tags)) == (400, "InvalidTag")
    assert tags_of(s3, bucket) == {"a": "1"}


def test_a_key_that_is_not_there_has_no_tags(s3: Client, bucket: str) -> None:
    assert refused(s3.get_object_tagging, Bucket=bucket, Key="none") == (404, "NoSuchKey")
    answer = refused(s3.put_object_tagging, Bucket=bucket, Key="none", Tagging=tag_set({"a": "1"}))
    assert answer == (404, "NoSuchKey")
