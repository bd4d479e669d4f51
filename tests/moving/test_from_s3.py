"""A move from S3 servers that are not ours: moto, and in the full tier versitygw, which is of another kind."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from storage_service.client import Client
from storage_service.moving.sources.s3 import S3Source
from storage_service.remote import Endpoint, S3Server
from tests.moving.conftest import Move, s3_client
from tests.support.s3_servers import SERVERS, S3Endpoint
from tests.support.service import SERVICE_KEY, Service

pytestmark = [pytest.mark.ci, pytest.mark.timeout(600)]

ODD = ["a b/ü&+?.txt", "..", "a/../b", "a//b", "a/", "a", "a/b", "100%", "%41", "ключ", "'\"", "x" * 1024, "a=b;c"]


@pytest.fixture(scope="module", params=["moto", pytest.param("versitygw", marks=pytest.mark.full)])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Endpoint]:
    with SERVERS[request.param](tmp_path_factory.mktemp(request.param)) as endpoint:
        yield endpoint


@pytest.fixture
def old(server: S3Endpoint) -> Any:
    return s3_client(server.url, server.access_key, server.secret_key)


@pytest.fixture
def bucket(old: Any) -> Iterator[str]:
    name = f"photos-{uuid4().hex[:8]}"
    old.create_bucket(Bucket=name)
    yield name


def source(server: S3Endpoint, **options: bool) -> S3Source:
    return S3Source(S3Server(Endpoint(server.url, server.access_key, server.secret_key)), **options)


def test_objects_come_with_all_that_is_said_of_them(
    server: S3Endpoint, old: Any, target: Any, bucket: str, move: Move
) -> None:
    said = {
        "ContentType": "text/x-odd",
        "CacheControl": "max-age=7",
        "ContentDisposition": 'attachment; filename="x"',
        "ContentLanguage": "de",
        "Metadata": {"who": "me", "empty": "x y"},
    }
    for key in ODD:
        with contextlib.suppress(ClientError):  # one that keeps objects as files does not take all of them
            old.put_object(Bucket=bucket, Key=key, Body=key.encode(), Tagging="a=b%20c&d=", **said)
    old.put_object(Bucket=bucket, Key="empty", Body=b"")
    stored = {one["Key"] for one in old.list_objects_v2(Bucket=bucket)["Contents"]}  # moto knows `..` as nothing
    assert len(stored) >= len(ODD) - 6
    tally = move(source(server), buckets=(bucket,))
    assert tally.is_whole, tally.record()
    assert {one["Key"] for one in target.list_objects_v2(Bucket=bucket)["Contents"]} == stored
    for key in stored - {"empty"}:
        found = target.get_object(Bucket=bucket, Key=key)
        assert found["Body"].read() == old.get_object(Bucket=bucket, Key=key)["Body"].read()
        assert {name: found[name] for name in said} == said
        tags = {tag["Key"]: tag["Value"] for tag in target.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]}
        assert tags == {"a": "b c", "d": ""}
    assert target.head_object(Bucket=bucket, Key="empty")["ContentLength"] == 0


@pytest.mark.parametrize("mib", [(6, 6), (5, 7, 6)], ids=["equal parts", "each of its own size"])
def test_a_multipart_object_keeps_its_etag(
    server: S3Endpoint, old: Any, target: Any, bucket: str, move: Move, mib: tuple[int, ...]
) -> None:
    parts = [*(os.urandom(size << 20) for size in mib), os.urandom(1000)]
    upload = old.create_multipart_upload(Bucket=bucket, Key="parts", Metadata={"x": "y"})["UploadId"]
    sent = []
    for number, part in enumerate(parts, 1):
        answer = old.upload_part(Bucket=bucket, Key="parts", PartNumber=number, UploadId=upload, Body=part)
        sent.append({"PartNumber": number, "ETag": answer["ETag"]})
    old.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload={"Parts": sent})
    old.put_object(Bucket=bucket, Key="whole", Body=parts[0])
    tally = move(source(server), buckets=(bucket,))
    assert tally.is_whole and not tally.counts.unproven
    found = target.get_object(Bucket=bucket, Key="parts")
    assert found["ETag"] == old.head_object(Bucket=bucket, Key="parts")["ETag"]
    assert found["Body"].read() == b"".join(parts)
    assert found["Metadata"] == {"x": "y"}
    assert target.get_object(Bucket=bucket, Key="whole")["Body"].read() == parts[0]


def test_versions_come_in_their_order_with_delete_markers(
    server: S3Endpoint, old: Any, target: Any, bucket: str, move: Move
) -> None:
    old.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"one", b"two", b"three"):
        old.put_object(Bucket=bucket, Key="k", Body=body)
    old.put_object(Bucket=bucket, Key="gone", Body=b"old")
    old.delete_object(Bucket=bucket, Key="gone")
    tally = move(source(server, versions=True), buckets=(bucket,), versions=True)
    assert tally.is_whole, tally.record()
    found = target.list_object_versions(Bucket=bucket)
    newest_first = [one["VersionId"] for one in found["Versions"] if one["Key"] == "k"]
    bodies = [target.get_object(Bucket=bucket, Key="k", VersionId=one)["Body"].read() for one in newest_first]
    assert bodies == [b"three", b"two", b"one"]
    assert [(one["Key"], one["IsLatest"]) for one in found["DeleteMarkers"]] == [("gone", True)]
    old.put_object(Bucket=bucket, Key="k", Body=b"four")
    again = move(source(server, versions=True), buckets=(bucket,), versions=True)
    assert (again.counts.moved, again.counts.versions, again.counts.there) == (1, 1, 1)
    assert target.get_object(Bucket=bucket, Key="k")["Body"].read() == b"four"


def test_a_bucket_comes_with_its_settings(server: S3Endpoint, old: Any, target: Any, bucket: str, move: Move) -> None:
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["https://example.org"]}
    old.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    old.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "team", "Value": "a"}]})
    read = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [read]})
    old.put_bucket_policy(Bucket=bucket, Policy=policy)
    tally = move(source(server), buckets=(bucket,))
    assert target.get_bucket_cors(Bucket=bucket)["CORSRules"] == [rule]
    assert target.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "team", "Value": "a"}]
    assert json.loads(target.get_bucket_policy(Bucket=bucket)["Policy"]) == json.loads(policy)
    assert tally.settings_left == []


@pytest.mark.parametrize("server", ["moto"], indirect=True)  # the other has neither
def test_lifecycle_comes_and_encryption_is_told_to_stay(
    server: S3Endpoint, old: Any, target: Any, bucket: str, move: Move
) -> None:
    expiry = {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 3}}
    old.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [expiry]})
    encryption = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
    old.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=encryption)
    tally = move(source(server), buckets=(bucket,))
    rules = target.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert (rules[0]["ID"], rules[0]["Expiration"]) == ("old", {"Days": 3})
    assert [left.reason for left in tally.settings_left] == ["encryption: this service has none"]


def test_settings_that_may_not_be_read_are_told(service: Service, bucket: str, move: Move) -> None:
    with Client(service.url, api_key=SERVICE_KEY) as api:
        api.buckets.create(bucket, public=True)
        api.bucket(bucket).put("k", b"x")
    nobody = S3Source(S3Server(Endpoint(service.url)))
    tally = move(nobody, buckets=(bucket,), renamed=f"{bucket}-copy")
    assert tally.counts.moved == 1, tally.record()
    assert "policy: it may not be read there (AccessDenied)" in [left.reason for left in tally.settings_left]


def test_what_changed_since_comes_with_the_next_run_and_what_changed_here_stays(
    server: S3Endpoint, old: Any, target: Any, bucket: str, move: Move
) -> None:
    for key in ("same", "newer", "mine", "both"):
        old.put_object(Bucket=bucket, Key=key, Body=b"first")
    assert move(source(server), buckets=(bucket,)).counts.moved == 4
    old.put_object(Bucket=bucket, Key="newer", Body=b"second")
    old.put_object(Bucket=bucket, Key="both", Body=b"second")
    for key in ("mine", "both"):
        target.put_object(Bucket=bucket, Key=key, Body=b"of the target")
    again = move(source(server), buckets=(bucket,))
    assert (again.counts.moved, again.counts.there, again.counts.kept) == (1, 2, 1)
    bodies = {
        key: target.get_object(Bucket=bucket, Key=key)["Body"].read() for key in ("same", "newer", "mine", "both")
    }
    assert bodies == {"same": b"first", "newer": b"second", "mine": b"of the target", "both": b"of the target"}
    assert [left.key for left in again.kept] == ["both"]
    forced = move(source(server), buckets=(bucket,), overwrite=True)
    assert forced.counts.kept == 0
    assert target.get_object(Bucket=bucket, Key="both")["Body"].read() == b"second"


def test_a_move_whose_state_was_lost_knows_by_digests_what_is_there(
    server: S3Endpoint, old: Any, bucket: str, move: Move, tmp_path: Path
) -> None:
    keys = ["a-b", "a/c", "a.b", "b", "é", "z/y/x"]
    for key in keys:
        old.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert move(source(server), buckets=(bucket,)).counts.moved == len(keys)
    (tmp_path / "state").unlink()
    again = move(source(server), buckets=(bucket,))
    assert (again.counts.moved, again.counts.there, again.is_whole) == (0, len(keys), True)


def test_a_dry_run_counts_and_writes_nothing(
    server: S3Endpoint, old: Any, target: Any, bucket: str, move: Move
) -> None:
    old.put_object(Bucket=bucket, Key="a", Body=b"12345")
    tally = move(source(server), buckets=(bucket,), dry_run=True)
    assert (tally.counts.moved, tally.counts.moved_bytes) == (1, 5)
    assert bucket not in {one["Name"] for one in target.list_buckets()["Buckets"]}


def test_a_bucket_that_is_not_there_is_told_and_not_made_here(
    server: S3Endpoint, old: Any, target: Any, bucket: str, move: Move
) -> None:
    old.put_object(Bucket=bucket, Key="a", Body=b"1")
    tally = move(source(server), buckets=("no-such-bucket", bucket))
    assert [(left.bucket, left.key, "NoSuchBucket" in left.reason) for left in tally.failures] == [
        ("no-such-bucket", "", True)
    ]
    assert (tally.counts.moved, tally.counts.failed, tally.is_whole) == (1, 1, False)
    names = {one["Name"] for one in target.list_buckets()["Buckets"]}
    assert bucket in names and "no-such-bucket" not in names


def test_a_prefix_and_another_name_can_be_asked_for(
    server: S3Endpoint, old: Any, target: Any, bucket: str, move: Move
) -> None:
    for key in ("a/1", "b/1", "b/2"):
        old.put_object(Bucket=bucket, Key=key, Body=b"x")
    move(source(server), buckets=(bucket,), renamed=f"{bucket}-new", prefix="b/")
    found = target.list_objects_v2(Bucket=f"{bucket}-new")["Contents"]
    assert [one["Key"] for one in found] == ["b/1", "b/2"]


def test_settings_can_be_left_out_but_for_what_objects_need(
    server: S3Endpoint, old: Any, target: Any, bucket: str, move: Move
) -> None:
    old.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    old.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "team", "Value": "a"}]})
    old.put_object(Bucket=bucket, Key="k", Body=b"x")
    move(source(server, versions=True), buckets=(bucket,), versions=True, settings=False)
    assert target.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    with pytest.raises(ClientError, match="NoSuchTagSet"):
        target.get_bucket_tagging(Bucket=bucket)
