"""Buckets through boto3."""

import uuid
from typing import Any

import httpx
import pytest

from tests.s3.asking import refused

Client = Any


def new_name() -> str:
    return f"b-{uuid.uuid4().hex[:12]}"


def test_a_new_bucket_is_listed_for_its_owner_alone(s3: Client, other: Client, bucket: str) -> None:
    assert bucket in [one["Name"] for one in s3.list_buckets()["Buckets"]]
    assert bucket not in [one["Name"] for one in other.list_buckets()["Buckets"]]
    assert s3.list_buckets()["Owner"]["ID"] == "main-user"


def test_buckets_are_listed_in_pages(s3: Client) -> None:
    stem = new_name()
    names = [f"{stem}-{number}" for number in range(5)]
    for name in names:
        s3.create_bucket(Bucket=name)
    found: list[str] = []
    token: dict[str, str] = {}
    for _ in names:
        page = s3.list_buckets(Prefix=stem, MaxBuckets=2, **token)
        found += [one["Name"] for one in page["Buckets"]]
        assert len(page["Buckets"]) <= 2
        if "ContinuationToken" not in page:
            break
        token = {"ContinuationToken": page["ContinuationToken"]}
    assert found == names


@pytest.mark.parametrize("name", ["Upper-case", "ab", "under_score", "-dash", "a" * 64])
def test_a_name_that_no_bucket_may_bear_is_refused(http: httpx.Client, s3: Client, name: str) -> None:
    url = s3.generate_presigned_url("create_bucket", Params={"Bucket": "stand-in"}).replace("stand-in", name)
    answer = http.put(url)
    assert answer.status_code in {400, 403}  # the signature was for another name
    assert b"<Code>InvalidBucketName</Code>" in answer.content or b"SignatureDoesNotMatch" in answer.content


@pytest.mark.parametrize("name", ["192.168.1.1", "two..dots", "dash-.dot", "dot.-dash"])
def test_a_name_that_no_host_can_begin_with_is_refused(s3: Client, name: str) -> None:
    assert refused(s3.create_bucket, Bucket=name) == (400, "InvalidBucketName")


def test_no_bucket_is_in_another_region(s3: Client, bucket: str) -> None:
    assert s3.list_buckets(BucketRegion="eu-west-1")["Buckets"] == []
    assert bucket in [one["Name"] for one in s3.list_buckets(BucketRegion="us-east-1")["Buckets"]]


def test_ones_own_bucket_may_be_made_again(s3: Client, bucket: str) -> None:
    assert s3.create_bucket(Bucket=bucket)["Location"] == f"/{bucket}"


@pytest.mark.parametrize(
    "said",
    [
        {"ObjectLockEnabledForBucket": True},
        {"ObjectOwnership": "BucketOwnerEnforced"},
        {"CreateBucketConfiguration": {"Tags": [{"Key": "a", "Value": "1"}]}},
    ],
)
def test_a_bucket_is_not_made_again_where_that_would_lose_what_is_asked(
    s3: Client, bucket: str, said: dict[str, Any]
) -> None:
    assert refused(s3.create_bucket, Bucket=bucket, **said) == (409, "BucketAlreadyOwnedByYou")
    name = new_name()
    s3.create_bucket(Bucket=name, **said)
    s3.create_bucket(Bucket=name, **said)
    s3.create_bucket(Bucket=name)


def test_a_bucket_may_be_born_with_tags(s3: Client) -> None:
    name, tags = new_name(), [{"Key": "team", "Value": "films & more"}, {"Key": "x", "Value": ""}]
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"Tags": tags})
    assert s3.get_bucket_tagging(Bucket=name)["TagSet"] == tags
    wrong = {"Tags": [{"Key": "aws:x", "Value": "1"}]}
    assert refused(s3.create_bucket, Bucket=new_name(), CreateBucketConfiguration=wrong) == (400, "InvalidTag")


def test_a_directory_bucket_is_refused(s3: Client) -> None:
    said = {"Bucket": {"Type": "Directory", "DataRedundancy": "SingleAvailabilityZone"}}
    answer = refused(s3.create_bucket, Bucket=new_name(), CreateBucketConfiguration=said)
    assert answer == (501, "NotImplemented")


def test_anothers_bucket_may_not(other: Client, bucket: str) -> None:
    assert refused(other.create_bucket, Bucket=bucket) == (409, "BucketAlreadyExists")


def test_a_foreign_location_is_refused(s3: Client) -> None:
    location = {"LocationConstraint": "eu-west-1"}
    answer = refused(s3.create_bucket, Bucket=new_name(), CreateBucketConfiguration=location)
    assert answer == (400, "IllegalLocationConstraintException")


def test_a_bucket_says_where_it_is(s3: Client, bucket: str) -> None:
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None
    assert s3.head_bucket(Bucket=bucket)["BucketRegion"] == "us-east-1"


def test_a_bucket_with_objects_is_not_deleted(s3: Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k")
    assert refused(s3.delete_bucket, Bucket=bucket) == (409, "BucketNotEmpty")
    s3.delete_object(Bucket=bucket, Key="k")
    s3.delete_bucket(Bucket=bucket)
    assert refused(s3.head_bucket, Bucket=bucket) == (404, "404")
    assert refused(s3.list_objects_v2, Bucket=bucket) == (404, "NoSuchBucket")


def test_versioning_goes_on_and_is_suspended(s3: Client, bucket: str) -> None:
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    for status in ("Enabled", "Suspended", "Enabled"):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == status


def test_mfa_delete_is_refused_with_its_reason(s3: Client, bucket: str) -> None:
    wanted = {"Status": "Enabled", "MFADelete": "Enabled"}
    answer = refused(s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration=wanted, MFA="serial 123456")
    assert answer == (501, "NotImplemented")
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)


def test_a_stranger_gets_the_same_answer_whatever_is_there(anonymous: Client, s3: Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="there")
    answers = {refused(anonymous.get_object, Bucket=bucket, Key=key) for key in ("there", "missing")}
    assert answers == {(403, "AccessDenied")}
    assert refused(anonymous.create_bucket, Bucket=new_name()) == (403, "AccessDenied")


def test_a_bucket_under_a_domain_is_found_by_its_host(http: httpx.Client, s3: Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a/b.txt", Body=b"hosted", ACL="public-read")
    answer = http.get("/a/b.txt", headers={"host": f"{bucket}.s3.example.test"})
    assert (answer.status_code, answer.content) == (200, b"hosted")


@pytest.mark.parametrize("path", ["/minio/health/live", "/minio/health/ready", "/minio/health/cluster"])
def test_what_watches_minio_sees_the_service_alive(http: httpx.Client, path: str) -> None:
    assert http.get(path).status_code == 200
    assert http.head(path).status_code in {200, 405}


def test_the_metrics_of_minio_are_ours(http: httpx.Client) -> None:
    assert http.get("/minio/v2/metrics/cluster").status_code == http.get("/metrics").status_code == 401
