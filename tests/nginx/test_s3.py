"""S3 through the shipped nginx: on a host of its own, under a path, and where the proxy renames the host.

The service's public URL is none of these: what it knows of them is nginx's word.
"""

import uuid
from collections.abc import Callable
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.nginx.conftest import S3_KEY, S3_SECRET
from tests.nginx.gateway import Gateway
from tests.nginx.kinds import LARGE, body_of

pytestmark = pytest.mark.ci

MIB = 1 << 20
BODY = body_of("s3", LARGE)
ODD_KEY = "dir//a b+c%2Fd/ü&=?#.bin"
V2, V4 = "s3", "s3v4"

Client = Any  # boto3 makes its classes when asked


def client_of(endpoint: str, version: str = V4, secret: str = S3_SECRET) -> Client:
    options = Config(signature_version=version, retries={"max_attempts": 1}, s3={"addressing_style": "path"})
    keys = {"aws_access_key_id": S3_KEY, "aws_secret_access_key": secret}
    return boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", config=options, **keys)


@pytest.fixture(params=["gateway", "site", "renaming"])
def way(request: pytest.FixtureRequest) -> tuple[Gateway, str]:
    """A gateway, and the service's address there."""
    found: Gateway = request.getfixturevalue(request.param)
    prefix = "/objects" if request.param == "site" else ""
    return found, f"http://127.0.0.1:{found.http}{prefix}"


@pytest.fixture
def s3(way: tuple[Gateway, str]) -> Client:
    return client_of(way[1])


@pytest.fixture
def bucket(s3: Client) -> str:
    name = f"b-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name


def test_object_comes_and_goes(s3: Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key=ODD_KEY, Body=BODY, ContentType="text/plain")
    assert s3.get_object(Bucket=bucket, Key=ODD_KEY)["Body"].read() == BODY
    part = s3.get_object(Bucket=bucket, Key=ODD_KEY, Range="bytes=100-299999")
    assert (part["ContentRange"], part["Body"].read()) == (f"bytes 100-299999/{LARGE}", BODY[100:300_000])
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": ODD_KEY})
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["copy", ODD_KEY]
    assert s3.head_object(Bucket=bucket, Key="copy")["ContentLength"] == LARGE
    s3.delete_object(Bucket=bucket, Key="copy")
    done = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": ODD_KEY}]})
    assert [one["Key"] for one in done["Deleted"]] == [ODD_KEY]
    assert s3.list_objects(Bucket=bucket).get("Contents", []) == []


def test_parts_become_an_object(s3: Client, bucket: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="big")["UploadId"]
    body = BODY * (6 * MIB // LARGE + 1)
    parts = []
    for number, data in ((1, body), (2, BODY)):
        said = s3.upload_part(Bucket=bucket, Key="big", UploadId=upload, PartNumber=number, Body=data)
        parts.append({"PartNumber": number, "ETag": said["ETag"]})
    s3.complete_multipart_upload(Bucket=bucket, Key="big", UploadId=upload, MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket=bucket, Key="big")["Body"].read() == body + BODY
    assert s3.get_object(Bucket=bucket, Key="big", PartNumber=2)["Body"].read() == BODY


@pytest.mark.parametrize("version", [V4, V2])
def test_presigned_urls_hold(way: tuple[Gateway, str], bucket: str, version: str) -> None:
    url = presigner(way[1], version, bucket)
    assert httpx.put(url("put_object"), content=BODY, timeout=30).status_code == 200
    answer = httpx.get(url("get_object"), timeout=30)
    assert (answer.status_code, answer.content) == (200, BODY)
    assert httpx.head(url("head_object"), timeout=30).headers["content-length"] == str(LARGE)
    assert httpx.delete(url("delete_object"), timeout=30).status_code == 204
    assert httpx.get(url("get_object"), timeout=30).status_code == 404


def presigner(endpoint: str, version: str, bucket: str) -> Callable[[str], str]:
    client = client_of(endpoint, version)
    return lambda operation: str(client.generate_presigned_url(operation, {"Bucket": bucket, "Key": ODD_KEY}))


def test_form_of_a_browser_is_taken(way: tuple[Gateway, str], s3: Client, bucket: str) -> None:
    form = s3.generate_presigned_post(bucket, "from/${filename}", {"acl": "private"}, [{"acl": "private"}])
    assert form["url"].startswith(way[1])
    answer = httpx.post(form["url"], data=form["fields"], files={"file": ("name.bin", BODY)}, timeout=30)
    assert answer.status_code == 204
    assert s3.get_object(Bucket=bucket, Key="from/name.bin")["Body"].read() == BODY


def test_wrong_secret_is_refused(way: tuple[Gateway, str], bucket: str) -> None:
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        client_of(way[1], secret="another").list_objects_v2(Bucket=bucket)


def test_nginx_sends_large_bodies_with_every_header(way: tuple[Gateway, str], s3: Client, bucket: str) -> None:
    gateway, _ = way
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="k", Body=BODY, ChecksumAlgorithm="SHA256", CacheControl="max-age=5")
    whole, part = s3.get_object(Bucket=bucket, Key="k"), s3.get_object(Bucket=bucket, Key="k", Range="bytes=1-299999")
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert [line != "-" for line in gateway.handed_over()[-3:]] == [True, True, False]
    own = {"date", "server", "connection", "x-amz-request-id"}
    sent, told = (
        {name: value for name, value in answer["ResponseMetadata"]["HTTPHeaders"].items() if name not in own}
        for answer in (whole, head)
    )
    assert sent == told
    assert whole["ResponseMetadata"]["RequestId"]
    assert (whole["Body"].read(), part["Body"].read()) == (BODY, BODY[1:300_000])


def test_client_cannot_name_the_host_it_signed_for(way: tuple[Gateway, str], bucket: str) -> None:
    """nginx replaces what a client says of the way it came."""
    elsewhere = client_of("http://files.example.org/base").generate_presigned_url(
        "get_object", {"Bucket": bucket, "Key": "k"}
    )
    query = elsewhere.partition("?")[2]
    pretended = {"X-Forwarded-Host": "files.example.org", "X-Forwarded-Prefix": "/base"}
    answer = httpx.get(f"{way[1]}/{bucket}/k?{query}", headers=pretended, timeout=30)
    assert (answer.status_code, "SignatureDoesNotMatch" in answer.text) == (403, True)
