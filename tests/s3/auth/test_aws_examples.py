"""The examples that AWS publishes with their signatures.

Source: AWS S3 API reference, "Signature Calculations for the Authorization Header" (single chunk, multiple chunks,
trailers) and "Authenticating Requests: Using Query Parameters"; "Signing and authenticating REST requests" (version 2).
"""

from datetime import UTC, datetime

import pytest

from storage_service.app.core.errors import AccessDenied, SignatureDoesNotMatch
from tests.s3.auth.chunking import read
from tests.s3.auth.signed import ACCESS_KEY, authenticator, request_of

DAY = datetime(2013, 5, 24, tzinfo=UTC)
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
HOST = "examplebucket.s3.amazonaws.com"
CREDENTIAL = f"Credential={ACCESS_KEY}/20130524/us-east-1/s3/aws4_request"


def header(signed: str, signature: str) -> str:
    return f"AWS4-HMAC-SHA256 {CREDENTIAL},SignedHeaders={signed},Signature={signature}"


GET_OBJECT = (
    "GET",
    b"/test.txt",
    {
        "Host": HOST,
        "Authorization": header(
            "host;range;x-amz-content-sha256;x-amz-date",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        "Range": "bytes=0-9",
        "x-amz-content-sha256": EMPTY,
        "x-amz-date": "20130524T000000Z",
    },
)
PUT_OBJECT = (
    "PUT",
    b"/test$file.text",
    {
        "Host": HOST,
        "Date": "Fri, 24 May 2013 00:00:00 GMT",
        "Authorization": header(
            "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        "x-amz-date": "20130524T000000Z",
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
        "x-amz-content-sha256": "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
    },
)
SUB_RESOURCE = (
    "GET",
    b"/?lifecycle",
    {
        "Host": HOST,
        "Authorization": header(
            "host;x-amz-content-sha256;x-amz-date",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        "x-amz-date": "20130524T000000Z",
        "x-amz-content-sha256": EMPTY,
    },
)
LIST = (
    "GET",
    b"/?max-keys=2&prefix=J",
    {
        "Host": HOST,
        "Authorization": header(
            "host;x-amz-content-sha256;x-amz-date",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
        "x-amz-date": "20130524T000000Z",
        "x-amz-content-sha256": EMPTY,
    },
)
PRESIGNED = (
    "GET",
    b"/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    b"&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
    b"&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
    b"&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
    {"Host": HOST},
)


@pytest.mark.parametrize(("method", "target", "headers"), [GET_OBJECT, PUT_OBJECT, SUB_RESOURCE, LIST, PRESIGNED])
async def test_example_is_accepted_and_another_host_is_not(method: str, target: bytes, headers: dict[str, str]) -> None:
    auth = authenticator(now=DAY)
    caller = await auth.authenticate(request_of(method, target, headers), "examplebucket", "test.txt")
    assert caller.access_key == ACCESS_KEY
    with pytest.raises(SignatureDoesNotMatch):
        await auth.authenticate(request_of(method, target, headers | {"Host": "other"}), "examplebucket", "test.txt")


CHUNKED = {
    "Host": "s3.amazonaws.com",
    "x-amz-date": "20130524T000000Z",
    "x-amz-storage-class": "REDUCED_REDUNDANCY",
    "Authorization": header(
        "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length"
        ";x-amz-storage-class",
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    ),
    "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "Content-Encoding": "aws-chunked",
    "x-amz-decoded-content-length": "66560",
    "Content-Length": "66824",
}
CHUNKS = [
    (65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
    (1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
    (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
]
CHUNKED_BODY = b"".join(
    b"%x;chunk-signature=%s\r\n%s\r\n" % (size, signature.encode(), b"a" * size) for size, signature in CHUNKS
)


@pytest.mark.parametrize("size", [1000, 65536, 1 << 20])
async def test_example_of_signed_chunks_is_accepted(size: int) -> None:
    request = request_of("PUT", b"/examplebucket/chunkObject.txt", CHUNKED)
    caller = await authenticator(now=DAY).authenticate(request, "examplebucket", "chunkObject.txt")
    assert caller.payload.decoded_length == 66560
    assert (await read(caller.payload, CHUNKED_BODY, size))[0] == b"a" * 66560


TRAILING = {
    "Host": "s3.amazonaws.com",
    "x-amz-date": "20130524T000000Z",
    "x-amz-storage-class": "REDUCED_REDUNDANCY",
    "Authorization": header(
        "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class"
        ";x-amz-trailer",
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    ),
    "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "Content-Encoding": "aws-chunked",
    "x-amz-decoded-content-length": "66560",
    "x-amz-trailer": "x-amz-checksum-crc32c",
}
TRAILING_CHUNKS = [
    (65536, "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2"),
    (1024, "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7"),
    (0, "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"),
]
TRAILING_BODY = b"".join(
    b"%x;chunk-signature=%s\r\n%s%s" % (size, signature.encode(), b"a" * size, b"\r\n" if size else b"")
    for size, signature in TRAILING_CHUNKS
)
TRAILERS = (
    b"x-amz-checksum-crc32c:sOO8/Q==\r\n"
    b"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
)


@pytest.mark.parametrize("size", [7, 1000, 1 << 20])
async def test_example_of_signed_trailers_is_accepted(size: int) -> None:
    request = request_of("PUT", b"/examplebucket/chunkObject.txt", TRAILING)
    caller = await authenticator(now=DAY).authenticate(request, "examplebucket", "chunkObject.txt")
    decoded, body = await read(caller.payload, TRAILING_BODY + TRAILERS, size)
    assert (decoded, body.trailers) == (b"a" * 66560, {"x-amz-checksum-crc32c": "sOO8/Q=="})


async def test_example_with_another_trailer_is_refused() -> None:
    request = request_of("PUT", b"/examplebucket/chunkObject.txt", TRAILING)
    caller = await authenticator(now=DAY).authenticate(request, "examplebucket", "chunkObject.txt")
    with pytest.raises(SignatureDoesNotMatch):
        await read(caller.payload, TRAILING_BODY + TRAILERS.replace(b"sOO8", b"sOO9"))


# Source: "Signing and authenticating REST requests", its examples and their keys.
V2_KEY, V2_SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
V2_EXAMPLES = [
    (
        datetime(2007, 3, 27, 19, 36, 42, tzinfo=UTC),
        "GET",
        b"/photos/puppy.jpg",
        {
            "Host": "awsexamplebucket1.us-west-1.s3.amazonaws.com",
            "Date": "Tue, 27 Mar 2007 19:36:42 +0000",
            "Authorization": "AWS AKIAIOSFODNN7EXAMPLE:qgk2+6Sv9/oM7G3qLEjTH1a1l1g=",
        },
        "photos/puppy.jpg",
    ),
    (
        datetime(2007, 3, 27, 21, 15, 45, tzinfo=UTC),
        "PUT",
        b"/photos/puppy.jpg",
        {
            "Content-Type": "image/jpeg",
            "Content-Length": "94328",
            "Host": "awsexamplebucket1.s3.us-west-1.amazonaws.com",
            "Date": "Tue, 27 Mar 2007 21:15:45 +0000",
            "Authorization": "AWS AKIAIOSFODNN7EXAMPLE:iqRzw+ileNPu1fhspnRs8nOjjIA=",
        },
        "photos/puppy.jpg",
    ),
    (
        datetime(2007, 3, 27, 19, 42, 41, tzinfo=UTC),
        "GET",
        b"/?prefix=photos&max-keys=50&marker=puppy",
        {
            "User-Agent": "Mozilla/5.0",
            "Host": "awsexamplebucket1.us-west-1.s3.amazonaws.com",
            "Date": "Tue, 27 Mar 2007 19:42:41 +0000",
            "Authorization": "AWS AKIAIOSFODNN7EXAMPLE:m0WP8eCtspQl5Ahe6L1SozdX9YA=",
        },
        "",
    ),
    (
        datetime(2007, 3, 27, 19, 44, 46, tzinfo=UTC),
        "GET",
        b"/?acl",
        {
            "Host": "awsexamplebucket1.us-west-1.s3.amazonaws.com",
            "Date": "Tue, 27 Mar 2007 19:44:46 +0000",
            "Authorization": "AWS AKIAIOSFODNN7EXAMPLE:82ZHiFIjc+WbcwFKGUVEQspPn+0=",
        },
        "",
    ),
]


@pytest.mark.parametrize(("now", "method", "target", "headers", "key"), V2_EXAMPLES)
async def test_example_of_version_2_is_accepted_for_its_bucket_only(
    now: datetime, method: str, target: bytes, headers: dict[str, str], key: str
) -> None:
    auth = authenticator(now=now)
    request = request_of(method, target, headers)
    assert (await auth.authenticate(request, "awsexamplebucket1", key)).access_key == V2_KEY
    with pytest.raises(SignatureDoesNotMatch):
        await auth.authenticate(request_of(method, target, headers), "another", key)


async def test_example_is_refused_when_its_day_is_over() -> None:
    method, target, headers = PRESIGNED
    auth = authenticator(now=datetime(2013, 5, 25, tzinfo=UTC))
    with pytest.raises(AccessDenied, match="Request has expired"):
        await auth.authenticate(request_of(method, target, headers), "examplebucket", "test.txt")
