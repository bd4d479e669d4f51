"""An upload of as many parts as there may be: its completion is read and joined, the object shows them in pages."""

import hashlib

import orjson
import pytest
from defusedxml.ElementTree import fromstring

from storage_service.app.core.checksums import KINDS, base64_of
from storage_service.app.core.errors import InvalidPart, MalformedXML
from storage_service.app.core.objects import MIN_PART_BYTES, Part, Version
from storage_service.app.core.pieces import MAX_PARTS, choose, parts_record, put_together
from storage_service.app.s3.attributes import parts_element
from storage_service.app.s3.multipart import MOST_LIST_BYTES, parse_completion
from storage_service.app.s3.parts import part_span
from tests.s3.auth.signed import request_of

SUM = base64_of(KINDS["SHA256"].begin().digest())
ETAG = hashlib.md5(b"", usedforsecurity=False).hexdigest()


def completion(count: int) -> bytes:
    rows = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>&quot;{ETAG}&quot;</ETag>"
        f"<ChecksumSHA256>{SUM}</ChecksumSHA256></Part>"
        for number in range(1, count + 1)
    )
    return f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>".encode()


def stored(count: int) -> list[Part]:
    crc = base64_of(KINDS["CRC64NVME"].begin().digest())
    return [Part("u", number, "a", MIN_PART_BYTES, ETAG, crc, SUM, 0) for number in range(1, count + 1)]


def test_a_completion_of_all_parts_is_read_and_put_together() -> None:
    document = completion(MAX_PARTS)
    assert len(document) < MOST_LIST_BYTES
    listed = parse_completion(document)
    whole = put_together(choose(stored(MAX_PARTS), listed, "SHA256"), "SHA256", "COMPOSITE")
    assert whole.size == MAX_PARTS * MIN_PART_BYTES
    assert (whole.etag[-6:], whole.checksum[-6:]) == (f"-{MAX_PARTS}", f"-{MAX_PARTS}")
    with pytest.raises(InvalidPart, match=f"Part {MAX_PARTS} "):
        choose(stored(MAX_PARTS - 1), listed, "SHA256")


def test_one_part_more_is_refused() -> None:
    with pytest.raises(MalformedXML):
        parse_completion(completion(MAX_PARTS + 1))


def version() -> Version:
    doc = {"parts": parts_record(stored(MAX_PARTS), checksums=True), "checksums": {"SHA256": f"{SUM}-{MAX_PARTS}"}}
    size = MAX_PARTS * MIN_PART_BYTES
    return Version(1, "k", "v", "f", size, f"{ETAG}-{MAX_PARTS}", 0, 0, 0, orjson.dumps(doc).decode())


def test_pages_of_parts_join_to_the_whole() -> None:
    found: list[int] = []
    after, pages = "0", 0
    while True:
        asked = {"x-amz-part-number-marker": after, "x-amz-max-parts": "5000"}  # a page has 1,000 all the same
        root = fromstring(parts_element(request_of("GET", b"/b/k?attributes", asked), version()))
        found += [int(node.findtext("PartNumber") or "") for node in root.iter("Part")]
        pages += 1
        if root.findtext("IsTruncated") == "false":
            break
        after = root.findtext("NextPartNumberMarker") or ""
    assert (found, pages) == (list(range(1, MAX_PARTS + 1)), MAX_PARTS // 1000)
    assert root.findtext("PartsCount") == str(MAX_PARTS)


def test_the_last_part_is_read_by_its_number() -> None:
    piece = part_span(version(), MAX_PARTS)
    assert piece.span is not None
    assert (piece.span.start, piece.parts) == ((MAX_PARTS - 1) * MIN_PART_BYTES, MAX_PARTS)
