"""S6 for this door: what would become a header, a line or a second request, and must not."""

import socket
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.s3.asking import body_of, refused
from tests.support.service import Service

Client = Any
BREAK = "a\r\nX-Evil: 1"


@pytest.mark.parametrize(
    "name", ["ResponseContentDisposition", "ResponseContentType", "ResponseCacheControl", "ResponseContentLanguage"]
)
def test_a_signed_override_is_one_header_or_refused(s3: Client, http: httpx.Client, bucket: str, name: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ContentType="text/plain")
    for value in (BREAK, "日本.txt"):
        answer = http.get(s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k", name: value}))
        assert (answer.status_code, "InvalidArgument" in answer.text) == (400, True)
        assert "x-evil" not in answer.headers
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k", name: ""})
    assert http.get(url).headers["content-type"] == "text/plain"


@pytest.mark.parametrize("value", ["=?utf-8?q?a=0D=0AX-Evil:_1?=", "=?utf-8?b?YQ0KWC1FdmlsOiAx?=", "=?utf-8?q?a=00?="])
def test_metadata_that_decodes_to_two_lines_is_refused(s3: Client, http: httpx.Client, bucket: str, value: str) -> None:
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    answer = http.put(f"/{bucket}/k", content=b"x", headers={"x-amz-meta-a": value})
    assert (answer.status_code, "InvalidArgument" in answer.text) == (400, True)
    assert refused(s3.head_object, Bucket=bucket, Key="k") == (404, "404")


def test_a_key_with_line_breaks_stands_encoded_in_every_answer(s3: Client, http: httpx.Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key=f"{BREAK}/index.html", Body=b"page")
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    statement = f'{{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::{bucket}/*"}}'
    s3.put_bucket_policy(Bucket=bucket, Policy=f'{{"Version":"2012-10-17","Statement":{statement}}}')
    moved = http.get(f"/{bucket}/{quote(BREAK)}")
    assert (moved.status_code, moved.headers["location"]) == (302, f"/{bucket}/{quote(BREAK)}/")
    posted = http.post(f"/{bucket}", data={"key": BREAK, "success_action_status": "201"}, files={"file": b"x"})
    assert (posted.status_code, posted.headers["location"]) == (201, f"/{bucket}/{quote(BREAK)}")
    for answer in (moved, posted):
        assert "x-evil" not in answer.headers


@pytest.mark.parametrize(
    "lengths",
    [
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Content-Length: 5", "Content-Length: 90"),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
        ("Content-Length: +5",),
    ],
)
def test_a_signed_put_is_one_request(service: Service, s3: Client, bucket: str, lengths: tuple[str, ...]) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"old")
    put = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"}).removeprefix(service.url)
    inner = s3.generate_presigned_url("delete_object", Params={"Bucket": bucket, "Key": "k"}).removeprefix(service.url)
    host = f"Host: 127.0.0.1:{service.port}"
    smuggled = f"DELETE {inner} HTTP/1.1\r\n{host}\r\nConnection: close\r\n\r\n"
    head = "\r\n".join([f"PUT {put} HTTP/1.1", host, *lengths, "", ""])
    answer = b""
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        with suppress(OSError):
            connection.sendall(f"{head}0\r\n\r\n{smuggled}".encode())
            connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):
            while data := connection.recv(65_536):
                answer += data
    assert answer.startswith(b"HTTP/1.1 4")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == b"old"
