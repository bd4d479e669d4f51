"""What other servers of S3 are known to get wrong, each with the server that does, asked of ours."""

import socket
from typing import Any

import httpx
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.s3.asking import body_of, keys, refused
from tests.s3.conftest import MAIN
from tests.s3.streams import signed_stream
from tests.support.service import Service

Client = Any
DATA = [b"a" * 70_000, b"b" * 9_000, b"c"]
WHOLE = b"".join(DATA)


def address(service: Service, bucket: str) -> str:
    return f"{service.url}/{bucket}/k"


def test_keys_with_empty_segments_and_keys_below_keys_are_objects(s3: Client, bucket: str) -> None:
    """MinIO refuses both."""
    names = ["a", "a/", "a//b", "a//", "a/b", "a/b/c", "//", "/", "a/./b", "a/../b"]
    for name in names:
        s3.put_object(Bucket=bucket, Key=name, Body=name.encode())
    assert keys(s3.list_objects_v2(Bucket=bucket)) == sorted(names)
    for name in names:
        assert body_of(s3.get_object(Bucket=bucket, Key=name)) == name.encode()
    s3.delete_object(Bucket=bucket, Key="a")
    assert keys(s3.list_objects_v2(Bucket=bucket)) == sorted(names[1:])


@pytest.mark.parametrize("segment", ["s" * 256, "é" * 200, "x" * 1024])
def test_long_segments_of_a_key_are_stored(s3: Client, bucket: str, segment: str) -> None:
    """versitygw and MinIO fail on what no file's name can hold."""
    for name in (segment, f"dir/{segment}"[:1024]):
        s3.put_object(Bucket=bucket, Key=name, Body=name.encode())
        assert body_of(s3.get_object(Bucket=bucket, Key=name)) == name.encode()


def test_a_signed_stream_arrives_whole(service: Service, s3: Client, bucket: str) -> None:
    """What is changed below is right as it is."""
    stream = signed_stream(address(service, bucket), MAIN, DATA)
    answer = httpx.put(address(service, bucket), headers=stream.headers, content=stream.body)
    assert answer.status_code == 200, answer.text
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == WHOLE


@pytest.mark.parametrize("fault", ["no last chunk", "no last signature", "a byte changed", "chunks exchanged"])
def test_a_signed_stream_that_was_cut_or_changed_is_not_stored(
    service: Service, s3: Client, bucket: str, fault: str
) -> None:
    """MinIO stores one whose last chunk is missing."""
    stream = signed_stream(address(service, bucket), MAIN, DATA)
    last = stream.body.rindex(b"0;chunk-signature=")
    head = stream.body.index(b"\r\n") + 2
    first, rest = stream.body[: head + len(DATA[0]) + 2], stream.body[head + len(DATA[0]) + 2 :]
    second = rest.index(b"\r\n") + 2 + len(DATA[1]) + 2
    changed = {
        "no last chunk": stream.body[:last],
        "no last signature": stream.body[:last] + b"0\r\n\r\n",
        "a byte changed": stream.body[:head] + b"z" + stream.body[head + 1 :],
        "chunks exchanged": rest[:second] + first + rest[second:],
    }[fault]
    answer = httpx.put(address(service, bucket), headers=stream.headers, content=changed)
    assert 400 <= answer.status_code < 500, answer.text
    assert refused(s3.head_object, Bucket=bucket, Key="k") == (404, "404")


@pytest.mark.parametrize("length", [len(WHOLE) - 1, len(WHOLE) + 1, 0])
def test_a_stream_of_another_length_than_it_says_is_not_stored(
    service: Service, s3: Client, bucket: str, length: int
) -> None:
    """SeaweedFS stores it; the length is signed here, so only its own client can have written it."""
    stream = signed_stream(address(service, bucket), MAIN, DATA, length)
    answer = httpx.put(address(service, bucket), headers=stream.headers, content=stream.body)
    assert 400 <= answer.status_code < 500, answer.text
    assert refused(s3.head_object, Bucket=bucket, Key="k") == (404, "404")


@pytest.mark.parametrize("size", [5, 20_000, 2_000_000])
def test_a_body_that_is_not_the_one_that_was_signed_is_not_stored(
    service: Service, s3: Client, bucket: str, size: int
) -> None:
    """SeaweedFS stores it: the signed SHA-256 must be compared, whichever way a body of this size takes."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"old")
    request = AWSRequest("PUT", address(service, bucket), data=b"x" * size)
    S3SigV4Auth(Credentials(*MAIN), "s3", "us-east-1").add_auth(request)
    headers = dict(request.headers.items())
    answer = httpx.put(address(service, bucket), headers=headers, content=b"y" * size)
    assert (answer.status_code, "XAmzContentSHA256Mismatch" in answer.text) == (400, True)
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == b"old"


def test_head_and_small_body_arrive_at_once(service: Service, s3: Client, bucket: str) -> None:
    """Garage sends them apart, and the body waits 40 ms for the head to be acknowledged."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        path = url.removeprefix(service.url)
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{service.port}\r\n\r\n".encode())
        first = connection.recv(65_536)
    assert first.startswith(b"HTTP/1.1 200")
    assert first.endswith(b"\r\n\r\n0123456789")
