"""How versions, owners and times are called on the wire."""

from storage_service.app.core.errors import InvalidArgument
from storage_service.app.core.objects import NULL_ID, Bucket, Version, is_uuid
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
    """The version the query names. Raises: InvalidArgument for what is no id."""
    version_id = call.version_id
    return version_id if version_id is None else check_version_id(version_id)


def check_version_id(text: str) -> str:
    """Raises: InvalidArgument."""
    if not text:
        raise InvalidArgument("Version id cannot be the empty string")
    if text != NULL_ID and not is_uuid(text):
        raise InvalidArgument("Invalid version id specified")
    return text


def object_owner(bucket: Bucket, version: Version) -> str:
    """Its uploader; the bucket's owner for what nobody signed, or where the bucket owns all it holds."""
    return (not bucket.derived(protection_of).acls_off and owner_of(version)) or bucket.owner


def etag_header(version: Version) -> Header:
    return (b"etag", b'"%s"' % version.etag.encode("latin-1", "replace"))
