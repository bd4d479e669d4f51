"""GET and HEAD: ranges, conditions, parts, overrides, markers."""

from typing import Any

import httpx
import pytest

from storage_service.app.core.objects import new_id
from tests.s3.asking import body_of, refused

Client = Any
BODY = bytes(range(256)) * 4


@pytest.fixture
def stored(s3: Client, bucket: str) -> str:
    s3.put_object(Bucket=bucket, Key="k", Body=BODY, ContentType="text/plain")
    return bucket


@pytest.mark.parametrize(
    ("asked", "span"),
    [
        ("bytes=0-9", (0, 10)),
        ("bytes=1000-", (1000, 1024)),
        ("bytes=-24", (1000, 1024)),
        ("bytes=1020-5000", (1020, 1024)),
        ("bytes=-5000", (0, 1024)),
    ],
)
def test_a_range_is_sent_alone(s3: Client, stored: str, asked: str, span: tuple[int, int]) -> None:
    got = s3.get_object(Bucket=stored, Key="k", Range=asked)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert got["ContentRange"] == f"bytes {span[0]}-{span[1] - 1}/1024"
    assert body_of(got) == BODY[span[0] : span[1]]
    head = s3.head_object(Bucket=stored, Key="k", Range=asked)
    assert head["ContentLength"] == span[1] - span[0]


@pytest.mark.parametrize("asked", ["bytes=5-2", "lines=1-2", "bytes=0-1,4-5"])
def test_a_range_that_cannot_be_meant_is_the_whole(s3: Client, stored: str, asked: str) -> None:
    got = s3.get_object(Bucket=stored, Key="k", Range=asked)
    assert (got["ResponseMetadata"]["HTTPStatusCode"], body_of(got)) == (200, BODY)


def test_a_range_behind_the_end_is_refused(s3: Client, stored: str) -> None:
    assert refused(s3.get_object, Bucket=stored, Key="k", Range="bytes=1024-") == (416, "InvalidRange")


def test_conditions_of_a_read_hold(s3: Client, stored: str) -> None:
    head = s3.head_object(Bucket=stored, Key="k")
    etag, at = head["ETag"], head["LastModified"]
    assert body_of(s3.get_object(Bucket=stored, Key="k", IfMatch=etag)) == BODY
    assert refused(s3.get_object, Bucket=stored, Key="k", IfMatch='"x"') == (412, "PreconditionFailed")
    assert refused(s3.get_object, Bucket=stored, Key="k", IfNoneMatch=etag) == (304, "304")
    assert refused(s3.get_object, Bucket=stored, Key="k", IfModifiedSince=at) == (304, "304")
    assert body_of(s3.get_object(Bucket=stored, Key="k", IfUnmodifiedSince=at)) == BODY


def test_if_range_with_another_etag_is_the_whole(http: httpx.Client, s3: Client, stored: str) -> None:
    url = s3.generate_presigned_url("get_object", Params={"Bucket": stored, "Key": "k"})
    headers = {"Range": "bytes=0-3", "If-Range": '"other"'}
    assert http.get(url, headers=headers).status_code == 200
    headers["If-Range"] = s3.head_object(Bucket=stored, Key="k")["ETag"]
    assert http.get(url, headers=headers).status_code == 206


def test_a_signed_query_may_say_what_the_headers_are(s3: Client, stored: str) -> None:
    got = s3.get_object(
        Bucket=stored,
        Key="k",
        ResponseContentType="image/png",
        ResponseCacheControl="no-store",
        ResponseContentDisposition='attachment; filename="x"',
        ResponseContentLanguage="fr",
        ResponseContentEncoding="br",
    )
    assert got["ContentType"] == "image/png"
    assert got["CacheControl"] == "no-store"
    assert got["ContentDisposition"] == 'attachment; filename="x"'
    assert got["ContentLanguage"] == "fr"
    assert got["ContentEncoding"] == "br"


def test_an_unsigned_one_may_not(anonymous: Client, s3: Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="public-read")
    assert body_of(anonymous.get_object(Bucket=bucket, Key="k")) == b"x"
    answer = refused(anonymous.get_object, Bucket=bucket, Key="k", ResponseContentType="text/html")
    assert answer == (400, "InvalidRequest")


