"""Lists of unfinished uploads and of their parts. Source: AWS "ListMultipartUploads", "ListParts"."""

from storage_service.app.core.objects import Part, Upload
from storage_service.app.core.pieces import UploadOptions, UploadsQuery, parse_options
from storage_service.app.s3.answers import document, element, quoted, send_xml, timestamp
from storage_service.app.s3.buckets import owner_element
from storage_service.app.s3.context import Call
from storage_service.app.s3.list import STORAGE_CLASS, Page, page_of, read_limit, tail_of
from storage_service.app.s3.multipart import ref_of

MOST = 1000  # a page


async def list_parts(call: Call) -> None:
    """Raises: NoSuchUpload, InvalidArgument."""
    asked = read_limit(call.query.get("max-parts"), "max-parts")
    after = read_limit(call.query.get("part-number-marker") or "0", "part-number-marker")
    upload, parts, more = await call.context.uploads.list_parts(ref_of(call), after, min(asked, MOST))
    options = parse_options(upload.doc)
    inner = "".join(
        (
            element("Bucket", call.bucket.name),
            element("Key", upload.key),
            element("UploadId", upload.id),
            _people(call, options),
            STORAGE_CLASS,
            element("PartNumberMarker", after),
            element("NextPartNumberMarker", parts[-1].number if parts else 0),
            element("MaxParts", asked),
            element("IsTruncated", more),
            _checksum(options),
            *(_part(part, options) for part in parts),
        )
    )
    await send_xml(call.request, document("ListPartsResult", inner))


def _part(part: Part, options: UploadOptions) -> str:
    own = element(f"Checksum{options.algorithm}", part.checksum) if options.algorithm and part.checksum else ""
    return (
        f"<Part>{element('PartNumber', part.number)}{element('LastModified', timestamp(part.at_ms))}"
        f"{element('ETag', quoted(part.etag))}{element('Size', part.size)}{own}</Part>"
    )


async def list_uploads(call: Call) -> None:
    """Raises: InvalidArgument."""
    page = page_of(call, "max-uploads")
    key, upload_id = call.query.get("key-marker", ""), call.query.get("upload-id-marker", "")
    asked = UploadsQuery(page.prefix, page.delimiter, key, upload_id if key else "", page.most)
    found = await call.context.uploads.list_uploads(call.bucket, asked)
    head = [
        element("Bucket", call.bucket.name),
        element("KeyMarker", page.name(key)),
        element("UploadIdMarker", upload_id),
        element("Prefix", page.name(page.prefix)),
        element("MaxUploads", page.limit),
        element("IsTruncated", found.cursor is not None),
    ]
    if found.cursor is not None:
        head.append(element("NextKeyMarker", page.name(found.cursor[0])))
        head.append(element("NextUploadIdMarker", found.cursor[1]))
    rows = [_upload(call, page, upload) for upload in found.uploads]
    inner = "".join((*head, *rows, tail_of(page, found.prefixes)))
    await send_xml(call.request, document("ListMultipartUploadsResult", inner))


def _upload(call: Call, page: Page, upload: Upload) -> str:
    options = parse_options(upload.doc)
    return (
        f"<Upload><Key>{page.name(upload.key)}</Key>{element('UploadId', upload.id)}{_people(call, options)}"
        f"{STORAGE_CLASS}{element('Initiated', timestamp(upload.at_ms))}{_checksum(options)}</Upload>"
    )


def _people(call: Call, options: UploadOptions) -> str:
    return owner_element("Initiator", options.actor) + owner_element(
        "Owner", options.attributes.owner or call.bucket.owner
    )


def _checksum(options: UploadOptions) -> str:
    if options.algorithm is None or options.checksum_type is None:
        return ""
    return element("ChecksumAlgorithm", options.algorithm) + element("ChecksumType", options.checksum_type)
