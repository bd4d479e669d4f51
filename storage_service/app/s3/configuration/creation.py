"""What the headers of a write say of access and locks: for a new bucket, and for a new object."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from storage_service.app.core import grants as acl
from storage_service.app.core.errors import InvalidArgument
from storage_service.app.core.grants import Grant, Parties
from storage_service.app.core.objects import Attributes, Bucket
from storage_service.app.core.protection import ENFORCED, protection_of
from storage_service.app.s3.configuration.acl import bucket_acl, check_grants
from storage_service.app.s3.configuration.acl_xml import grants_in
from storage_service.app.s3.configuration.locks import ENABLED, lock_in_headers
from storage_service.app.s3.configuration.ownership import PREFERRED, check_ownership
from storage_service.app.s3.context import Call
from storage_service.app.s3.tags import MOST_BUCKET_TAGS, parse_listed

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

LOCK_ENABLED = b"x-amz-bucket-object-lock-enabled"
OWNERSHIP = b"x-amz-object-ownership"
FULL_CONTROL = "bucket-owner-full-control"
# Every header of a write that speaks of its ACL or its lock.
SAYING = frozenset({
    b"x-amz-acl", b"x-amz-grant-full-control", b"x-amz-grant-read", b"x-amz-grant-read-acp", b"x-amz-grant-write",
    b"x-amz-grant-write-acp", b"x-amz-object-lock-mode", b"x-amz-object-lock-retain-until-date",
    b"x-amz-object-lock-legal-hold",
})  # fmt: skip


def new_bucket_options(call: Call, said: "Element | None") -> dict[str, Any]:
    """Options of a bucket to be made, by headers and document. Raises: InvalidArgument, InvalidRequest, MalformedXML,
    InvalidTag."""
    headers, config = call.request.headers, dict[str, Any]()
    granted = bucket_acl(call, call.principal.subject)
    if OWNERSHIP in headers:
        config["ownership"] = check_ownership(call.request.header(OWNERSHIP))
        if granted and config["ownership"] == ENFORCED:
            raise InvalidArgument("Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting")
    if granted:
        config["acl"] = granted
    tags = None if said is None else said.find("Tags")
    if tags is not None and len(tags):
        config["tags"] = parse_listed(tags, MOST_BUCKET_TAGS)
    if headers.get(LOCK_ENABLED, b"").lower() == b"true":
        config["object_lock"] = dict(ENABLED)
        return {"config": config, "versioning": "on"}
    return {"config": config} if config else {}


def _check_may_lock(call: Call, bucket: Bucket, lock: Mapping[str, Any]) -> None:
    """To write is not to lock: what nobody can remove fills another's disk. Raises: AccessDenied."""
    if "mode" in lock:
        call.authorize("lock_object", bucket, call.key, "PutObjectRetention")
    if "hold" in lock:
        call.authorize("lock_object", bucket, call.key, "PutObjectLegalHold")


def _check_may_say(call: Call, bucket: Bucket, attributes: Attributes, wanted: tuple[Grant, ...] | None) -> None:
    """To write in another's bucket by its policy is neither to open what is written to others nor to tag it: tags may
    open it, too. Whom the bucket's own list lets write may, as under AWS. Raises: AccessDenied."""
    principal = call.principal
    if acl.allows(bucket.derived(protection_of).grants, principal.ids, "s3:putobject", on_object=False):
        return
    own = {principal.subject, bucket.owner}
    if any(grant.group or grant.id not in own for grant in wanted or ()):
        call.authorize("write_acl", bucket, call.key, "PutObjectAcl")
    if attributes.tags:
        call.authorize("write_object_meta", bucket, call.key, "PutObjectTagging")


def with_protection(call: Call, attributes: Attributes, bucket: Bucket) -> Attributes:
    """The attributes of a new object with its owner, its ACL and its lock.

    Raises: InvalidArgument, InvalidRequest, AccessControlListNotSupported, AccessDenied for a public list where those
    are blocked.
    """
    request, uploader = call.request, call.principal.subject
    is_own = bucket.owner == uploader or bucket.owner in call.principal.ids
    if is_own and not bucket.options.config and SAYING.isdisjoint(request.headers):
        return attributes  # nearly every write, and writes are hot
    if lock := lock_in_headers(request):
        _check_may_lock(call, bucket, lock)
        attributes = attributes._replace(lock=lock)
    ownership = bucket.options.config.get("ownership")
    if ownership == PREFERRED and request.header(b"x-amz-acl") == FULL_CONTROL:
        return attributes._replace(owner=bucket.owner)
    parties = Parties(uploader or bucket.owner, bucket.owner)
    wanted = grants_in(request, parties)
    if not is_own:
        _check_may_say(call, bucket, attributes, wanted)
    if bucket.derived(protection_of).acls_off:
        if wanted is not None and request.header(b"x-amz-acl") != FULL_CONTROL:
            check_grants(bucket, wanted)
        return attributes._replace(owner=bucket.owner)
    only_owner = (Grant("FULL_CONTROL", id=parties.owner),)
    if wanted is not None:
        check_grants(bucket, wanted)
    if wanted in (None, only_owner):
        # In another's bucket the list is written down: its uploader may read what it wrote there.
        return attributes if is_own or not uploader else attributes._replace(acl=acl.render_grants(only_owner))
    return attributes._replace(acl=acl.render_grants(wanted or ()))
