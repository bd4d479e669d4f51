"""Ownership controls: whether ACLs count, and whose an object becomes that somebody else uploads."""

from typing import TYPE_CHECKING

from storage_service.app.core.errors import (
    InvalidBucketAclWithObjectOwnership,
    MalformedXML,
    OwnershipControlsNotFoundError,
)
from storage_service.app.core.protection import ENFORCED
from storage_service.app.s3.answers import document, element, send_xml
from storage_service.app.s3.bodies import need_document
from storage_service.app.s3.configuration.keeping import config_of, drop, keep
from storage_service.app.s3.context import Call
from storage_service.app.s3.reading import text_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

ROOT = "OwnershipControls"
PREFERRED = "BucketOwnerPreferred"
CHOICES = frozenset({ENFORCED, PREFERRED, "ObjectWriter"})


def parse_ownership_xml(root: "Element") -> str:
    """Raises: MalformedXML."""
    rules = root.findall("Rule")
    return check_ownership(text_of(rules[0], "ObjectOwnership") if len(rules) == 1 else None)


def check_ownership(choice: str | None) -> str:
    """The choice itself. Raises: MalformedXML."""
    if choice not in CHOICES:
        raise MalformedXML(f"ObjectOwnership is one of {', '.join(sorted(CHOICES))}")
    return choice


async def get(call: Call) -> None:
    """Raises: OwnershipControlsNotFoundError."""
    found = config_of(call, "ownership")
    if found is None:
        raise OwnershipControlsNotFoundError("The bucket ownership controls were not found", bucket=call.bucket.name)
    inner = f"<Rule>{element('ObjectOwnership', found)}</Rule>"
    await send_xml(call.request, document(ROOT, inner))


async def put(call: Call) -> None:
    """Raises: MalformedXML, InvalidBucketAclWithObjectOwnership while the bucket's ACL grants others anything."""
    choice = parse_ownership_xml(await need_document(call, ROOT))
    if choice == ENFORCED and config_of(call, "acl"):
        raise InvalidBucketAclWithObjectOwnership(
            "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting", bucket=call.bucket.name
        )
    await keep(call, "ownership", choice)


async def delete(call: Call) -> None:
    await drop(call, "ownership")
