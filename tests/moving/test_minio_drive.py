"""A MinIO drive is read without MinIO."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_service.moving.model import CannotMove
from storage_service.moving.sources.minio import MinioSource, keys_below
from storage_service.moving.sources.minio_meta import Damaged, parse
from tests.moving.conftest import Move
from tests.moving.minio_drive import Put, etag_of, new_bucket, new_drive, write_object

LARGE = os.urandom((2 << 20) + 77)
BARRIERS = (
    ("packed", "X-Minio-Internal-compression"),
    ("sealed", "X-Minio-Internal-Server-Side-Encryption-Iv"),
    ("tiered", "X-Minio-Internal-transition-status"),
)


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    return new_drive(tmp_path / "drive")


def bodies(source: MinioSource, bucket: str) -> dict[str, list[bytes | None]]:
    """Per key, the oldest version first; None is a delete marker."""
    found: dict[str, list[bytes | None]] = {}
    for entry in source.entries(bucket, ""):
        for version in entry.versions:
            body = None if version.is_marker else b"".join(source.open(bucket, version).pieces())
            found.setdefault(entry.key, []).append(body)
    return found


@pytest.mark.parametrize("minor", [0, 1, 2, 3])
def test_each_format_of_the_metadata_is_read(drive: Path, minor: int) -> None:
    new_bucket(drive, "photos")
    write_object(drive / "photos", "large", [Put(LARGE)], minor)
    if minor:  # the first had no inline bodies
        write_object(drive / "photos", "small", [Put(b"hello"), Put(b"again")], minor)
    found = bodies(MinioSource(drive, versions=True), "photos")
    assert found["large"] == [LARGE]
    assert found.get("small") == ([b"hello", b"again"] if minor else None)


def test_only_what_is_current_is_read_unless_versions_are_asked_for(drive: Path) -> None:
    new_bucket(drive, "photos")
    write_object(drive / "photos", "a", [Put(b"1"), Put(marker=True), Put(b"2")])
    write_object(drive / "photos", "gone", [Put(b"1", null=True), Put(marker=True)])
    assert bodies(MinioSource(drive), "photos") == {"a": [b"2"]}
    assert bodies(MinioSource(drive, versions=True), "photos") == {"a": [b"1", None, b"2"], "gone": [b"1", None]}


def test_keys_come_in_byte_order_and_with_their_slash(drive: Path) -> None:
    new_bucket(drive, "photos")
    keys = ["a", "a-b", "a/", "a/c", "a/c/d", "b/é", "z"]
    for key in keys:
        write_object(drive / "photos", key, [Put(LARGE if key == "a" else b"x")])
    assert [key for key, _ in keys_below(str(drive / "photos"), "")] == keys
    assert [key for key, _ in keys_below(str(drive / "photos"), "a/c")] == ["a/c", "a/c/d"]


def test_what_only_minio_can_undo_is_refused_with_the_reason(drive: Path) -> None:
    new_bucket(drive, "photos")
    for name, field in BARRIERS:
        write_object(drive / "photos", name, [Put(b"x", system={field: b"klauspost"})])
    source = MinioSource(drive)
    for entry in source.entries("photos", ""):
        assert "let MinIO run" in entry.fault
        with pytest.raises(CannotMove, match="let MinIO run"):
            source.open("photos", entry.versions[0])


@pytest.mark.ci
@pytest.mark.parametrize("dry_run", [True, False])
def test_a_dry_run_tells_what_will_stay_and_no_history_comes_in_part(
    drive: Path, target: Any, move: Move, dry_run: bool
) -> None:
    bucket = f"barriers-{dry_run}".lower()
    new_bucket(drive, bucket)
    write_object(drive / bucket, "good", [Put(b"1"), Put(b"2")])
    for name, field in BARRIERS:
        write_object(drive / bucket, name, [Put(b"old"), Put(b"x", system={field: b"klauspost"}), Put(b"new")])
    tally = move(MinioSource(drive, versions=True), versions=True, dry_run=dry_run)
    assert [left.key for left in tally.failures] == [name for name, _ in BARRIERS]
    assert [left for left in tally.failures if "let MinIO run" not in left.reason] == []
    assert (tally.counts.found, tally.counts.moved, tally.counts.failed) == (4, 1, 3)
    if not dry_run:
        assert {one["Key"] for one in target.list_object_versions(Bucket=bucket)["Versions"]} == {"good"}


def test_a_damaged_object_is_told_and_the_others_are_read(drive: Path) -> None:
    new_bucket(drive, "photos")
    write_object(drive / "photos", "good", [Put(b"x")])
    folder = write_object(drive / "photos", "torn", [Put(b"x")])
    (folder / "xl.meta").write_bytes((folder / "xl.meta").read_bytes()[:40])
    source = MinioSource(drive)
    entries = {entry.key: entry for entry in source.entries("photos", "")}
    assert b"".join(source.open("photos", entries["good"].versions[0]).pieces()) == b"x"
    with pytest.raises(CannotMove, match="damaged"):
        source.open("photos", entries["torn"].versions[0])


@given(st.binary(max_size=300))
def test_what_is_no_metadata_is_damaged_and_nothing_else(data: bytes) -> None:
    for text in (data, b"XL2 1   " + data, b"XL2 \x01\x00\x03\x00" + data, b"XL2 \x01\x00\x02\x00" + data):
        try:
            found = parse(text)
        except Damaged:
            continue
        assert isinstance(found, list)


@pytest.mark.parametrize("sets", [[["a", "b", "c", "d"]], [["a"], ["b"]]])
def test_one_of_several_drives_is_refused(drive: Path, sets: list[list[str]]) -> None:
    path = drive / ".minio.sys" / "format.json"
    path.write_text(path.read_text().replace('[["a"]]', str(sets).replace("'", '"')))
    with pytest.raises(CannotMove, match="drives"):
        MinioSource(drive)


def flip(path: Path, at: int) -> None:
    """One bit of a body; the same again puts it right."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.ci
