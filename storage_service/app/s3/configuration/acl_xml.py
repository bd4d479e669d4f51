"""Access control lists: XML and headers <-> grants. Source: AWS "PutBucketAcl", "PutObjectAcl"."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from storage_service.app.core import grants as acl
from storage_service.app.core.errors import (
    InvalidArgument,
    InvalidRequest,
    MalformedXML,
    UnresolvableGrantByEmailAddress,
)
from storage_service.app.core.grants import Grant, Parties
from storage_service.app.edge.request import Request
from storage_service.app.s3.answers import document, element, escape
from storage_service.app.s3.reading import need_text, text_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

ROOT = "AccessControlPolicy"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
URIS = {
    "AllUsers": "http://acs.amazonaws.com/groups/global/AllUsers",
    "AuthenticatedUsers": "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
    "LogDelivery": "http://acs.amazonaws.com/groups/s3/LogDelivery",
}
GROUPS = {uri: name for name, uri in URIS.items()}
HEADERS = {
    b"x-amz-grant-full-control": "FULL_CONTROL",
    b"x-amz-grant-read": "READ",
    b"x-amz-grant-read-acp": "READ_ACP",
    b"x-amz-grant-write": "WRITE",
    b"x-amz-grant-write-acp": "WRITE_ACP",
}
GRANTEE = re.compile(r"\s*([A-Za-z]+)\s*=\s*(?:\"([^\"]*)\"|([^\",\s]*))\s*")


def parse_acl_xml(root: "Element", owner: str) -> tuple[Grant, ...]:
    """Raises: MalformedXML, InvalidArgument, UnresolvableGrantByEmailAddress."""
    listed, named = root.find("AccessControlList"), root.find("Owner")
    if listed is None or any(child.tag != "Grant" for child in listed):
        raise MalformedXML(f"An {ROOT} has one AccessControlList of Grants")
    if named is not None and text_of(named, "ID") not in (None, "", owner):
        raise InvalidArgument("The owner named in the list is not the owner")
    if len(listed) > acl.MAX_GRANTS:
        raise InvalidRequest(f"An access control list has at most {acl.MAX_GRANTS} grants")
    return tuple(_parse_grant(node) for node in listed)


def _parse_grant(node: "Element") -> Grant:
    permission, grantee = need_text(node, "Permission"), node.find("Grantee")
    if permission not in acl.PERMISSIONS or grantee is None:
        raise MalformedXML("A Grant has a Grantee and a known Permission")
    if (name := text_of(grantee, "ID")) is not None:
        return _grant(permission, "id", name)
    if (uri := text_of(grantee, "URI")) is not None:
        return _grant(permission, "uri", uri)
    return _grant(permission, "emailaddress", need_text(grantee, "EmailAddress"))


def _grant(permission: str, kind: str, value: str) -> Grant:
    """Raises: InvalidArgument, UnresolvableGrantByEmailAddress."""
    if kind == "emailaddress":
        raise UnresolvableGrantByEmailAddress("The e-mail address you provided does not match any account on record.")
    if kind == "uri":
        if value not in GROUPS:
            raise InvalidArgument("Invalid group uri")
        return Grant(permission, group=GROUPS[value])
    if kind != "id" or not value:
        raise InvalidArgument("Invalid id")
    return Grant(permission, id=value)


def grants_in(request: Request, parties: Parties) -> tuple[Grant, ...] | None:
    """What the headers of a write grant; None where they say nothing.

    Raises: InvalidArgument, InvalidRequest for a canned list and single grants at once.
    """
    canned = request.header(b"x-amz-acl")
    single = [(permission, request.header(name)) for name, permission in HEADERS.items() if name in request.headers]
    if canned is not None and single:
        raise InvalidRequest("Specifying both Canned ACLs and Header Grants is not allowed")
    if canned is not None:
        return acl.canned(canned, parties)
    if not single:
        return None
    found = [grant for permission, text in single for grant in parse_grantees(permission, text or "")]
    if len(found) > acl.MAX_GRANTS:
        raise InvalidRequest(f"An access control list has at most {acl.MAX_GRANTS} grants")
    return tuple(found)


def parse_grantees(permission: str, text: str) -> Iterable[Grant]:
    """Of `id="…", uri="…"`."""
    at = 0
    while True:
        found = GRANTEE.match(text, at)
        if found is None:
            raise InvalidArgument("Argument format not recognized")
        yield _grant(permission, found[1].lower(), found[2] if found[2] is not None else found[3])
        at = found.end() + 1
        if at > len(text):
            return
        if text[found.end()] != ",":
            raise InvalidArgument("Argument format not recognized")


def render_acl_xml(owner: str, grants: Iterable[Grant]) -> str:
    named = f"<Owner>{_identity(owner)}</Owner>"
    ordered = sorted(grants, key=lambda grant: not grant.group)  # some clients sort by name where the first has one
    shown = "".join(f"<Grant>{_grantee(grant)}{element('Permission', grant.permission)}</Grant>" for grant in ordered)
    return document(ROOT, f"{named}<AccessControlList>{shown}</AccessControlList>")


def _grantee(grant: Grant) -> str:
    kind = "Group" if grant.group else "CanonicalUser"
    inner = f"<URI>{escape(URIS[grant.group])}</URI>" if grant.group else _identity(grant.id)
    return f'<Grantee xmlns:xsi="{XSI}" xsi:type="{kind}">{inner}</Grantee>'


def _identity(name: str) -> str:
    return element("ID", name) + element("DisplayName", name)
