"""How versions, owners and times are called on the wire."""

from storage_service.app.core.errors import InvalidArgument
from storage_service.app.core.objects import NULL_ID, Bucket, Version
from storage_service.app.core.protection import protection_of
from storage_service.app.core.security import owner_of
from storage_service.app.edge.respond import Header
from storage_service.app.s3.context import Call


def version_name(version: Version) -> str:
    """`null` for what was written while the bucket kept no versions."""
    return NULL_ID if version.is_null else version.version_id


def version_headers(version: Version, bucket: Bucket) -> list[Header]:
    """Nothing for a bucket that never kept versions."""
    if bucket.options.versioning == "off":
        return []
    return [(b"x-amz-version-id", version_name(version).encode())]


def written_version_headers(version: Version, bucket: Bucket) -> list[Header]:
    """For the answer to a write: the null version, which the next one replaces, is not named."""
    return [] if version.is_null else version_headers(version, bucket)


def asked_version(call: Call) -> str | None:
    """The version the query names. Raises: InvalidArgument for an empty one."""
    version_id = call.version_id
    if version_id == "":
        raise InvalidArgument("Version id cannot be the empty string")
    return version_id


def object_owner(bucket: Bucket, version: Version) -> str:
    """Its uploader; the bucket's owner for what nobody signed, or where the bucket owns all it holds."""
    return (not bucket.derived(protection_of).acls_off and owner_of(version)) or bucket.owner


def etag_header(version: Version) -> Header:
    return (b"etag", b'"%s"' % version.etag.encode("latin-1", "replace"))