def test_a_flipped_bit_or_a_lost_end_is_told_and_never_arrives(drive: Path, target: Any, move: Move) -> None:
    """The hash before each block is not computed: ETags are, of each part where there are several."""
    new_bucket(drive, "flipped")
    root, small = drive / "flipped", b"hello, world"
    parts = Put(parts=[os.urandom(5 << 20), os.urandom(5 << 20), b"tail"])
    for key in ("good", "inline"):
        write_object(root, key, [Put(small)])
    write_object(root, "single", [Put(LARGE)])
    for key in ("first-part", "last-part", "cut-short"):
        write_object(root, key, [parts])
    inline = root / "inline" / "xl.meta"
    (single,) = (root / "single").glob("*/part.1")
    (first,) = (root / "first-part").glob("*/part.1")
    (last,) = (root / "last-part").glob("*/part.3")
    (cut,) = (root / "cut-short").glob("*/part.2")
    wounds = [(inline, inline.read_bytes().index(small) + 3), (single, -1), (first, 1 << 20), (last, -1)]
    whole = cut.read_bytes()
    for path, at in wounds:
        flip(path, at)
    cut.write_bytes(whole[:-1000])
    tally = move(MinioSource(drive))
    assert {left.key for left in tally.failures} == {"inline", "single", "first-part", "last-part", "cut-short"}
    assert [left for left in tally.failures if "ETag" not in left.reason and left.key != "cut-short"] == []
    assert [one["Key"] for one in target.list_objects_v2(Bucket="flipped")["Contents"]] == ["good"]
    assert target.list_multipart_uploads(Bucket="flipped").get("Uploads", []) == []
    for path, at in wounds:
        flip(path, at)
    cut.write_bytes(whole)
    again = move(MinioSource(drive))
    assert (again.counts.moved, again.counts.there, again.is_whole) == (5, 1, True)
    assert target.head_object(Bucket="flipped", Key="last-part")["ETag"].strip('"') == etag_of(parts)


@pytest.mark.ci
def test_a_drive_moves_with_versions_parts_and_settings(drive: Path, target: Any, move: Move) -> None:
    versioned = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    policy = (
        b'{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["*"]},'
        b'"Action":["s3:GetObject"],"Resource":["arn:aws:s3:::minio-drive/*"]}]}'
    )
    tags = b"<Tagging><TagSet><Tag><Key>team</Key><Value>a</Value></Tag></TagSet></Tagging>"
    new_bucket(
        drive,
        "minio-drive",
        VersioningConfigXML=versioned,
        PolicyConfigJSON=policy,
        TaggingConfigXML=tags,
        QuotaConfigJSON=b'{"quota":1000000000,"quotatype":"hard"}',
        EncryptionConfigXML=b"<ServerSideEncryptionConfiguration><Rule/></ServerSideEncryptionConfiguration>",
        ReplicationConfigXML=b"",
        NotificationConfigXML=b"<NotificationConfiguration><QueueConfiguration/></NotificationConfiguration>",
    )
    headers = {"content-type": "image/png", "cache-control": "max-age=1", "X-Amz-Meta-Who": "é", "X-Amz-Tagging": "a=b"}
    parts = Put(parts=[os.urandom(5 << 20), b"tail"], headers=headers)
    root = drive / "minio-drive"
    write_object(root, "parts", [parts])
    write_object(root, "history", [Put(b"one"), Put(b"two", headers=headers), Put(marker=True), Put(LARGE)])
    write_object(root, "wrong", [Put(b"right", headers={"etag": "0" * 32})])
    tally = move(MinioSource(drive, versions=True), versions=True)
    assert [(left.key, "ETag" in left.reason) for left in tally.failures] == [("wrong", True)], tally.record()
    assert [left.reason for left in tally.settings_left] == [
        "encryption: this service has none",
        "notification: this service has none",
    ]
    found = target.get_object(Bucket="minio-drive", Key="parts")
    assert found["ETag"].strip('"') == etag_of(parts)
    assert found["Body"].read() == b"".join(parts.parts)
    assert (found["ContentType"], found["CacheControl"]) == ("image/png", "max-age=1")
    tagging = target.get_object_tagging(Bucket="minio-drive", Key="parts")["TagSet"]
    assert tagging == [{"Key": "a", "Value": "b"}]
    listed = target.list_object_versions(Bucket="minio-drive", Prefix="history")
    assert [one["Size"] for one in listed["Versions"]] == [len(LARGE), 3, 3]
    assert len(listed["DeleteMarkers"]) == 1
    assert target.get_bucket_versioning(Bucket="minio-drive")["Status"] == "Enabled"
    assert target.get_bucket_tagging(Bucket="minio-drive")["TagSet"] == [{"Key": "team", "Value": "a"}]
    assert "minio-drive" in target.get_bucket_policy(Bucket="minio-drive")["Policy"]
    again = move(MinioSource(drive, versions=True), versions=True)
    assert (again.counts.moved, again.counts.there) == (0, 2)
