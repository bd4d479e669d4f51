"""What is answered for an object that is not there. Where a delete marker is what was found, the answer names it.

Source: AWS "Working with delete markers".
"""

from storage_service.app.core.errors import MethodNotAllowed, NoSuchKey, StorageError
from storage_service.app.core.objects import Version
from storage_service.app.core.security import Action
from storage_service.app.s3.answers import send_error
from storage_service.app.s3.context import Call
from storage_service.app.s3.naming import version_headers

# Of operations that speak of an object that is there; those that make one find nothing missing.
SPEAKING: frozenset[Action | None] = frozenset(
    {"read_object", "read_object_meta", "write_object_meta", "read_acl", "write_acl", "lock_object"}
)
READS = frozenset({"GET", "HEAD"})


async def refuse_missing(call: Call, error: StorageError) -> None:
    """404; 405 for a marker that was asked for by its id, or that was to be changed."""
    found = await _found(call)
    if found is None or not found.is_marker:
        return await send_error(call.request, error, ((b"x-amz-delete-marker", b"false"),))
    headers = ((b"x-amz-delete-marker", b"true"), *version_headers(found, call.bucket))
    if call.version_id is None and call.request.method in READS:
        gone = NoSuchKey("The specified key does not exist.", key=call.key)
        return await send_error(call.request, gone, headers)
    refusal = MethodNotAllowed("The specified method is not allowed against this resource.", key=call.key)
    return await send_error(call.request, refusal, (*headers, (b"allow", b"DELETE")))


async def _found(call: Call) -> Version | None:
    """The version that was asked for, marker or not."""
    version_id = call.version_id
    versions = [] if call.bucket.options.versioning == "off" else await call.store.list_versions(call.bucket, call.key)
    if version_id is None:
        return versions[0] if versions else None
    named = (one for one in versions if version_id == one.version_id or (version_id == "null" and one.is_null))
    return next(named, None)
