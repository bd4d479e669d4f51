"""Documents put together at random: each parser takes or refuses them, no more; what it took comes back."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_service.app.core.errors import StorageError
from storage_service.app.core.grants import parse_grants, render_grants
from storage_service.app.s3.configuration import acl_xml, cors, locks, ownership, public_access, website
from storage_service.app.s3.reading import parse_xml


class Kind(NamedTuple):
    """A document: its root, names of elements that may stand in it, its parser and its renderer."""

    root: str
    names: list[str]
    parse: Callable[[Any], Any]
    render: Callable[[Any], str] | None = None


def parse_acl(root: Any) -> Any:
    """Groups first, as they are shown."""
    return sorted(acl_xml.parse_acl_xml(root, "ann"), key=lambda grant: not grant.group)


KINDS = [
    Kind(
        "AccessControlPolicy",
        ["AccessControlList", "Grant", "Grantee", "Permission", "ID", "URI", "EmailAddress", "Owner"],
        parse_acl,
        lambda grants: acl_xml.render_acl_xml("ann", parse_grants(render_grants(grants))),
    ),
    Kind(
        "CORSConfiguration",
        ["CORSRule", "AllowedOrigin", "AllowedMethod", "AllowedHeader", "ExposeHeader", "MaxAgeSeconds", "ID"],
        cors.parse_cors_xml,
        cors.render_cors_xml,
    ),
    Kind(
        "ObjectLockConfiguration",
        ["ObjectLockEnabled", "Rule", "DefaultRetention", "Mode", "Days", "Years"],
        locks.parse_lock_xml,
        locks.render_lock_xml,
    ),
    Kind("OwnershipControls", ["Rule", "ObjectOwnership"], ownership.parse_ownership_xml),
    Kind(
        "PublicAccessBlockConfiguration",
        list(public_access.NAMES),
        public_access.parse_block_xml,
        public_access.render_block_xml,
    ),
    Kind(
        "WebsiteConfiguration",
        [
            *("IndexDocument", "Suffix", "ErrorDocument", "Key", "RedirectAllRequestsTo"),
            *("RoutingRules", "RoutingRule", "Redirect", "Condition"),
            *website.REDIRECT,
            *website.CONDITION,
        ],
        website.parse_website_xml,
        website.render_website_xml,
    ),
]
TEXTS = st.sampled_from(
    (
        *("", "1", "0", "-1", "9" * 30, "*", "a", "a/b", "é&amp;", "GET", "404", "302", "true", "https", "READ"),
        *("Enabled", "GOVERNANCE", "BucketOwnerEnforced", acl_xml.URIS["AllUsers"]),
    )
)


def documents(kind: Kind) -> st.SearchStrategy[str]:
    leaf = st.tuples(st.sampled_from(kind.names), TEXTS).map(lambda pair: f"<{pair[0]}>{pair[1]}</{pair[0]}>")
    inner = st.recursive(
        leaf,
        lambda below: st.tuples(st.sampled_from(kind.names), st.lists(below, max_size=4)).map(
            lambda pair: f"<{pair[0]}>{''.join(pair[1])}</{pair[0]}>"
        ),
        max_leaves=8,
    )
    return st.lists(inner, max_size=3).map(lambda found: f"<{kind.root}>{''.join(found)}</{kind.root}>")


@pytest.mark.ci
@pytest.mark.parametrize("kind", KINDS, ids=[kind.root for kind in KINDS])
@given(data=st.data())
def test_a_document_is_taken_or_refused(kind: Kind, data: st.DataObject) -> None:
    text = data.draw(documents(kind))
    try:
        found = kind.parse(parse_xml(text.encode(), kind.root))
    except StorageError:
        return
    if kind.render is not None:
        assert kind.parse(parse_xml(kind.render(found).encode(), kind.root)) == found


@given(st.text(max_size=60))
def test_grants_in_a_header_are_taken_or_refused(text: str) -> None:
    try:
        found = list(acl_xml.parse_grantees("READ", text))
    except StorageError:
        return
    assert all(grant.permission == "READ" for grant in found)
