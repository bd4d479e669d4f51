"""What a store of some release is asked, and a store with something of everything to ask it of."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import httpx
from botocore.config import Config

from tests.support.service import SERVICE_KEY, Service

ROOT = ("rootkey", "root-secret-of-tests")
FAR_DAYS = "36500"  # what is unfinished or in the trash must not run out before a later release is tested
ENVIRONMENT = {
    "S3_ROOT_ACCESS_KEY": ROOT[0],
    "S3_ROOT_SECRET_KEY": ROOT[1],
    "TRASH_DAYS": FAR_DAYS,
    "UPLOAD_EXPIRY_DAYS": FAR_DAYS,
    "FEED_DAYS": FAR_DAYS,
}
BUCKETS = ("plain", "kept")
PART = bytes(range(256)) * 20_480  # 5 MiB: S3's least for a part that is not the last

Client = Any  # boto3 makes its classes when asked


def store_at(data: Path, logs: Path) -> Service:
    return Service(data, logs, environment=ENVIRONMENT)


@contextmanager
def s3_of(service: Service, pair: tuple[str, str] = ROOT) -> Iterator[Client]:
    access_key, secret = pair
    client = boto3.client(
        "s3",
        endpoint_url=service.url,
        region_name="us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret,
        config=Config(retries={"max_attempts": 1}),
    )
    yield client
    client.close()


# What is there to be found ----------------------------------------------------------------------------------------


def fill(service: Service) -> dict[str, Any]:
    """Everything a directory can hold; what must be known to ask for it. The service was started and runs."""
    with s3_of(service) as s3:
        for bucket in BUCKETS:
            s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_tagging(Bucket="plain", Tagging={"TagSet": [{"Key": "team", "Value": "storage"}]})
        for bucket in BUCKETS:
            put_all(s3, bucket)
        s3.create_bucket(Bucket="gone")
        s3.put_object(Bucket="gone", Key="with it", Body=b"gone")
        s3.delete_object(Bucket="gone", Key="with it")
        s3.delete_bucket(Bucket="gone")
        upload = s3.create_multipart_upload(Bucket="plain", Key="unfinished")["UploadId"]
        s3.upload_part(Bucket="plain", Key="unfinished", UploadId=upload, PartNumber=1, Body=PART)
    with administrator(service) as client:
        made = client.post("/api/v1/keys", json={"owner": "somebody", "description": "of the fixture"})
        key = made.raise_for_status().json()
    return {"upload": upload, "key": [key["access_key"], key["secret_key"]]}


def put_all(s3: Client, bucket: str) -> None:
    odd = ("a", "a/b", "../up", "Ünï ☃", "with space", "x" * 300)
    for number, key in enumerate(odd):
        s3.put_object(Bucket=bucket, Key=key, Body=f"{key} in {bucket}".encode() * (number * 200))
    s3.put_object(
        Bucket=bucket,
        Key="told",
        Body=b"told",
        ContentType="text/x-told",
        CacheControl="max-age=60",
        Metadata={"camera": "box"},
        Tagging="place=here",
        ChecksumAlgorithm="SHA256",
    )
    s3.put_object(Bucket=bucket, Key="again", Body=b"first")
    s3.put_object(Bucket=bucket, Key="again", Body=b"second" * 10_000)
    s3.put_object(Bucket=bucket, Key="deleted", Body=b"deleted")
    s3.delete_object(Bucket=bucket, Key="deleted")
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "again"})


def leave_unsettled(service: Service) -> None:
    """Changes that stay in the journal: what settles is ended first, and all the rest after it."""
    for jobs in service.pids("jobs"):
        service.kill(jobs.pid, 19)  # SIGSTOP: dead, it would be started again
    with s3_of(service) as s3:
        s3.put_object(Bucket="plain", Key="unsettled", Body=b"unsettled")
        s3.put_object(Bucket="kept", Key="unsettled", Body=b"unsettled" * 5_000)
        s3.delete_object(Bucket="plain", Key="with space")


@contextmanager
def administrator(service: Service) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {SERVICE_KEY}"}
    with httpx.Client(base_url=service.url, headers=headers, timeout=30.0) as client:
        yield client


# The questions ----------------------------------------------------------------------------------------------------


def ask(service: Service, known: dict[str, Any]) -> dict[str, Any]:
    """Everything the doors tell of the store, as JSON has it, without what changes with the day or the port."""
    with s3_of(service) as s3, administrator(service) as client:
        found = {
            "buckets": [_plain(bucket, BUCKET_FIELDS) for bucket in client.get("/buckets").json()],
            "versions": {bucket: _versions(s3, bucket) for bucket in BUCKETS},
            "files": {bucket: _files(client, bucket) for bucket in BUCKETS},
            "tags": s3.get_bucket_tagging(Bucket="plain")["TagSet"],
            "parts": _parts(s3, known["upload"]),
            "trash": _trash(client),
        }
    with s3_of(service, tuple(known["key"])) as s3:
        found["own buckets of the access key"] = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    return found


BUCKET_FIELDS = ("id", "name", "owner_id", "is_public", "file_count", "total_size", "created_at")
FILE_FIELDS = (
    "id",
    "object_name",
    "size",
    "content_type",
    "owner_id",
    "metadata",
    "tags",
    "created_at",
    "etag",
    "version_id",
    "checksums",
    "cache_control",
)


def _plain(record: dict[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    return {name: record[name] for name in fields}


def _versions(s3: Client, bucket: str) -> list[list[Any]]:
    """[key, version id, is current, sha256 of the body; None for a marker] of each."""
    page = s3.list_object_versions(Bucket=bucket)
    found = []
    for version in page.get("Versions", []):
        body = s3.get_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])["Body"].read()
        found.append([version["Key"], version["VersionId"], version["IsLatest"], hashlib.sha256(body).hexdigest()])
    found += [
        [marker["Key"], marker["VersionId"], marker["IsLatest"], None] for marker in page.get("DeleteMarkers", [])
    ]
    return sorted(found, key=lambda row: (row[0], row[1]))


def _files(client: httpx.Client, bucket: str) -> list[dict[str, Any]]:
    return [_plain(file, FILE_FIELDS) for file in client.get(f"/files/list/{bucket}").raise_for_status().json()]


def _parts(s3: Client, upload: str) -> list[list[Any]]:
    page = s3.list_parts(Bucket="plain", Key="unfinished", UploadId=upload)
    return [[part["PartNumber"], part["Size"], part["ETag"]] for part in page.get("Parts", [])]


def _trash(client: httpx.Client) -> list[str]:
    """Version ids of a key, those that were ended too."""
    answer = client.get("/files/versions/plain/again", params={"trash": "true"}).raise_for_status()
    return [version["version_id"] for version in answer.json()]