def test_an_object_put_whole_is_its_own_first_part(s3: Client, stored: str) -> None:
    got = s3.get_object(Bucket=stored, Key="k", PartNumber=1)
    assert (got["ResponseMetadata"]["HTTPStatusCode"], body_of(got)) == (206, BODY)
    assert refused(s3.get_object, Bucket=stored, Key="k", PartNumber=2) == (400, "InvalidPart")
    answer = refused(s3.get_object, Bucket=stored, Key="k", PartNumber=1, Range="bytes=0-1")
    assert answer == (400, "InvalidRequest")


def test_a_part_of_an_object_put_in_parts_is_sent_alone(s3: Client, bucket: str) -> None:
    part = b"p" * (5 << 20)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="CRC32C")["UploadId"]
    listed = []
    for number, data in ((1, part), (2, b"last")):
        put = s3.upload_part(
            Bucket=bucket, Key="k", UploadId=upload, PartNumber=number, Body=data, ChecksumAlgorithm="CRC32C"
        )
        listed.append({"PartNumber": number, "ETag": put["ETag"], "ChecksumCRC32C": put["ChecksumCRC32C"]})
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": listed})
    got = s3.get_object(Bucket=bucket, Key="k", PartNumber=2, ChecksumMode="ENABLED")
    assert body_of(got) == b"last"
    assert got["PartsCount"] == 2
    assert got["ChecksumCRC32C"] == listed[1]["ChecksumCRC32C"]
    shown = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectParts"], MaxParts=1)
    assert [one["Size"] for one in shown["ObjectParts"]["Parts"]] == [len(part)]
    assert shown["ObjectParts"]["IsTruncated"] is True


def test_what_is_not_there_is_said_so(s3: Client, bucket: str) -> None:
    assert refused(s3.get_object, Bucket=bucket, Key="none") == (404, "NoSuchKey")
    assert refused(s3.get_object, Bucket="no-such-bucket-here", Key="none") == (404, "NoSuchBucket")
    assert refused(s3.get_object, Bucket=bucket, Key="none", VersionId=new_id()) == (404, "NoSuchVersion")
    assert refused(s3.get_object, Bucket=bucket, Key="none", VersionId="x") == (400, "InvalidArgument")


def test_a_delete_marker_is_named(s3: Client, versioned: str) -> None:
    s3.put_object(Bucket=versioned, Key="k", Body=b"1")
    marker = s3.delete_object(Bucket=versioned, Key="k")
    assert marker["DeleteMarker"] is True
    with pytest.raises(s3.exceptions.NoSuchKey) as caught:
        s3.get_object(Bucket=versioned, Key="k")
    headers = caught.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amz-delete-marker"] == "true"
    assert headers["x-amz-version-id"] == marker["VersionId"]
    answer = refused(s3.get_object, Bucket=versioned, Key="k", VersionId=marker["VersionId"])
    assert answer == (405, "MethodNotAllowed")


@pytest.mark.parametrize(
    ("operation", "more", "code"),
    [
        ("get_object_attributes", {"ObjectAttributes": ["ETag"]}, "NoSuchKey"),
        ("get_object_tagging", {}, "NoSuchKey"),
        ("get_object_acl", {}, "NoSuchKey"),
        ("put_object_tagging", {"Tagging": {"TagSet": []}}, "MethodNotAllowed"),
        ("delete_object_tagging", {}, "MethodNotAllowed"),
        ("put_object_acl", {"ACL": "private"}, "MethodNotAllowed"),
    ],
)
def test_a_delete_marker_is_named_whatever_is_asked_of_it(
    s3: Client, versioned: str, operation: str, more: dict[str, Any], code: str
) -> None:
    s3.put_object(Bucket=versioned, Key="k", Body=b"1")
    marker = s3.delete_object(Bucket=versioned, Key="k")["VersionId"]
    call, place = getattr(s3, operation), {"Bucket": versioned, "Key": "k"}
    with pytest.raises(s3.exceptions.ClientError) as caught:
        call(**place, **more)
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["x-amz-delete-marker"] == "true"
    assert refused(call, **place, **more, VersionId=marker) == (405, "MethodNotAllowed")


def test_an_answer_to_head_has_no_body(http: httpx.Client, s3: Client, bucket: str) -> None:
    url = s3.generate_presigned_url("head_object", Params={"Bucket": bucket, "Key": "none"})
    answer = http.head(url)
    assert (answer.status_code, answer.content) == (404, b"")
    assert answer.headers["x-amz-request-id"]
