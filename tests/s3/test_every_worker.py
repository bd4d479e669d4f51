"""C9: what one worker was told, all of them know by the time it has answered. Nobody is let in by an older word."""

import json
import os
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from typing import Any

import boto3
import httpx
import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from tests.support.service import SERVICE_KEY, Service

pytestmark = pytest.mark.ci

OWNER, GUEST = ("ownerkey", "secret-of-the-owner"), ("guestkey", "secret-of-the-guest")
ROUNDS = 100 if os.environ.get("STORAGE_TEST_SIZE") in {"large", "extra_large", "all"} else 12
ASKS = 8  # each on a connection of its own: every worker gets some
BUCKET = "shared"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    place = tmp_path_factory.mktemp("workers")
    keys = f"{':'.join(OWNER)}:owner:rw,{':'.join(GUEST)}:guest:rw"
    with Service(
        place / "data", place / "logs", workers=3, environment={"STORAGE_KEYS": keys, "DURABILITY": "scratch"}
    ) as running:
        yield running


def client(service: Service, pair: tuple[str, str]) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=service.url,
        region_name="us-east-1",
        aws_access_key_id=pair[0],
        aws_secret_access_key=pair[1],
        config=Config(retries={"max_attempts": 1}),
    )


@pytest.fixture(scope="module")
def owner(service: Service) -> Any:
    made = client(service, OWNER)
    made.create_bucket(Bucket=BUCKET)
    made.put_object(Bucket=BUCKET, Key="k", Body=b"x")
    return made


@pytest.fixture(scope="module")
def guest(service: Service) -> Any:
    return client(service, GUEST)


def presigned(service: Service, pair: tuple[str, str], path: str) -> str:
    request = AWSRequest("GET", service.url + path)
    S3SigV4QueryAuth(Credentials(*pair), "s3", "us-east-1", expires=600).add_auth(request)
    return str(request.url).removeprefix(service.url)


def statuses(service: Service, target: str) -> set[int]:
    """What many requests are answered."""
    found = set()
    for _ in range(ASKS):
        connection = HTTPConnection("127.0.0.1", service.port, timeout=60)
        connection.request("GET", target)
        found.add(connection.getresponse().status)
        connection.close()
    return found


def policy(effect: str) -> str:
    statement = {"Effect": effect, "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"}
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


def open_by_policy(owner: Any) -> None:
    owner.put_bucket_policy(Bucket=BUCKET, Policy=policy("Allow"))


def close_by_policy(owner: Any) -> None:
    owner.delete_bucket_policy(Bucket=BUCKET)


def deny_by_policy(owner: Any) -> None:
    owner.put_bucket_policy(Bucket=BUCKET, Policy=policy("Deny"))


def open_by_list(owner: Any) -> None:
    owner.put_object_acl(Bucket=BUCKET, Key="k", ACL="authenticated-read")


def close_by_list(owner: Any) -> None:
    owner.put_object_acl(Bucket=BUCKET, Key="k", ACL="private")


def block(owner: Any) -> None:
    blocks = {"IgnorePublicAcls": True, "RestrictPublicBuckets": True}
    owner.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration=blocks)


@pytest.mark.parametrize(
    ("let_in", "shut_out"),
    [
        (open_by_policy, close_by_policy),
        (open_by_policy, deny_by_policy),
        (open_by_policy, block),
        (open_by_list, close_by_list),
        (open_by_list, block),
    ],
)
def test_who_was_shut_out_stays_out_in_every_worker(
    service: Service, owner: Any, let_in: Callable[[Any], None], shut_out: Callable[[Any], None]
) -> None:
    read = presigned(service, GUEST, f"/{BUCKET}/k")
    for _ in range(ROUNDS):
        owner.delete_public_access_block(Bucket=BUCKET)
        close_by_policy(owner)
        close_by_list(owner)
        let_in(owner)
        assert statuses(service, read) == {200}
        shut_out(owner)
        assert statuses(service, read) == {403}


def test_a_bucket_that_ended_is_gone_in_every_worker_and_its_namesake_is_another(
    service: Service, owner: Any, guest: Any
) -> None:
    read, listed = presigned(service, OWNER, "/passing/k"), presigned(service, OWNER, "/passing")
    for _ in range(ROUNDS):
        owner.create_bucket(Bucket="passing")
        owner.put_object(Bucket="passing", Key="k", Body=b"x")
        assert statuses(service, read) == {200}
        owner.delete_object(Bucket="passing", Key="k")
        owner.delete_bucket(Bucket="passing")
        assert statuses(service, listed) == {404}
        guest.create_bucket(Bucket="passing")
        assert statuses(service, listed) == {403}
        guest.delete_bucket(Bucket="passing")


def test_a_revoked_key_is_out_in_every_worker(service: Service, owner: Any) -> None:
    owner.put_object(Bucket=BUCKET, Key="k", Body=b"x")
    with httpx.Client(base_url=service.url, headers={"X-API-Key": SERVICE_KEY}, timeout=60) as admin:
        for _ in range(ROUNDS):
            made = admin.post("/api/v1/keys", json={"owner_id": "owner"}).raise_for_status().json()
            read = presigned(service, (made["access_key"], made["secret_key"]), f"/{BUCKET}/k")
            assert statuses(service, read) == {200}
            admin.delete(f"/api/v1/keys/{made['access_key']}").raise_for_status()
            assert statuses(service, read) == {403}
