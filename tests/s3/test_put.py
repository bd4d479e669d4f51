"""PUT of objects through boto3 and plain HTTP: what is stored, what is refused, and that a refusal leaves nothing."""

import base64
import hashlib
import socket
from http.client import HTTPConnection
from typing import Any

import httpx
import pytest

from tests.s3.asking import body_of, refused
from tests.support.service import Service

Client = Any
SIZES = [0, 1, 2047, 2048, 16 * 1024, 16 * 1024 + 1, 64 * 1024, 1024 * 1024, 1024 * 1024 + 1, 3 * 1024 * 1024]
ALGORITHMS = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]
ODD_KEYS = [
    "a//b",
    "/lead",
    "trail/",
    "a",
    "a/b",
    "a/b/c",
    " space ",
    "plus+plus",
    "per%cent",
    "%2F",
    "que?ry&am=p",
    "hash#",
    "semi;colon:",
    "quote'\"`",
    "back\\slash",
    "..",
    "../up",
    "./here",
    "é",
    "e\u0301",
    "日本語/キー",
    "😀",
    "tab\there",
    "line\nbreak",
    "A",
    "CON",
    "dot.",
    "k" * 1024,
    "x/" * 511 + "y",
]


@pytest.mark.parametrize("size", SIZES)
def test_any_size_comes_back_byte_for_byte(s3: Client, bucket: str, size: int) -> None:
    data = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    put = s3.put_object(Bucket=bucket, Key="k", Body=data)
    assert put["ETag"] == f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["ContentLength"] == size
    assert body_of(got) == data


def test_odd_keys_are_different_objects(s3: Client, bucket: str) -> None:
    for number, key in enumerate(ODD_KEYS):
        s3.put_object(Bucket=bucket, Key=key, Body=str(number).encode())
    for number, key in enumerate(ODD_KEYS):
        assert body_of(s3.get_object(Bucket=bucket, Key=key)) == str(number).encode(), key
    listed = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert listed == sorted(ODD_KEYS, key=str.encode)
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in ODD_KEYS]})
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_key_longer_than_s3s_is_refused(s3: Client, bucket: str) -> None:
    assert refused(s3.put_object, Bucket=bucket, Key="k" * 1025) == (400, "KeyTooLongError")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("size", [5, 200_000])
def test_a_checksum_is_kept_and_shown_when_asked_for(s3: Client, bucket: str, algorithm: str, size: int) -> None:
    field = f"Checksum{algorithm}"
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"x" * size, ChecksumAlgorithm=algorithm)
    assert field not in s3.head_object(Bucket=bucket, Key="k")
    shown = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert shown[field] == put[field]
    assert shown["ChecksumType"] == "FULL_OBJECT"
    attributes = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["Checksum"])
    assert attributes["Checksum"][field] == put[field]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("size", [5, 200_000])
def test_a_wrong_checksum_leaves_the_old_object(s3: Client, bucket: str, algorithm: str, size: int) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"old")
    right = s3.put_object(Bucket=bucket, Key="other", Body=b"y", ChecksumAlgorithm=algorithm)[f"Checksum{algorithm}"]
    wrong = {f"Checksum{algorithm}": right}
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x" * size, **wrong) == (400, "BadDigest")
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == b"old"


def test_a_checksum_nobody_chose_is_there_all_the_same(http: httpx.Client, s3: Client, bucket: str) -> None:
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"})
    assert http.put(url, content=b"123456789").status_code == 200
    shown = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert shown["ChecksumCRC64NVME"] == base64.b64encode(bytes.fromhex("ae8b14860a799888")).decode()


@pytest.mark.parametrize(
    ("sent", "code"),
    [("AAAAAAAAAAAAAAAAAAAAAA==", "BadDigest"), ("not base64", "InvalidDigest"), ("AAAA", "InvalidDigest")],
)
def test_content_md5_is_compared(s3: Client, bucket: str, sent: str, code: str) -> None:
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"data", ContentMD5=sent) == (400, code)
    assert refused(s3.head_object, Bucket=bucket, Key="k") == (404, "404")


def test_what_was_said_of_an_object_comes_back(s3: Client, bucket: str) -> None:
    said = {
        "ContentType": "text/x-odd; charset=latin-1",
        "CacheControl": "max-age=7",
        "ContentDisposition": "attachment; filename=x",
        "ContentEncoding": "gzip",
        "ContentLanguage": "de",
        "WebsiteRedirectLocation": "/elsewhere",
        "Metadata": {"colour": "blue", "empty": ""},
    }
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Expires="2030-01-01T00:00:00Z", Tagging="a=1&b=", **said)
    shown = s3.head_object(Bucket=bucket, Key="k")
    assert {name: shown[name] for name in said} == said
    assert shown["ResponseMetadata"]["HTTPHeaders"]["expires"] == "Tue, 01 Jan 2030 00:00:00 GMT"
    assert shown["TagCount"] == 2
    assert shown["AcceptRanges"] == "bytes"


