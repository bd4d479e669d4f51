"""Copies and renames: the same bytes under another key, with the words of the source or of the request."""

from typing import Any

import pytest

from tests.s3.asking import body_of, refused

Client = Any


@pytest.fixture
def stored(s3: Client, bucket: str) -> str:
    s3.put_object(Bucket=bucket, Key="s", Body=b"source", ContentType="text/plain", Metadata={"a": "1"}, Tagging="t=1")
    return bucket


@pytest.mark.parametrize("size", [0, 100, 100_000])
def test_a_copy_has_the_bytes_and_words_of_its_source(s3: Client, bucket: str, size: int) -> None:
    s3.put_object(Bucket=bucket, Key="s p+é", Body=b"x" * size, ContentType="text/plain", Metadata={"a": "1"})
    done = s3.copy_object(Bucket=bucket, Key="t", CopySource={"Bucket": bucket, "Key": "s p+é"})
    got = s3.get_object(Bucket=bucket, Key="t")
    assert body_of(got) == b"x" * size
    assert (got["ContentType"], got["Metadata"], got["ETag"]) == (
        "text/plain",
        {"a": "1"},
        done["CopyObjectResult"]["ETag"],
    )


def test_metadata_and_tags_are_replaced_each_for_itself(s3: Client, stored: str) -> None:
    source = {"Bucket": stored, "Key": "s"}
    s3.copy_object(Bucket=stored, Key="m", CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"})
    head = s3.head_object(Bucket=stored, Key="m")
    assert (head["Metadata"], head["ContentType"], head["TagCount"]) == ({"b": "2"}, "binary/octet-stream", 1)
    s3.copy_object(Bucket=stored, Key="t", CopySource=source, TaggingDirective="REPLACE", Tagging="u=2&v=3")
    assert s3.head_object(Bucket=stored, Key="t")["Metadata"] == {"a": "1"}
    assert {tag["Key"] for tag in s3.get_object_tagging(Bucket=stored, Key="t")["TagSet"]} == {"u", "v"}


def test_a_copy_onto_itself_must_change_something(s3: Client, stored: str) -> None:
    source = {"Bucket": stored, "Key": "s"}
    assert refused(s3.copy_object, Bucket=stored, Key="s", CopySource=source) == (400, "InvalidRequest")
    s3.copy_object(Bucket=stored, Key="s", CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"})
    got = s3.get_object(Bucket=stored, Key="s")
    assert (body_of(got), got["Metadata"]) == (b"source", {"b": "2"})


def test_conditions_on_source_and_target_hold(s3: Client, stored: str) -> None:
    source = {"Bucket": stored, "Key": "s"}
    etag = s3.head_object(Bucket=stored, Key="s")["ETag"]
    failed = (412, "PreconditionFailed")
    assert refused(s3.copy_object, Bucket=stored, Key="t", CopySource=source, CopySourceIfMatch='"x"') == failed
    assert refused(s3.copy_object, Bucket=stored, Key="t", CopySource=source, CopySourceIfNoneMatch=etag) == failed
    assert (
        refused(s3.copy_object, Bucket=stored, Key="s", CopySource=source, MetadataDirective="REPLACE", IfNoneMatch="*")
        == failed
    )
    s3.copy_object(Bucket=stored, Key="t", CopySource=source, CopySourceIfMatch=etag, IfNoneMatch="*")
    assert body_of(s3.get_object(Bucket=stored, Key="t")) == b"source"


def test_an_old_version_is_brought_back_by_a_copy(s3: Client, versioned: str) -> None:
    old = s3.put_object(Bucket=versioned, Key="k", Body=b"old")["VersionId"]
    s3.put_object(Bucket=versioned, Key="k", Body=b"new")
    done = s3.copy_object(Bucket=versioned, Key="k", CopySource={"Bucket": versioned, "Key": "k", "VersionId": old})
    assert done["CopySourceVersionId"] == old
    assert body_of(s3.get_object(Bucket=versioned, Key="k")) == b"old"


def test_a_delete_marker_cannot_be_copied(s3: Client, versioned: str) -> None:
    s3.put_object(Bucket=versioned, Key="k", Body=b"x")
    marker = s3.delete_object(Bucket=versioned, Key="k")["VersionId"]
    source = {"Bucket": versioned, "Key": "k", "VersionId": marker}
    assert refused(s3.copy_object, Bucket=versioned, Key="t", CopySource=source) == (400, "InvalidRequest")
    del source["VersionId"]
    assert refused(s3.copy_object, Bucket=versioned, Key="t", CopySource=source) == (404, "NoSuchKey")


def test_the_source_must_be_readable(s3: Client, other: Client, stored: str) -> None:
    other.create_bucket(Bucket=f"{stored}-o")
    answer = refused(other.copy_object, Bucket=f"{stored}-o", Key="t", CopySource={"Bucket": stored, "Key": "s"})
    assert answer == (403, "AccessDenied")
    assert refused(other.head_object, Bucket=f"{stored}-o", Key="t") == (404, "404")


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA256"])
def test_a_copy_gets_the_checksum_that_is_asked_for(s3: Client, stored: str, algorithm: str) -> None:
    direct = s3.put_object(Bucket=stored, Key="d", Body=b"source", ChecksumAlgorithm=algorithm)
    done = s3.copy_object(
        Bucket=stored, Key="t", CopySource={"Bucket": stored, "Key": "s"}, ChecksumAlgorithm=algorithm
    )
    field = f"Checksum{algorithm}"
    assert done["CopyObjectResult"][field] == direct[field]
    assert s3.head_object(Bucket=stored, Key="t", ChecksumMode="ENABLED")[field] == direct[field]


@pytest.mark.parametrize("source", ["nothing", "/", "no-such-bucket-here/k"])
def test_what_names_no_source_is_refused(s3: Client, bucket: str, source: str) -> None:
    status, code = refused(s3.copy_object, Bucket=bucket, Key="t", CopySource=source)
    assert (status, code) in {(400, "InvalidArgument"), (404, "NoSuchBucket")}


def test_an_object_is_renamed(s3: Client, stored: str) -> None:
    s3.rename_object(Bucket=stored, Key="new/name", RenameSource="s")
    assert body_of(s3.get_object(Bucket=stored, Key="new/name")) == b"source"
    assert refused(s3.head_object, Bucket=stored, Key="s") == (404, "404")
    assert refused(s3.rename_object, Bucket=stored, Key="x", RenameSource="gone") == (404, "NoSuchKey")
