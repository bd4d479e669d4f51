"""Every operation of the door, asked with every kind of bad credential: none of them lets anybody in."""

import base64
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from botocore.auth import HmacV1Auth, HmacV1QueryAuth, S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from storage_service.app.s3.operations import OPERATIONS
from tests.s3.conftest import OTHER, ROOT
from tests.support.service import ANON_KEY, SERVICE_KEY, Service

WRONG = (ROOT[0], "not-its-secret")
UNKNOWN = ("nobodys-key", "nobodys-secret")
Change = Callable[[AWSRequest], None]


def signed(auth: Any, pair: tuple[str, str], **options: Any) -> Change:
    def change(request: AWSRequest) -> None:
        credentials = Credentials(*pair)
        if auth in (S3SigV4Auth, S3SigV4QueryAuth):
            auth(credentials, "s3", "us-east-1", **options).add_auth(request)
        else:
            auth(credentials, **options).add_auth(request)

    return change


def with_headers(**headers: str) -> Change:
    def change(request: AWSRequest) -> None:
        for name, value in headers.items():
            request.headers[name.replace("_", "-")] = value

    return change


def both(*changes: Change) -> Change:
    def change(request: AWSRequest) -> None:
        for one in changes:
            one(request)

    return change


def in_url(text: str) -> Change:
    def change(request: AWSRequest) -> None:
        request.url += ("&" if "?" in request.url else "?") + text

    return change


def with_form(**fields: str) -> Change:
    """A file behind these fields."""
    parts = [
        f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in fields.items()
    ]
    file = '--edge\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nforged\r\n--edge--\r\n'

    def change(request: AWSRequest) -> None:
        request.headers["content-type"] = "multipart/form-data; boundary=edge"
        request.headers["x-amz-date"] = "now"
        request.data = "".join([*parts, file]).encode()

    return change


