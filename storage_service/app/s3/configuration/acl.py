"""ACLs of buckets and objects. What they allow stands in `core.grants`; a list of the owner alone is not kept."""

from collections.abc import Sequence
from typing import Any

import orjson

from storage_service.app.core import grants as acl
from storage_service.app.core.changes import PatchOptions
from storage_service.app.core.errors import AccessControlListNotSupported, AccessDenied
from storage_service.app.core.grants import Grant, Parties
from storage_service.app.core.objects import Bucket
from storage_service.app.core.protection import protection_of
from storage_service.app.edge.respond import send_empty
from storage_service.app.s3.answers import send_xml
from storage_service.app.s3.bodies import need_document
from storage_service.app.s3.configuration.acl_xml import ROOT, grants_in, parse_acl_xml, render_acl_xml
from storage_service.app.s3.configuration.keeping import config_of
from storage_service.app.s3.context import Call
from storage_service.app.s3.naming import asked_version, object_owner, version_headers

WORLD_READS = Grant("READ", group="AllUsers")


async def get_bucket(call: Call) -> None:
    """A bucket that its own option makes public shows that as a grant."""
    bucket = call.bucket
    kept = config_of(call, "acl")
    found = _only_owner(bucket.owner) if kept is None else acl.parse_grants(kept)
    if bucket.options.public and WORLD_READS not in found:
        found = (*found, WORLD_READS)
    await send_xml(call.request, render_acl_xml(bucket.owner, found))


async def put_bucket(call: Call) -> None:
    """Raises: AccessControlListNotSupported, AccessDenied for a public list where those are blocked."""
    bucket = call.bucket
    wanted = await _wanted(call, Parties(bucket.owner, bucket.owner))
    check_grants(bucket, wanted)
    kept = None if wanted == _only_owner(bucket.owner) else acl.render_grants(wanted)
    # The option may be narrowed by a list, never widened: `public` opens objects, too, and a bucket's list does not.
    public = bucket.options.public and WORLD_READS in wanted
    await call.store.update_bucket(bucket, {"config": {"acl": kept}, "public": public}, call.actor)
    await send_empty(call.request.send, 200)


async def get_object(call: Call) -> None:
    version = await call.store.head_object(call.bucket, call.key, asked_version(call))
    owner = object_owner(call.bucket, version)
    kept = orjson.loads(version.doc).get("acl")
    found = _only_owner(owner) if kept is None else acl.parse_grants(kept)
    await send_xml(call.request, render_acl_xml(owner, found), version_headers(version, call.bucket))


async def put_object(call: Call) -> None:
    """Raises: AccessControlListNotSupported, AccessDenied for a public list where those are blocked."""
    version = await call.store.head_object(call.bucket, call.key, asked_version(call))
    owner = object_owner(call.bucket, version)
    wanted = await _wanted(call, Parties(owner, call.bucket.owner))
    check_grants(call.bucket, wanted)
    kept = None if wanted == _only_owner(owner) else acl.render_grants(wanted)
    options = PatchOptions(version_id=asked_version(call) or version.version_id)
    changed = await call.store.patch_object(call.bucket, call.key, {"acl": kept}, call.actor, options)
    await send_empty(call.request.send, 200, version_headers(changed, call.bucket))


def check_grants(bucket: Bucket, wanted: Sequence[Grant]) -> None:
    """Raises: AccessControlListNotSupported, AccessDenied."""
    protection = bucket.derived(protection_of)
    if protection.acls_off:
        raise AccessControlListNotSupported("The bucket does not allow ACLs", bucket=bucket.name)
    if protection.block_public_acls and acl.are_public(wanted):
        raise AccessDenied(
            "Access Denied: public access control lists are prevented by the BlockPublicAcls setting",
            bucket=bucket.name,
        )


async def _wanted(call: Call, parties: Parties) -> tuple[Grant, ...]:
    """The grants in the headers, or in the body."""
    found = grants_in(call.request, parties)
    return parse_acl_xml(await need_document(call, ROOT), parties.owner) if found is None else found


def _only_owner(owner: str) -> tuple[Grant, ...]:
    return (Grant("FULL_CONTROL", id=owner),)


def bucket_acl(call: Call, owner: str) -> list[dict[str, Any]] | None:
    """What a new bucket's headers grant, to be kept; None for the owner alone."""
    wanted = grants_in(call.request, Parties(owner, owner))
    return None if wanted in (None, _only_owner(owner)) else acl.render_grants(wanted or ())
