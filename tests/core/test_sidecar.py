"""Sidecars: what is written is read back, and damage of any byte is found."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_service.app.core import sidecar
from storage_service.app.core.errors import DamagedObject
from storage_service.app.core.objects import (
    DELETE_MARKER,
    NULL_VERSION,
    Attributes,
    Bucket,
    BucketOptions,
    Digests,
    Version,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
KEY = TEXT.filter(lambda key: key != "" and "\0" not in key)
NUMBER = st.integers(0, 2**53)
DOCS = st.dictionaries(TEXT, st.one_of(TEXT, st.integers(-(2**53), 2**53), st.booleans()), max_size=4)
UUID = "0190c2a4-6f5e-7000-8000-000000000001"

versions = st.builds(
    Version,
    bucket=st.just(7),
    key=KEY,
    version_id=st.just(UUID),
    file_id=st.just(UUID),
    size=NUMBER,
    etag=st.text("0123456789abcdef-", max_size=40),
    at_ms=NUMBER,
    mtime_ns=st.one_of(st.none(), NUMBER),
    flags=st.integers(0, NULL_VERSION | DELETE_MARKER),
    doc=DOCS.map(lambda doc: orjson.dumps(doc).decode()),
    sequence=NUMBER,
    meta_sequence=NUMBER,
    expires_ms=st.one_of(st.none(), NUMBER),
    gone_ms=st.none(),
    gone_sequence=st.none(),
    due_ms=st.none(),
)
EXAMPLE = Version(7, "a/ü", UUID, UUID, 5, "ab", 1, 2, 0, '{"content_type":"text/plain"}', 3, 4)


@given(versions, st.one_of(st.none(), st.tuples(NUMBER, NUMBER, NUMBER)))
def test_version_comes_back_as_it_was_composed(version: Version, end: tuple[int, int, int] | None) -> None:
    if end is not None:
        version = version._replace(gone_ms=end[0], gone_sequence=end[1], due_ms=end[2])
    data = sidecar.render_file(sidecar.compose(version, "bucket-uuid"))
    record = sidecar.parse_file(data)
    assert sidecar.version_of(record, 7) == version
    assert (record["bucket_id"], record["format"]) == ("bucket-uuid", sidecar.FORMAT)
    assert data.endswith(b"\n") and data.count(b"\n") > 10  # for people


@given(st.data())
def test_any_changed_byte_is_found(data: st.DataObject) -> None:
    whole = sidecar.render_file(sidecar.compose(EXAMPLE, "bucket-uuid"))
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole)
    changed[at] = data.draw(st.integers(0, 255))
    try:
        record = sidecar.parse_file(bytes(changed))
    except DamagedObject:
        return
    assert record == sidecar.parse_file(whole)  # white space, or the byte that was there


@given(st.integers(0, 2000))
def test_any_cut_is_found(length: int) -> None:
    whole = sidecar.render_file(sidecar.compose(EXAMPLE, "bucket-uuid"))
    if length < len(whole) - 1:  # without the last line feed it is whole still
        with pytest.raises(DamagedObject):
            sidecar.parse_file(whole[:length])


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b'"x"', b"{}", b'{"checksum":"AAAAAAAAAAA="}', b"\xff\xfe"])
def test_what_is_no_sidecar_is_damage(data: bytes) -> None:
    with pytest.raises(DamagedObject):
        sidecar.parse_file(data)


@pytest.mark.parametrize("number", [sidecar.FORMAT + 1, None, "1"])
def test_format_that_is_not_known_is_refused_though_its_checksum_is_right(number: object) -> None:
    text = orjson.dumps({**orjson.loads(sidecar.compose(EXAMPLE, "u")), "format": number})
    with pytest.raises(DamagedObject, match="newer format"):
        sidecar.parse_file(sidecar.render_file(text))


def test_field_of_a_later_release_is_kept_by_the_checksum_and_ignored() -> None:
    text = orjson.dumps({**orjson.loads(sidecar.compose(EXAMPLE, "u")), "colour": "red"})
    assert sidecar.version_of(sidecar.parse_file(sidecar.render_file(text)), 7) == EXAMPLE


REQUIRED = ["key", "version_id", "file_id", "size", "at_ms", "null_version", "delete_marker", "sequence", "doc"]


@pytest.mark.parametrize("name", REQUIRED)
def test_sidecar_without_a_field_is_damage(name: str) -> None:
    record = orjson.loads(sidecar.compose(EXAMPLE, "u"))
    del record[name]
    with pytest.raises(DamagedObject, match="lacks a field"):
        sidecar.version_of(record, 7)


@pytest.mark.parametrize(("name", "value"), [("size", "many"), ("size", None), ("sequence", []), ("at_ms", {})])
def test_field_of_the_wrong_kind_is_damage(name: str, value: object) -> None:
    with pytest.raises(DamagedObject):
        sidecar.version_of({**orjson.loads(sidecar.compose(EXAMPLE, "u")), name: value}, 7)


def test_document_of_a_request_says_only_what_there_is_to_say() -> None:
    digests = Digests("md5", "crc", "sha")
    plain = orjson.loads(sidecar.render_doc(Attributes(), digests))
    assert plain == {"content_type": "application/octet-stream", "crc64nvme": "crc", "sha256": "sha", "owner": ""}
    full = Attributes("text/plain", "no-store", "inline", "gzip", "de", {"a": 1}, {"t": "1"}, 5, "ann")
    full = full._replace(
        expires="Thu, 01 Jan 1970 00:00:00 GMT", website_redirect="/there", acl=["public-read"], lock={"hold": True}
    )
    rendered = orjson.loads(sidecar.render_doc(full, digests, "uuid/vid"))
    assert rendered["copied_from"] == "uuid/vid"
    assert {name: rendered[name] for name in sidecar.OPTIONAL_FIELDS} == {
        name: getattr(full, name) for name in sidecar.OPTIONAL_FIELDS
    }
    version = EXAMPLE._replace(etag="md5", doc=orjson.dumps(rendered).decode())
    assert sidecar.digests_of(version) == digests


options = st.builds(
    BucketOptions,
    public=st.booleans(),
    public_list=st.booleans(),
    versioning=st.sampled_from(("off", "on", "suspended")),
    description=st.one_of(st.none(), TEXT),
    quota_bytes=st.one_of(st.none(), NUMBER),
    quota_objects=st.one_of(st.none(), NUMBER),
    max_object_bytes=st.one_of(st.none(), NUMBER),
    allowed_types=st.lists(TEXT, max_size=3).map(tuple),
)


@given(options, st.one_of(st.none(), NUMBER))
def test_bucket_comes_back_as_it_was_rendered(chosen: BucketOptions, removed_ms: int | None) -> None:
    bucket = Bucket(3, UUID, "photos", "ann", 4, 5, 6, chosen)
    record = sidecar.parse_file(sidecar.render_file(sidecar.render_bucket(bucket, 9, removed_ms)))
    assert sidecar.bucket_of(record) == bucket
    assert (record["sequence"], record.get("removed_at_ms")) == (9, removed_ms)


def test_options_of_an_older_release_get_their_defaults_and_of_a_newer_one_are_left_out() -> None:
    assert sidecar.parse_options({"public": True, "colour": "red"}) == BucketOptions(public=True)


@pytest.mark.parametrize("name", ["number", "id", "name", "owner", "generation", "options"])
def test_bucket_sidecar_without_a_field_is_damage(name: str) -> None:
    record: dict[str, Any] = orjson.loads(sidecar.render_bucket(Bucket(3, UUID, "photos", "ann", 4, 5, 6), 9))
    del record[name]
    with pytest.raises(DamagedObject):
        sidecar.bucket_of(record)
