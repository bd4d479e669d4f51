"""Multipart uploads as S3 clients do them, against the running service."""

from __future__ import annotations

import base64
import hashlib
import io
import threading
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from tests.support.service import Service

BIG = 5 << 20


def filler(letter: str, size: int) -> bytes:
    return (hashlib.sha256(letter.encode()).digest() * (size // 32 + 1))[:size]


def begin(s3: Any, key: str, **said: Any) -> dict[str, Any]:
    made = s3.create_multipart_upload(Bucket="films", Key=key, **said)
    return {"Bucket": "films", "Key": key, "UploadId": made["UploadId"]}


def put(s3: Any, ref: dict[str, Any], number: int, data: bytes, **said: Any) -> dict[str, Any]:
    stored = s3.upload_part(**ref, PartNumber=number, Body=data, **said)
    sums = {name: value for name, value in stored.items() if name.startswith("Checksum") and name != "ChecksumType"}
    return {"PartNumber": number, "ETag": stored["ETag"], **sums}


def finish(s3: Any, ref: dict[str, Any], parts: list[dict[str, Any]], **said: Any) -> Any:
    return s3.complete_multipart_upload(**ref, MultipartUpload={"Parts": parts}, **said)


def code_of(caught: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def body_of(s3: Any, key: str, **asked: Any) -> bytes:
    data: bytes = s3.get_object(Bucket="films", Key=key, **asked)["Body"].read()
    return data


def test_upload_fileobj_with_four_threads_arrives_whole(s3: Any) -> None:
    data = filler("f", 23 << 20)
    config = TransferConfig(multipart_threshold=BIG, multipart_chunksize=BIG, max_concurrency=4)
    s3.upload_fileobj(io.BytesIO(data), "films", "by/fileobj", Config=config, ExtraArgs={"ContentType": "video/mp4"})
    found = s3.head_object(Bucket="films", Key="by/fileobj")
    assert (found["ContentLength"], found["ContentType"]) == (len(data), "video/mp4")
    assert found["ETag"].endswith('-5"')
    assert body_of(s3, "by/fileobj") == data
    target = io.BytesIO()
    s3.download_fileobj("films", "by/fileobj", target, Config=config)
    assert target.getvalue() == data


def test_single_part_is_read_by_its_number(s3: Any) -> None:
    ref = begin(s3, "parts")
    one, two = filler("1", BIG), filler("2", 100)
    finish(s3, ref, [put(s3, ref, 1, one), put(s3, ref, 2, two)])
    found = s3.get_object(Bucket="films", Key="parts", PartNumber=2)
    assert found["Body"].read() == two
    assert (found["PartsCount"], found["ContentRange"]) == (2, f"bytes {BIG}-{BIG + 99}/{BIG + 100}")
    assert s3.head_object(Bucket="films", Key="parts", PartNumber=1)["ContentLength"] == BIG
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket="films", Key="parts", PartNumber=3)
    assert code_of(caught)[0] == "InvalidPart"


def test_what_was_said_at_the_beginning_is_the_objects(s3: Any) -> None:
    ref = begin(
        s3,
        "said",
        ContentType="text/plain",
        Metadata={"who": "me"},
        Tagging="a=1&b=2",
        CacheControl="no-cache",
        ContentDisposition="inline",
    )
    finish(s3, ref, [put(s3, ref, 1, b"x")])
    found = s3.head_object(Bucket="films", Key="said")
    assert (found["ContentType"], found["Metadata"], found["CacheControl"]) == ("text/plain", {"who": "me"}, "no-cache")
    assert found["ContentDisposition"] == "inline"
    tags = s3.get_object_tagging(Bucket="films", Key="said")["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        ("CRC32", "COMPOSITE"),
        ("CRC32", "FULL_OBJECT"),
        ("CRC32C", "COMPOSITE"),
        ("CRC32C", "FULL_OBJECT"),
        ("CRC64NVME", "FULL_OBJECT"),
        ("SHA1", "COMPOSITE"),
        ("SHA256", "COMPOSITE"),
    ],
)
def test_checksums_are_kept_and_told(s3: Any, algorithm: str, kind: str) -> None:
    key = f"sums/{algorithm}/{kind}"
    made = s3.create_multipart_upload(Bucket="films", Key=key, ChecksumAlgorithm=algorithm, ChecksumType=kind)
    assert (made["ChecksumAlgorithm"], made["ChecksumType"]) == (algorithm, kind)
    ref = {"Bucket": "films", "Key": key, "UploadId": made["UploadId"]}
    one, two = filler("1", BIG), filler("2", 1000)
    parts = [put(s3, ref, number, data, ChecksumAlgorithm=algorithm) for number, data in ((1, one), (2, two))]
    name = f"Checksum{algorithm}"
    assert all(name in part for part in parts)
    done = finish(s3, ref, parts)
    assert done["ChecksumType"] == kind
    whole = done[name]
    if algorithm == "SHA256":
        both = b"".join(hashlib.sha256(data).digest() for data in (one, two))
        assert whole == base64.b64encode(hashlib.sha256(both).digest()).decode() + "-2"
    found = s3.head_object(Bucket="films", Key=key, ChecksumMode="ENABLED")
    assert (found[name], found["ChecksumType"]) == (whole, kind)
    assert body_of(s3, key, ChecksumMode="ENABLED") == one + two  # botocore compares a full-object checksum
    listed = s3.get_object_attributes(Bucket="films", Key=key, ObjectAttributes=["ObjectParts", "Checksum"])
    assert [part["Size"] for part in listed["ObjectParts"]["Parts"]] == [BIG, 1000]
    assert [part[name] for part in listed["ObjectParts"]["Parts"]] == [part[name] for part in parts]


def test_checksum_type_that_an_algorithm_does_not_know_is_refused(s3: Any) -> None:
    with pytest.raises(ClientError) as caught:
        begin(s3, "x", ChecksumAlgorithm="SHA256", ChecksumType="FULL_OBJECT")
    assert code_of(caught) == ("InvalidRequest", 400)


def test_part_with_another_algorithm_or_a_wrong_checksum_is_refused(s3: Any) -> None:
    ref = begin(s3, "x", ChecksumAlgorithm="CRC32")
    with pytest.raises(ClientError) as caught:
        put(s3, ref, 1, b"x", ChecksumAlgorithm="SHA1")
    assert code_of(caught) == ("InvalidRequest", 400)
    with pytest.raises(ClientError) as caught:
        put(s3, ref, 1, b"x", ChecksumCRC32="AAAAAA==")
    assert code_of(caught) == ("BadDigest", 400)
    with pytest.raises(ClientError) as caught:
        put(s3, ref, 1, b"x", ContentMD5=base64.b64encode(bytes(16)).decode())
    assert code_of(caught) == ("BadDigest", 400)
    assert "Parts" not in s3.list_parts(**ref)


def test_announced_checksum_and_size_of_the_whole_are_compared(s3: Any) -> None:
    ref = begin(s3, "whole", ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    parts = [put(s3, ref, 1, b"abc", ChecksumAlgorithm="CRC32")]
    for said, code in (({"ChecksumCRC32": "AAAAAA=="}, "BadDigest"), ({"MpuObjectSize": 4}, "InvalidRequest")):
        with pytest.raises(ClientError) as caught:
            finish(s3, ref, parts, **said)
        assert code_of(caught) == (code, 400)
    assert finish(s3, ref, parts, ChecksumCRC32=parts[0]["ChecksumCRC32"], MpuObjectSize=3)["ETag"]


def test_wrong_lists_get_s3s_codes(s3: Any) -> None:
    ref = begin(s3, "wrong")
    one, two = put(s3, ref, 1, b"small"), put(s3, ref, 2, b"last")
    cases: list[tuple[list[dict[str, Any]], str]] = [
        ([one, two], "EntityTooSmall"),
        ([two, one], "InvalidPartOrder"),
        ([one, {**two, "PartNumber": 3}], "InvalidPart"),
        ([{**one, "ETag": '"' + "0" * 32 + '"'}], "InvalidPart"),
    ]
    for parts, code in cases:
        with pytest.raises(ClientError) as caught:
            finish(s3, ref, parts)
        assert code_of(caught) == (code, 400)
    with pytest.raises(ClientError) as caught:
        s3.complete_multipart_upload(**ref)
    assert code_of(caught) == ("MalformedXML", 400)


def test_repeated_completion_answers_the_same(s3: Any) -> None:
    ref = begin(s3, "again")
    parts = [put(s3, ref, 1, b"once")]
    assert finish(s3, ref, parts)["ETag"] == finish(s3, ref, parts)["ETag"]
    assert body_of(s3, "again") == b"once"


def test_conditions_of_a_completion(s3: Any) -> None:
    s3.put_object(Bucket="films", Key="taken", Body=b"old")
    ref = begin(s3, "taken")
    parts = [put(s3, ref, 1, b"new")]
    with pytest.raises(ClientError) as caught:
        finish(s3, ref, parts, IfNoneMatch="*")
    assert code_of(caught) == ("PreconditionFailed", 412)
    with pytest.raises(ClientError) as caught:
        finish(s3, ref, parts, IfMatch='"other"')
    assert code_of(caught) == ("PreconditionFailed", 412)
    old = s3.head_object(Bucket="films", Key="taken")["ETag"]
    finish(s3, ref, parts, IfMatch=old)
    assert body_of(s3, "taken") == b"new"


def test_aborted_upload_is_gone(s3: Any) -> None:
    ref = begin(s3, "aborted")
    part = put(s3, ref, 1, b"x")
    assert s3.abort_multipart_upload(**ref)["ResponseMetadata"]["HTTPStatusCode"] == 204
    for call in (
        lambda: s3.list_parts(**ref),
        lambda: put(s3, ref, 2, b"y"),
        lambda: finish(s3, ref, [part]),
        lambda: s3.abort_multipart_upload(**ref),
        lambda: s3.list_parts(**{**ref, "Key": "other"}),
        lambda: s3.list_parts(**{**ref, "UploadId": "../../etc"}),
    ):
        with pytest.raises(ClientError) as caught:
            call()
        assert code_of(caught) == ("NoSuchUpload", 404)


def test_parts_and_uploads_are_listed_in_pages(s3: Any) -> None:
    s3.create_bucket(Bucket="lists")
    made = [s3.create_multipart_upload(Bucket="lists", Key=key) for key in ("a/1", "a/2", "b", "b", "ü &<")]
    ref = {name: made[0][name] for name in ("Bucket", "Key", "UploadId")}
    for number in (1, 2, 5):
        put(s3, ref, number, b"x" * number)
    pages = [s3.list_parts(**ref, MaxParts=2)]
    pages.append(s3.list_parts(**ref, MaxParts=2, PartNumberMarker=pages[0]["NextPartNumberMarker"]))
    assert [[part["PartNumber"] for part in page["Parts"]] for page in pages] == [[1, 2], [5]]
    assert [page["IsTruncated"] for page in pages] == [True, False]
    seen, marker = [], {"KeyMarker": "", "UploadIdMarker": ""}
    while True:
        page = s3.list_multipart_uploads(Bucket="lists", MaxUploads=2, **marker)
        seen += [(upload["Key"], upload["UploadId"]) for upload in page.get("Uploads", ())]
        if not page["IsTruncated"]:
            break
        marker = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
    assert seen == [(upload["Key"], upload["UploadId"]) for upload in made]
    folded = s3.list_multipart_uploads(Bucket="lists", Delimiter="/")
    assert [prefix["Prefix"] for prefix in folded["CommonPrefixes"]] == ["a/"]
    assert [upload["Key"] for upload in folded["Uploads"]] == ["b", "b", "ü &<"]


def test_parts_are_copied_from_other_objects(s3: Any) -> None:
    data = filler("s", (6 << 20) + 17)
    s3.put_object(Bucket="films", Key="source ü+%", Body=data)
    ref = begin(s3, "copied")
    source = {"Bucket": "films", "Key": "source ü+%"}
    one = s3.upload_part_copy(**ref, PartNumber=1, CopySource=source, CopySourceRange=f"bytes=0-{BIG - 1}")
    two = s3.upload_part_copy(**ref, PartNumber=2, CopySource=source, CopySourceRange=f"bytes={BIG}-{len(data) - 1}")
    assert one["CopyPartResult"]["ETag"] == f'"{hashlib.md5(data[:BIG]).hexdigest()}"'
    finish(
        s3,
        ref,
        [
            {"PartNumber": number, "ETag": part["CopyPartResult"]["ETag"]}
            for number, part in enumerate((one, two), start=1)
        ],
    )
    assert body_of(s3, "copied") == data


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"CopySourceRange": "bytes=0-100"}, "InvalidRange"),
        ({"CopySourceRange": "bytes=5-"}, "InvalidArgument"),
        ({"CopySourceIfMatch": '"other"'}, "PreconditionFailed"),
        ({"CopySource": "films/missing"}, "NoSuchKey"),
        ({"CopySource": "missing-bucket/key"}, "NoSuchBucket"),
        ({"PartNumber": 10_001}, "InvalidArgument"),
    ],
)
def test_wrong_copies_get_s3s_codes(s3: Any, said: dict[str, Any], code: str) -> None:
    s3.put_object(Bucket="films", Key="ten", Body=b"0123456789")
    ref = begin(s3, "x")
    with pytest.raises(ClientError) as caught:
        s3.upload_part_copy(**{**ref, "PartNumber": 1, "CopySource": "films/ten", **said})
    assert code_of(caught)[0] == code


def test_completion_and_abort_at_once_leave_one_outcome(s3: Any, service: Service) -> None:
    for number in range(8):
        ref = begin(s3, f"race/{number}")
        parts = [put(s3, ref, 1, b"x" * 1000)]
        outcomes: dict[str, str] = {}

        def run(name: str, call: Any, into: dict[str, str] = outcomes) -> None:
            try:
                call()
                into[name] = "done"
            except ClientError as error:
                into[name] = error.response["Error"]["Code"]

        both = [
            threading.Thread(target=run, args=("complete", lambda ref=ref, parts=parts: finish(s3, ref, parts))),
            threading.Thread(target=run, args=("abort", lambda ref=ref: s3.abort_multipart_upload(**ref))),
        ]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        assert sorted(outcomes.values()) == ["NoSuchUpload", "done"], outcomes
        there = s3.list_objects_v2(Bucket="films", Prefix=f"race/{number}")["KeyCount"] == 1
        assert there == (outcomes["complete"] == "done")