EVERYTHING = base64.b64encode(b'{"expiration":"2099-01-01T00:00:00Z","conditions":[]}').decode()
FORGED = f"Credential={ROOT[0]}/20260524/us-east-1/s3/aws4_request, SignedHeaders=host, Signature={'0' * 64}"
BAD: dict[str, Change] = {
    "nothing": lambda _: None,
    "service key": with_headers(x_api_key=SERVICE_KEY, x_amz_date="now"),
    "anon key": with_headers(apikey=ANON_KEY, x_amz_date="now"),
    "bearer": with_headers(authorization=f"Bearer {SERVICE_KEY}", x_amz_date="now"),
    "basic": with_headers(authorization="Basic cm9vdGtleTpzZWNyZXQ=", x_amz_date="now"),
    "empty header": with_headers(authorization="", x_amz_date="now"),
    "forged header": with_headers(authorization=f"AWS4-HMAC-SHA256 {FORGED}", x_amz_date="20260524T120000Z"),
    "asymmetric": with_headers(authorization=f"AWS4-ECDSA-P256-SHA256 {FORGED}", x_amz_date="20260524T120000Z"),
    "forged old header": with_headers(authorization=f"AWS {ROOT[0]}:AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    "half a url": in_url(f"X-Amz-Credential={ROOT[0]}%2F20260524%2Fus-east-1%2Fs3%2Faws4_request"),
    "half an old url": in_url(f"AWSAccessKeyId={ROOT[0]}"),
    "wrong secret": signed(S3SigV4Auth, WRONG),
    "wrong secret in url": signed(S3SigV4QueryAuth, WRONG, expires=60),
    "wrong secret, version 2": signed(HmacV1Auth, WRONG),
    "wrong secret in old url": signed(HmacV1QueryAuth, WRONG, expires=60),
    "unknown key": signed(S3SigV4Auth, UNKNOWN),
    "unknown key in url": signed(S3SigV4QueryAuth, UNKNOWN, expires=60),
    "expired url": signed(S3SigV4QueryAuth, ROOT, expires=-1),
    "expired old url": signed(HmacV1QueryAuth, ROOT, expires=-1),
    "header and url": both(signed(S3SigV4QueryAuth, ROOT, expires=60), signed(S3SigV4Auth, ROOT)),
    "added header": both(signed(S3SigV4Auth, ROOT), with_headers(x_amz_meta_added="1")),
    "added header, url": both(signed(S3SigV4QueryAuth, ROOT, expires=60), with_headers(x_amz_meta_added="1")),
    "added parameter, old url": both(signed(HmacV1QueryAuth, ROOT, expires=60), in_url("retention=1")),
    "token": both(with_headers(x_amz_security_token="t"), signed(S3SigV4Auth, ROOT)),
    "chunks of nobody": with_headers(
        x_amz_content_sha256="STREAMING-AWS4-HMAC-SHA256-PAYLOAD", x_amz_decoded_content_length="0"
    ),
    "unsigned chunks of nobody": with_headers(
        x_amz_content_sha256="STREAMING-UNSIGNED-PAYLOAD-TRAILER", x_amz_decoded_content_length="0"
    ),
    "signed trailers of nobody": with_headers(
        x_amz_content_sha256="STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        x_amz_decoded_content_length="0",
        x_amz_trailer="x-amz-checksum-crc32",
    ),
    "asymmetric chunks": both(
        signed(S3SigV4Auth, ROOT), with_headers(x_amz_content_sha256="STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD")
    ),
    "form of nobody": with_form(key="key"),
    "form without its signature": with_form(key="key", policy=EVERYTHING),
    "forged form": with_form(key="key", policy=EVERYTHING, AWSAccessKeyId=ROOT[0], signature="AAAA"),
    "somebody else": signed(S3SigV4Auth, OTHER),
    "somebody else's url": signed(S3SigV4QueryAuth, OTHER, expires=60),
}
# A user of the service may do these whoever it is; and a list of buckets shows each one's own.
OPEN_TO_USERS = {"ListBuckets", "CreateBucket"}


@pytest.fixture(scope="module")
def place(service: Service, client_of: Any) -> str:
    """A private bucket of the root's, with an object in it."""
    root = client_of(ROOT)
    root.create_bucket(Bucket="guarded")
    root.put_object(Bucket="guarded", Key="key", Body=b"untouched")
    return "guarded"


def request_of(service: Service, operation: Any, bucket: str) -> AWSRequest:
    path = {"service": "/", "bucket": f"/{bucket}", "object": f"/{bucket}/key"}[operation.level]
    query, _, header = operation.query.partition("+")
    if query == "x-amz-copy-source":
        query, header = "", query
    request = AWSRequest(operation.method, service.url + path + (f"?{query}" if query else ""))
    if header:
        request.headers[header] = f"/{bucket}/key"
    return request


@pytest.mark.parametrize("kind", BAD)
def test_no_operation_opens_to_a_bad_credential(service: Service, client_of: Any, place: str, kind: str) -> None:
    let_in = []
    with httpx.Client(timeout=20) as http:
        for operation in OPERATIONS:
            if kind.startswith("somebody") and operation.name in OPEN_TO_USERS:
                continue
            target = f"{place}-{int(time.time())}" if operation.name == "CreateBucket" else place
            request = request_of(service, operation, target)
            BAD[kind](request)
            parts = urlsplit(request.url)
            url = f"{service.url}{parts.path}" + (f"?{parts.query}" if parts.query else "")
            answer = http.request(
                request.method, url, headers=list(request.headers.items()), content=request.data or None
            )
            if not 400 <= answer.status_code < 500 and answer.status_code != 501:
                let_in.append((operation.name, answer.status_code, answer.text[:200]))
    assert [one for one in let_in if one[0] != "ListBuckets" or kind not in ANONYMOUS] == []
    assert client_of(ROOT).get_object(Bucket=place, Key="key")["Body"].read() == b"untouched"


@pytest.mark.parametrize("auth", [S3SigV4Auth, S3SigV4QueryAuth, HmacV1Auth, HmacV1QueryAuth])
def test_the_same_requests_are_let_in_when_they_are_signed_well(service: Service, place: str, auth: Any) -> None:
    row = next(operation for operation in OPERATIONS if operation.name == "GetObject")
    request = request_of(service, row, place)
    signed(auth, ROOT)(request)
    answer = httpx.get(request.url, headers=list(request.headers.items()))
    assert (answer.status_code, answer.content) == (200, b"untouched")


@pytest.mark.parametrize("auth", [S3SigV4Auth, S3SigV4QueryAuth, HmacV1Auth, HmacV1QueryAuth])
def test_a_bucket_may_stand_in_the_host_that_was_signed(service: Service, place: str, auth: Any) -> None:
    """Version 2 signs the bucket in front of the path wherever it was named."""
    host = f"{place}.s3.example.test:{service.port}"
    request = AWSRequest("GET", f"http://{host}/key", auth_path=f"/{place}/key")
    signed(auth, ROOT)(request)
    parts = urlsplit(request.url)
    url = f"{service.url}/key" + (f"?{parts.query}" if parts.query else "")
    headers = [*request.headers.items(), ("host", host)]
    answer = httpx.get(url, headers=headers)
    assert (answer.status_code, answer.content) == (200, b"untouched")
    elsewhere = [*request.headers.items(), ("host", f"other.s3.example.test:{service.port}")]
    assert httpx.get(url, headers=elsewhere).status_code == 403


# Nobody in particular: their list of buckets is refused, or is empty.
ANONYMOUS = {"nothing", "unsigned chunks of nobody", "service key", "anon key"} | {
    kind for kind in BAD if "form " in kind
}
ANONYMOUS |= {"forged form"}
