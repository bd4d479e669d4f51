"""GetObjectAttributes. Source: AWS "GetObjectAttributes"."""

from collections.abc import Mapping

import orjson

from storage_service.app.core.errors import InvalidArgument
from storage_service.app.core.objects import Version
from storage_service.app.edge.conditions import check, parse_conditions
from storage_service.app.edge.names import http_date
from storage_service.app.edge.request import Request
from storage_service.app.s3.answers import document, element, send_xml
from storage_service.app.s3.checksums import checksums_of, type_of
from storage_service.app.s3.context import Call
from storage_service.app.s3.list import MOST_KEYS, read_limit
from storage_service.app.s3.naming import asked_version, version_headers
from storage_service.app.s3.parts import part_sizes, part_sums

KNOWN = frozenset({"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"})


async def get_attributes(call: Call) -> None:
    """Raises: InvalidArgument for an attribute that is not known, or none."""
    asked = asked_attributes(call)
    version = await call.store.head_object(call.bucket, call.key, asked_version(call))
    check(parse_conditions(call.request), version.etag, version.at_ms, "HEAD")
    doc = orjson.loads(version.doc)
    inner = element("ETag", version.etag) if "ETag" in asked else ""
    if "Checksum" in asked:
        inner += checksum_element(checksums_of(doc))
    if "ObjectParts" in asked:
        inner += parts_element(call.request, version)
    if "StorageClass" in asked:
        inner += element("StorageClass", "STANDARD")
    if "ObjectSize" in asked:
        inner += element("ObjectSize", version.size)
    headers = ((b"last-modified", http_date(version.at_ms)), *version_headers(version, call.bucket))
    await send_xml(call.request, document("GetObjectAttributesResponse", inner), headers)


def asked_attributes(call: Call) -> frozenset[str]:
    """Raises: InvalidArgument."""
    sent = ",".join(call.request.headers_all(b"x-amz-object-attributes"))
    asked = frozenset(name.strip() for name in sent.split(",") if name.strip())
    if not asked or asked - KNOWN:
        raise InvalidArgument("Invalid attribute name specified.")
    return asked


def checksum_element(sums: Mapping[str, str]) -> str:
    if not sums:
        return ""
    inner = "".join(element(f"Checksum{name}", value) for name, value in sums.items())
    return f"<Checksum>{inner}{element('ChecksumType', type_of(next(iter(sums.values()))))}</Checksum>"


def parts_element(request: Request, version: Version) -> str:
    """A page of parts, with their checksums where they have any."""
    sizes = part_sizes(version)
    if sizes is None:
        return ""
    most = read_limit(request.header(b"x-amz-max-parts"), "max-parts")
    after = read_limit(request.header(b"x-amz-part-number-marker") or "0", "part-number-marker")
    sums, algorithm = part_sums(version)
    shown = range(after, min(after + min(most, MOST_KEYS), len(sizes)))
    rows = "".join(
        f"<Part>{element('PartNumber', at + 1)}{element('Size', sizes[at])}"
        f"{element(f'Checksum{algorithm}', sums[at]) if sums else ''}</Part>"
        for at in shown
    )
    last = shown[-1] + 1 if shown else after
    inner = element("PartsCount", len(sizes)) + element("PartNumberMarker", after)
    inner += element("NextPartNumberMarker", last) + element("MaxParts", most)
    inner += element("IsTruncated", last < len(sizes))
    return f"<ObjectParts>{inner}{rows}</ObjectParts>"
