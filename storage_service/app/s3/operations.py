"""The one table of this door: method, what the address names, and sub-resource -> operation, action, handler.

A sub-resource that is not in the table is answered NotImplemented: to overlook it would be a wrong success.
"""

from collections.abc import Container, Iterable
from typing import NoReturn

from storage_service.app.core.errors import InvalidArgument, InvalidRequest, MethodNotAllowed, NotImplemented
from storage_service.app.edge.request import Request
from storage_service.app.s3 import (
    attributes,
    buckets,
    bulk_delete,
    copy,
    delete,
    get,
    multipart,
    multipart_lists,
    post,
    put,
    tagging,
    unsupported,
)
from storage_service.app.s3 import list as lists
from storage_service.app.s3.configuration import table
from storage_service.app.s3.operation import Level, Operation, asks
from storage_service.app.s3.target import Target

COPY = "x-amz-copy-source"  # the header that makes another operation of a PUT; written behind the sub-resource's key
PART_COPY = f"uploadId+{COPY}"

OPERATIONS: tuple[Operation, ...] = (
    Operation("GET", "service", "", "ListBuckets", "list_buckets", buckets.list_buckets),
    Operation("PUT", "bucket", "", "CreateBucket", "create_bucket", buckets.create_bucket),
    Operation("HEAD", "bucket", "", "HeadBucket", "list_objects", buckets.head_bucket),
    Operation("DELETE", "bucket", "", "DeleteBucket", "delete_bucket", buckets.delete_bucket),
    Operation("GET", "bucket", "location", "GetBucketLocation", "read_bucket", buckets.get_location),
    Operation("GET", "bucket", "versioning", "GetBucketVersioning", "read_bucket", buckets.get_versioning),
    Operation("PUT", "bucket", "versioning", "PutBucketVersioning", "update_bucket", buckets.put_versioning),
    Operation("GET", "bucket", "", "ListObjects", "list_objects", lists.list_objects),
    Operation("GET", "bucket", "list-type", "ListObjectsV2", "list_objects", lists.list_objects_v2),
    Operation("GET", "bucket", "versions", "ListObjectVersions", "list_objects", lists.list_versions),
    Operation("POST", "bucket", "delete", "DeleteObjects", None, bulk_delete.delete_objects),
    Operation("GET", "object", "", "GetObject", "read_object", get.get_object),
    Operation("HEAD", "object", "", "HeadObject", "read_object", get.head_object),
    Operation("PUT", "object", "", "PutObject", "write_object", put.put_object),
    Operation("DELETE", "object", "", "DeleteObject", "delete_object", delete.delete_object),
    Operation("GET", "object", "attributes", "GetObjectAttributes", "read_object", attributes.get_attributes),
    Operation("GET", "object", "tagging", "GetObjectTagging", "read_object_meta", tagging.get_tagging),
    Operation("PUT", "object", "tagging", "PutObjectTagging", "write_object_meta", tagging.put_tagging),
    Operation("DELETE", "object", "tagging", "DeleteObjectTagging", "write_object_meta", tagging.delete_tagging),
    Operation("POST", "object", "uploads", "CreateMultipartUpload", "write_object", multipart.create_upload),
    Operation("PUT", "object", "uploadId", "UploadPart", "write_object", multipart.upload_part),
    Operation("PUT", "object", PART_COPY, "UploadPartCopy", "write_object", multipart.copy_part),
    Operation("POST", "object", "uploadId", "CompleteMultipartUpload", "write_object", multipart.complete_upload),
    Operation("DELETE", "object", "uploadId", "AbortMultipartUpload", "write_object", multipart.abort_upload),
    Operation("GET", "object", "uploadId", "ListParts", "write_object", multipart_lists.list_parts),
    Operation("GET", "bucket", "uploads", "ListMultipartUploads", "list_objects", multipart_lists.list_uploads),
    Operation("PUT", "object", COPY, "CopyObject", "write_object", copy.copy_object),
    Operation("PUT", "object", "renameObject", "RenameObject", "write_object", copy.rename_object),
    Operation("POST", "bucket", "", "PostObject", None, post.post_object),
    *table.OPERATIONS,
    *unsupported.OPERATIONS,
)

