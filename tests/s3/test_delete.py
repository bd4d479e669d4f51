"""DELETE of one object and of many."""

from typing import Any

from tests.s3.asking import body_of, refused

Client = Any


def test_what_is_not_there_is_deleted_with_success(s3: Client, bucket: str) -> None:
    assert s3.delete_object(Bucket=bucket, Key="never")["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_conditions_of_a_delete_hold(s3: Client, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"12345")["ETag"]
    at = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    assert refused(s3.delete_object, Bucket=bucket, Key="k", IfMatch='"no"') == (412, "PreconditionFailed")
    assert refused(s3.delete_object, Bucket=bucket, Key="k", IfMatchSize=4) == (412, "PreconditionFailed")
    assert (
        s3.delete_object(Bucket=bucket, Key="k", IfMatch=etag, IfMatchSize=5, IfMatchLastModifiedTime=at)[
            "ResponseMetadata"
        ]["HTTPStatusCode"]
        == 204
    )
    assert refused(s3.head_object, Bucket=bucket, Key="k") == (404, "404")


def test_many_keys_go_in_one_call_each_with_its_answer(s3: Client, bucket: str) -> None:
    names = [f"k{number:03}" for number in range(300)]
    for name in names[:20]:
        s3.put_object(Bucket=bucket, Key=name, Body=b"x")
    etag = s3.put_object(Bucket=bucket, Key="kept", Body=b"x")["ETag"]
    wanted = [{"Key": name} for name in names] + [{"Key": "kept", "ETag": '"other"'}]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": wanted})
    assert sorted(one["Key"] for one in answer["Deleted"]) == names
    assert [(one["Key"], one["Code"]) for one in answer["Errors"]] == [("kept", "PreconditionFailed")]
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["kept"]
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "kept", "ETag": etag}], "Quiet": True})
    assert "Deleted" not in quiet
    assert "Errors" not in quiet


def test_versions_and_markers_go_in_one_call(s3: Client, versioned: str) -> None:
    first = s3.put_object(Bucket=versioned, Key="k", Body=b"1")["VersionId"]
    second = s3.put_object(Bucket=versioned, Key="k", Body=b"2")["VersionId"]
    done = s3.delete_objects(Bucket=versioned, Delete={"Objects": [{"Key": "k", "VersionId": second}, {"Key": "n"}]})
    by_key = {one["Key"]: one for one in done["Deleted"]}
    assert by_key["k"]["VersionId"] == second
    assert by_key["n"]["DeleteMarker"] is True
    assert body_of(s3.get_object(Bucket=versioned, Key="k")) == b"1"
    again = [{"Key": "k", "VersionId": first}, {"Key": "n", "VersionId": by_key["n"]["DeleteMarkerVersionId"]}]
    s3.delete_objects(Bucket=versioned, Delete={"Objects": again})
    s3.delete_bucket(Bucket=versioned)


def test_who_may_not_delete_is_told_so_for_each_key(s3: Client, other: Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    answer = other.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}, {"Key": "none"}]})
    assert {(one["Key"], one["Code"]) for one in answer["Errors"]} == {("k", "AccessDenied"), ("none", "AccessDenied")}
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == b"x"


def test_more_than_a_thousand_keys_are_refused(s3: Client, bucket: str) -> None:
    wanted = {"Objects": [{"Key": str(number)} for number in range(1001)]}
    assert refused(s3.delete_objects, Bucket=bucket, Delete=wanted) == (400, "MalformedXML")