def test_a_type_nobody_named_is_octets(http: httpx.Client, s3: Client, bucket: str) -> None:
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "page.html"})
    http.put(url, content=b"<html>")
    assert s3.head_object(Bucket=bucket, Key="page.html")["ContentType"] == "binary/octet-stream"


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        ({"StorageClass": "GLACIER"}, (400, "InvalidStorageClass")),
        ({"ServerSideEncryption": "AES256"}, (501, "NotImplemented")),
        ({"WriteOffsetBytes": 1}, (501, "NotImplemented")),
        ({"Metadata": {"k": "x" * 2048}}, (400, "MetadataTooLarge")),
        ({"Tagging": "a=1&a=2"}, (400, "InvalidTag")),
        ({"WebsiteRedirectLocation": "ftp://x"}, (400, "InvalidArgument")),
    ],
)
def test_what_cannot_be_done_is_refused_and_stores_nothing(
    s3: Client, bucket: str, arguments: dict[str, Any], answer: tuple[int, str]
) -> None:
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x", **arguments) == answer
    assert refused(s3.head_object, Bucket=bucket, Key="k") == (404, "404")


def test_conditions_of_a_write_hold(s3: Client, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*") == (412, "PreconditionFailed")
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfMatch='"no"') == (412, "PreconditionFailed")
    s3.put_object(Bucket=bucket, Key="k", Body=b"3", IfMatch=etag)
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == b"3"
    assert refused(s3.put_object, Bucket=bucket, Key="none", Body=b"", IfMatch=etag) == (404, "NoSuchKey")


def test_a_condition_that_fails_is_refused_before_the_body(service: Service, s3: Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"old")
    with opened(service, s3, bucket, "If-None-Match: *") as connection:
        assert connection.recv(12) == b"HTTP/1.1 412"
    with opened(service, s3, bucket, 'If-Match: "another"') as connection:
        assert connection.recv(12) == b"HTTP/1.1 412"
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == b"old"


def test_an_object_deleted_under_a_conditional_write_is_a_conflict(service: Service, s3: Client, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"old")["ETag"]
    with opened(service, s3, bucket, f"If-Match: {etag}") as connection:
        assert connection.recv(64).startswith(b"HTTP/1.1 100")
        s3.delete_object(Bucket=bucket, Key="k")
        connection.sendall(b"new")
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 409")
    assert b"<Code>ConditionalRequestConflict</Code>" in answer
    assert refused(s3.head_object, Bucket=bucket, Key="k") == (404, "404")


def opened(service: Service, s3: Client, bucket: str, condition: str) -> socket.socket:
    """A PUT of three bytes that waits to be told to send them."""
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"})
    connection = socket.create_connection(("127.0.0.1", service.port), timeout=60)
    lines = [f"PUT {url.removeprefix(service.url)} HTTP/1.1", f"Host: 127.0.0.1:{service.port}", condition]
    lines += ["Content-Length: 3", "Expect: 100-continue", "Connection: close"]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    return connection


def test_a_body_shorter_than_announced_is_not_stored(service: Service, s3: Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"old")
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"})
    with socket.create_connection(("127.0.0.1", service.port), timeout=5) as connection:
        path = url.removeprefix(service.url)
        head = f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1:{service.port}\r\nContent-Length: 100\r\n\r\n"
        connection.sendall(head.encode() + b"short")
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == b"old"


@pytest.mark.parametrize("what", ["put_object", "upload_part"])
def test_a_body_of_no_announced_length_is_refused(service: Service, s3: Client, bucket: str, what: str) -> None:
    """Nothing would tell it from no body at all."""
    place: dict[str, Any] = {"Bucket": bucket, "Key": "k"}
    if what == "upload_part":
        upload = s3.create_multipart_upload(**place)["UploadId"]
        place |= {"UploadId": upload, "PartNumber": 1}
    url = s3.generate_presigned_url(what, Params=place)
    connection = HTTPConnection("127.0.0.1", service.port, timeout=60)
    connection.putrequest("PUT", url.removeprefix(service.url))
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, b"<Code>MissingContentLength</Code>" in answer.read()) == (411, True)
    connection.close()
    if what == "upload_part":
        assert "Parts" not in s3.list_parts(Bucket=bucket, Key="k", UploadId=upload)