# Every key that S3 knows as a sub-resource, and some that only its imitators know.
SUBRESOURCES = frozenset(operation.query.partition("+")[0] for operation in OPERATIONS) - {"", COPY} | {
    "accelerate", "acl", "analytics", "append", "attributes", "cors", "delete", "encryption", "encryption-update",
    "intelligent-tiering", "inventory", "legal-hold", "lifecycle", "location", "logging", "metadataConfiguration",
    "metadataInventoryTable", "metadataJournalTable", "metadataTable", "metrics", "notification", "object-lock",
    "ownershipControls", "policy", "policyStatus", "publicAccessBlock", "renameObject", "replication",
    "requestPayment", "restore", "retention", "select", "session", "tagging", "torrent", "uploadId", "uploads",
    "versioning", "versions", "website",
    # MinIO's and Ceph's, which mean something else than the plain request.
    "events", "lambdaArn", "replication-check", "replication-metrics", "replication-reset", "replication-reset-status",
    "abac",
}  # fmt: skip
# Keys that may stand without a value and choose no operation.
PARAMETERS = frozenset({
    "prefix", "delimiter", "marker", "max-keys", "encoding-type", "start-after", "continuation-token", "fetch-owner",
    "key-marker", "version-id-marker", "upload-id-marker", "max-uploads", "max-parts", "part-number-marker",
    "partNumber", "versionId", "list-type", "metadata", "max-buckets", "bucket-region", "x-id", "select-type",
    "response-content-type", "response-content-language", "response-expires", "response-cache-control",
    "response-content-disposition", "response-content-encoding", "allow-unordered", "usage", "stats",
    "X-Amz-SignedHeaders", "X-Amz-Security-Token", "Signature",
})  # fmt: skip
# Beside another sub-resource it chooses nothing; alone it asks for version 2 of the list.
IGNORED = frozenset({"list-type"})
# What makes new bytes has no version to name yet: to overlook one would be to write elsewhere than was asked.
WITHOUT_VERSION = frozenset({
    "PutObject", "CopyObject", "CreateMultipartUpload", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload",
    "RenameObject",
})  # fmt: skip
WITHOUT_PART = frozenset({"PutObject", "CopyObject"})

_BY_PLACE: dict[tuple[str, Level, str], Operation] = {(row.method, row.level, row.query): row for row in OPERATIONS}


def level_of(target: Target) -> Level:
    if target.key:
        return "object"
    return "bucket" if target.bucket else "service"


def find(request: Request, target: Target) -> Operation:
    """The operation a request asks for.

    Raises: NotImplemented for a sub-resource nobody serves, MethodNotAllowed where another method would do,
    InvalidRequest for two at once, InvalidArgument for a version or a part where there is none.
    """
    level = level_of(target)
    asked = asks(request)
    query = _query(request) if asked else ""
    if request.method == "PUT" and level == "object" and COPY.encode() in request.headers:
        query = f"{query}+{COPY}" if query else COPY
    found = _BY_PLACE.get((request.method, level, query))
    if found is None:
        _refuse(request.method, level, query)
    if asked:
        _check_parameters(found.name, request.query)
    return found


def _check_parameters(name: str, query: Container[str]) -> None:
    if name in WITHOUT_VERSION and "versionId" in query:
        raise InvalidArgument("This operation does not accept a version-id.")
    if name in WITHOUT_PART and "partNumber" in query:
        raise InvalidArgument("This operation does not accept partNumber without uploadId")


def _query(request: Request) -> str:
    """The key of the sub-resource; empty for none."""
    query = request.query
    found = SUBRESOURCES.intersection(query)
    found -= IGNORED if len(found) > 1 else frozenset()
    if not found:
        unknown = [name for name, value in query.items() if not value and name not in PARAMETERS]
        if unknown:
            raise NotImplemented(f"The sub-resource '{unknown[0]}' is not known")
        return ""
    if len(found) > 1:
        raise InvalidRequest(f"Conflicting query string parameters: {', '.join(sorted(found))}")
    return next(iter(found))


def _refuse(method: str, level: Level, query: str) -> NoReturn:
    plain = query.partition("+")[0]
    others = allowed_methods(level, query)
    if others:
        raise MethodNotAllowed(f"{method} is not allowed here; allowed: {', '.join(others)}")
    raise NotImplemented(f"The sub-resource '{plain}' is not implemented for this {level}")


def allowed_methods(level: Level, query: str) -> Iterable[str]:
    return sorted({row.method for row in OPERATIONS if row.level == level and row.query == query})
