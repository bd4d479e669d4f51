"""Access keys of a running service with two workers: a change in one process is the next request's in all."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.support.service import OWNER, SERVICE_KEY, Service

pytestmark = pytest.mark.ci

ROOT = ("rootkey", "root-secret-of-tests")
TRIES = 24  # requests on connections of their own: both workers get some


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    place = tmp_path_factory.mktemp("keys")
    environment = {
        "S3_ROOT_ACCESS_KEY": ROOT[0],
        "S3_ROOT_SECRET_KEY": ROOT[1],
        "STORAGE_KEYS": "seeded:seeded-secret:seed-user:r",
        "DURABILITY": "scratch",  # keys are power-safe all the same
    }
    with Service(place / "data", place / "logs", workers=2, environment=environment) as running:
        yield running


def client(service: Service, access_key: str, secret: str, version: str = "s3v4") -> Any:
    return boto3.client(
        "s3",
        endpoint_url=service.url,
        region_name="us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret,
        config=Config(retries={"max_attempts": 1}, signature_version=version),
    )


def make_key(service: Service, **fields: object) -> tuple[str, str]:
    with service.client() as json_door:
        made = json_door.post("/api/v1/keys", json=fields).raise_for_status().json()
    return made["access_key"], made["secret_key"]


def answers(service: Service, url: str) -> set[int]:
    """Statuses of many requests, each on a connection of its own."""
    return {httpx.get(url).status_code for _ in range(TRIES)}


def refused(call: Any, **arguments: object) -> str:
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    code: str = raised.value.response["Error"]["Code"]
    return code


def test_key_has_the_buckets_of_its_owner_in_both_doors(two_workers: Service) -> None:
    s3 = client(two_workers, *make_key(two_workers))
    with two_workers.client() as json_door:
        json_door.post("/buckets", json={"name": "from-json", "is_public": False}).raise_for_status()
        s3.create_bucket(Bucket="from-s3")
        names = {bucket["name"]: bucket["owner_id"] for bucket in json_door.get("/buckets").json()}
    assert {"from-json", "from-s3"} <= {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    assert (names["from-s3"], names["from-json"]) == (OWNER, OWNER)


def test_revoked_key_fails_on_the_next_request_in_every_worker(two_workers: Service) -> None:
    pair = make_key(two_workers)
    client(two_workers, *pair).create_bucket(Bucket="revoked")
    url = client(two_workers, *pair).generate_presigned_url("list_objects_v2", {"Bucket": "revoked"})
    assert answers(two_workers, url) == {200}
    with two_workers.client() as json_door:
        json_door.delete(f"/api/v1/keys/{pair[0]}").raise_for_status()
    assert answers(two_workers, url) == {403}


@pytest.mark.parametrize("size", [3, 300_000])
def test_key_revoked_under_an_upload_stores_nothing(two_workers: Service, size: int) -> None:
    """It was let in, and is told so; what is committed after the revocation is refused all the same."""
    pair, bucket = make_key(two_workers), f"revoked-under-{size}"
    client(two_workers, *pair).create_bucket(Bucket=bucket)
    url = client(two_workers, *pair).generate_presigned_url("put_object", {"Bucket": bucket, "Key": "k"})
    with socket.create_connection(("127.0.0.1", two_workers.port), timeout=60) as connection:
        lines = [f"PUT {url.removeprefix(two_workers.url)} HTTP/1.1", f"Host: 127.0.0.1:{two_workers.port}"]
        lines += [f"Content-Length: {size}", "Expect: 100-continue", "Connection: close", "", ""]
        connection.sendall("\r\n".join(lines).encode())
        assert connection.recv(64).startswith(b"HTTP/1.1 100")
        with two_workers.client() as json_door:
            json_door.delete(f"/api/v1/keys/{pair[0]}").raise_for_status()
        connection.sendall(b"x" * size)
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 403")
    assert b"<Code>InvalidAccessKeyId</Code>" in answer
    assert client(two_workers, *ROOT).list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_doctor_knows_what_any_worker_refused(two_workers: Service) -> None:
    """Each request on a connection of its own, and so is each question."""
    seen = []
    doctor, key = f"{two_workers.url}/api/v1/signature-doctor", {"X-API-Key": SERVICE_KEY}
    for number in range(TRIES):
        wrong = client(two_workers, ROOT[0], "wrong-secret")
        url = wrong.generate_presigned_url("head_object", {"Bucket": f"b{number}", "Key": "k"})
        refused_id = httpx.head(url).headers["x-amz-request-id"]
        found = httpx.get(doctor, params={"request_id": refused_id}, headers=key).raise_for_status()
        seen += [report["path"] for report in found.json()["requests"]]
    assert seen == [f"/b{number}/k" for number in range(TRIES)]


def test_keys_of_the_command_line_hold_and_end_at_once(two_workers: Service) -> None:
    client(two_workers, *ROOT).create_bucket(Bucket="commands")
    done = two_workers.run("keys", "create", "--json", "--bucket", "commands")
    made = json.loads(done.stdout)
    key = client(two_workers, made["access_key"], made["secret_key"])
    url = key.generate_presigned_url("list_objects_v2", {"Bucket": "commands"})
    assert answers(two_workers, url) == {200}
    assert two_workers.run("keys", "revoke", made["access_key"]).returncode == 0
    assert answers(two_workers, url) == {403}


def test_limits_hold(two_workers: Service) -> None:
    owner = client(two_workers, *make_key(two_workers))
    for bucket in ("limited", "beyond"):
        owner.create_bucket(Bucket=bucket)
        owner.put_object(Bucket=bucket, Key="dir/a", Body=b"a")
        owner.put_object(Bucket=bucket, Key="other", Body=b"o")
    s3 = client(two_workers, *make_key(two_workers, buckets=["limited/dir/"], actions=["read", "list"]))
    assert s3.get_object(Bucket="limited", Key="dir/a")["Body"].read() == b"a"
    assert [found["Key"] for found in s3.list_objects_v2(Bucket="limited", Prefix="dir/")["Contents"]] == ["dir/a"]
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["limited"]
    assert refused(s3.get_object, Bucket="limited", Key="other") == "AccessDenied"
    assert refused(s3.get_object, Bucket="beyond", Key="dir/a") == "AccessDenied"
    assert refused(s3.list_objects_v2, Bucket="limited") == "AccessDenied"
    assert refused(s3.put_object, Bucket="limited", Key="dir/b", Body=b"b") == "AccessDenied"
    assert refused(s3.delete_object, Bucket="limited", Key="dir/a") == "AccessDenied"
    assert refused(s3.delete_bucket, Bucket="limited") == "AccessDenied"
    assert refused(s3.create_bucket, Bucket="brand-new") == "AccessDenied"
    source = {"Bucket": "limited", "Key": "other"}
    assert refused(s3.copy_object, Bucket="limited", Key="dir/c", CopySource=source) == "AccessDenied"


def test_wrong_secret_and_unknown_key_have_awss_codes(two_workers: Service) -> None:
    for version in ("s3v4", "s3"):
        assert refused(client(two_workers, ROOT[0], "wrong-secret", version).list_buckets) == "SignatureDoesNotMatch"
        assert refused(client(two_workers, "unknown", "wrong-secret", version).list_buckets) == "InvalidAccessKeyId"


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_presigned_urls_of_both_versions_work(two_workers: Service, version: str) -> None:
    root = client(two_workers, *ROOT, version)
    bucket = f"presigned-{version}"
    root.create_bucket(Bucket=bucket)
    place = {"Bucket": bucket, "Key": "dir/ü + 1.txt"}
    put = httpx.put(root.generate_presigned_url("put_object", place), content=b"hello")
    assert put.status_code == 200, put.text
    found = httpx.get(root.generate_presigned_url("get_object", place))
    assert (found.status_code, found.content) == (200, b"hello")
    form = root.generate_presigned_post(bucket, "form/${filename}")
    sent = httpx.post(form["url"], data=form["fields"], files={"file": ("a.txt", b"posted")})
    assert sent.status_code == 204, sent.text
    assert root.get_object(Bucket=bucket, Key="form/a.txt")["Body"].read() == b"posted"


def test_headers_in_a_presigned_url_count_as_headers(two_workers: Service) -> None:
    """As the JavaScript SDK writes them; a copy source there must not make an empty object."""
    root = client(two_workers, *ROOT)
    root.create_bucket(Bucket="hoisted")
    root.put_object(Bucket="hoisted", Key="source", Body=b"bytes")
    target = f"{two_workers.url}/hoisted/target?x-amz-copy-source=hoisted%2Fsource"
    request = AWSRequest("PUT", target)
    S3SigV4QueryAuth(Credentials(*ROOT), "s3", "us-east-1", expires=60).add_auth(request)
    assert httpx.put(request.url).status_code == 200
    assert root.get_object(Bucket="hoisted", Key="target")["Body"].read() == b"bytes"
    request = AWSRequest("PUT", f"{two_workers.url}/hoisted/noted?x-amz-meta-note=a%20b")
    S3SigV4QueryAuth(Credentials(*ROOT), "s3", "us-east-1", expires=60).add_auth(request)
    assert httpx.put(request.url, content=b"x").status_code == 200
    assert root.head_object(Bucket="hoisted", Key="noted")["Metadata"] == {"note": "a b"}


def test_seeded_key_reads_and_never_comes_back_once_revoked(two_workers: Service) -> None:
    seeded = client(two_workers, "seeded", "seeded-secret")
    assert seeded.list_buckets()["Buckets"] == []
    assert refused(seeded.create_bucket, Bucket="seeded-bucket") == "AccessDenied"
    assert two_workers.run("keys", "revoke", "seeded").returncode == 0
    two_workers.stop()
    two_workers.start()
    assert refused(seeded.list_buckets) == "InvalidAccessKeyId"


def test_last_use_is_written_down(two_workers: Service) -> None:
    pair = make_key(two_workers)
    client(two_workers, *pair).list_buckets()
    two_workers.stop()
    kept = {key["access_key"]: key for key in json.loads(two_workers.run("keys", "list", "--json").stdout)}
    two_workers.start()
    assert kept[pair[0]]["last_used_at"] is not None
