"""Buckets: list, create, head, delete, where they are, and whether they keep versions."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from storage_service.app.core.errors import (
    BucketAlreadyExists,
    BucketAlreadyOwnedByYou,
    IllegalLocationConstraint,
    InvalidArgument,
    InvalidBucketName,
    MalformedXML,
    NoSuchBucket,
    NotImplemented,
)
from storage_service.app.core.objects import Bucket, BucketOptions, Versioning
from storage_service.app.core.security import may_see
from storage_service.app.edge.names import quote_key
from storage_service.app.edge.respond import Header, send_empty
from storage_service.app.s3.answers import document, element, elements, send_xml, timestamp
from storage_service.app.s3.bodies import document_of, need_document
from storage_service.app.s3.configuration.creation import new_bucket_options
from storage_service.app.s3.context import Call
from storage_service.app.s3.reading import text_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

US_EAST_1 = "us-east-1"
IPV4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}", re.ASCII)
MOST_BUCKETS = 10_000  # a page. Source: AWS "ListBuckets"
STATUSES: dict[str, Versioning] = {"Enabled": "on", "Suspended": "suspended"}


async def list_buckets(call: Call) -> None:
    """Those the caller may see, in pages where it asks for pages."""
    most = page_size(call.query.get("max-buckets"), MOST_BUCKETS)
    after, prefix = call.query.get("continuation-token", ""), call.query.get("prefix", "")
    here = call.query.get("bucket-region", call.context.region) == call.context.region
    own = [bucket for bucket in await call.store.list_buckets() if here and may_own(call, bucket)]
    found = [bucket for bucket in own if bucket.name > after and bucket.name.startswith(prefix)]
    region = call.context.region if "max-buckets" in call.query else None
    shown = "".join(
        elements(
            "Bucket",
            (("Name", bucket.name), ("CreationDate", timestamp(bucket.created_ms)), ("BucketRegion", region)),
        )
        for bucket in found[:most]
    )
    inner = owner_element("Owner", call.principal.subject) + f"<Buckets>{shown}</Buckets>"
    if len(found) > most:
        inner += element("ContinuationToken", found[most - 1].name)
    if prefix:
        inner += element("Prefix", prefix)
    await send_xml(call.request, document("ListAllMyBucketsResult", inner))


def may_own(call: Call, bucket: Bucket) -> bool:
    """Whether the caller's own list shows this one: an admin's shows all, nobody's shows what is merely public."""
    principal = call.principal
    return may_see(principal, bucket) and (principal.admin or bucket.owner in principal.ids)


def owner_element(name: str, owner: str) -> str:
    return f"<{name}>{element('ID', owner)}{element('DisplayName', owner)}</{name}>"


def page_size(asked: str | None, most: int) -> int:
    """Raises: InvalidArgument unless it is a number from 1 to `most`."""
    if asked is None:
        return most
    if not asked.isascii() or not asked.isdigit() or not 1 <= int(asked[:9]) <= most:
        raise InvalidArgument(f"max-buckets is a number from 1 to {most}")
    return int(asked)


async def create_bucket(call: Call) -> None:
    """Raises: BucketAlreadyExists, BucketAlreadyOwnedByYou, IllegalLocationConstraint, InvalidTag, NotImplemented."""
    name = check_host_name(call.target.bucket)
    said = await document_of(call, "CreateBucketConfiguration")
    options = BucketOptions(public_list=False, **new_bucket_options(call, said))
    _check_location(call, said)
    try:
        await call.store.create_bucket(name, call.principal.subject, options, call.actor)
    except BucketAlreadyExists:
        await _refuse_taken(call, name, options)
    await send_empty(call.request.send, 200, ((b"location", f"/{quote_key(name)}".encode()),))


def check_host_name(name: str) -> str:
    """The name itself, if a host can begin with it: it may be made part of one. Source: AWS "Bucket naming rules".

    Raises: InvalidBucketName.
    """
    if any(not label or label.startswith("-") or label.endswith("-") for label in name.split(".")) or IPV4.fullmatch(
        name
    ):
        raise InvalidBucketName("The specified bucket is not valid.", bucket=name)
    return name


async def _refuse_taken(call: Call, name: str, options: BucketOptions) -> None:
    """In us-east-1 to make one's own bucket again is a success, as it always was there; not with other settings, which
    would be lost without a word."""
    try:
        bucket = await call.find_bucket(name)
    except NoSuchBucket:
        raise BucketAlreadyExists("The bucket name is taken", bucket=name) from None
    if bucket.owner not in call.principal.ids | {call.principal.subject}:
        raise BucketAlreadyExists("The requested bucket name is not available", bucket=name)
    if options.config.get("acl") != bucket.options.config.get("acl"):
        raise BucketAlreadyExists("You own this bucket, with another access control list", bucket=name)
    kept = bucket.options.config
    lost = [what for what, asked in options.config.items() if what != "acl" and not _covers(kept.get(what), asked)]
    if lost or call.context.region != US_EAST_1:
        other = f", with other settings: {', '.join(lost)}" if lost else ""
        raise BucketAlreadyOwnedByYou(f"You already own this bucket{other}", bucket=name)


def _covers(kept: Any, asked: Any) -> bool:
    """Whether a setting that is kept says all that is asked."""
    return kept == asked or (isinstance(kept, Mapping) and isinstance(asked, Mapping) and asked.items() <= kept.items())


def _check_location(call: Call, said: "Element | None") -> None:
    """A constraint must name this service's region; the world's first region goes by no name, and by `EU`."""
    if said is not None and (said.find("Location") is not None or said.find("Bucket") is not None):
        raise NotImplemented("Directory buckets are not implemented: every bucket of this service is a general one")
    asked = None if said is None else text_of(said, "LocationConstraint")
    if asked and asked not in {call.context.region, US_EAST_1, "EU"}:
        raise IllegalLocationConstraint(
            f"The {asked} location constraint is incompatible with the region of this service, {call.context.region}"
        )


async def head_bucket(call: Call) -> None:
    await send_empty(call.request.send, 200, (region_header(call),))


def region_header(call: Call) -> Header:
    return (b"x-amz-bucket-region", call.context.region.encode())


async def delete_bucket(call: Call) -> None:
    """Raises: BucketNotEmpty."""
    await call.store.delete_bucket(call.bucket, call.actor)
    await send_empty(call.request.send, 204)


async def get_location(call: Call) -> None:
    """Empty for us-east-1, as it always was."""
    region = "" if call.context.region == US_EAST_1 else call.context.region
    await send_xml(call.request, document("LocationConstraint", region))


async def get_versioning(call: Call) -> None:
    status = {"on": "Enabled", "suspended": "Suspended"}.get(call.bucket.options.versioning)
    inner = element("Status", status) if status else ""
    await send_xml(call.request, document("VersioningConfiguration", inner))


async def put_versioning(call: Call) -> None:
    """Raises: MalformedXML, NotImplemented for MFA delete."""
    root = await need_document(call, "VersioningConfiguration")
    if text_of(root, "MfaDelete") == "Enabled" or b"x-amz-mfa" in call.request.headers:
        raise NotImplemented("MFA delete is not implemented: this service knows no second factor")
    status = text_of(root, "Status")
    if status not in STATUSES:
        raise MalformedXML("Status is Enabled or Suspended")
    await call.store.update_bucket(call.bucket, {"versioning": STATUSES[status]}, call.actor)
    await send_empty(call.request.send, 200)
