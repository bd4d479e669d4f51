"""Access control lists: who is granted what on a bucket or an object, and the canned lists. Pure.

A list that is not there means: the owner, and nobody else. Source: AWS "Access control list (ACL) overview".
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple, get_args

from storage_service.app.core.errors import InvalidArgument

Permission = Literal["READ", "WRITE", "READ_ACP", "WRITE_ACP", "FULL_CONTROL"]
Group = Literal["AllUsers", "AuthenticatedUsers", "LogDelivery"]

PERMISSIONS: Final[tuple[Permission, ...]] = get_args(Permission)
GROUPS: Final[tuple[Group, ...]] = get_args(Group)
PUBLIC_GROUPS: Final = frozenset({"AllUsers", "AuthenticatedUsers"})
MAX_GRANTS = 100


class Grant(NamedTuple):
    """`permission` for one user (`id`) or one group of users."""

    permission: str
    id: str = ""
    group: str = ""


class Parties(NamedTuple):
    """Whose object it is, and whose bucket; for a bucket's own list the same."""

    owner: str
    bucket_owner: str


# Besides the owner's full control: group, or `bucket-owner`, and permission.
CANNED: Final[dict[str, tuple[tuple[str, Permission], ...]]] = {
    "private": (),
    "public-read": (("AllUsers", "READ"),),
    "public-read-write": (("AllUsers", "READ"), ("AllUsers", "WRITE")),
    "authenticated-read": (("AuthenticatedUsers", "READ"),),
    "bucket-owner-read": (("bucket-owner", "READ"),),
    "bucket-owner-full-control": (("bucket-owner", "FULL_CONTROL"),),
    "aws-exec-read": (),
    "log-delivery-write": (("LogDelivery", "WRITE"), ("LogDelivery", "READ_ACP")),
}
# What each permission lets do. Source: AWS "Mapping of ACL permissions and access policy permissions".
ON_BUCKET: Final[dict[str, frozenset[str]]] = {
    "READ": frozenset({"s3:listbucket", "s3:listbucketversions", "s3:listbucketmultipartuploads"}),
    "WRITE": frozenset({"s3:putobject", "s3:deleteobject", "s3:abortmultipartupload", "s3:listmultipartuploadparts"}),
    "READ_ACP": frozenset({"s3:getbucketacl"}),
    "WRITE_ACP": frozenset({"s3:putbucketacl"}),
}
ON_OBJECT: Final[dict[str, frozenset[str]]] = {
    "READ": frozenset({"s3:getobject", "s3:getobjectversion"}),
    "WRITE": frozenset(),
    "READ_ACP": frozenset({"s3:getobjectacl", "s3:getobjectversionacl"}),
    "WRITE_ACP": frozenset({"s3:putobjectacl", "s3:putobjectversionacl"}),
}


def canned(name: str, parties: Parties) -> tuple[Grant, ...]:
    """The grants of a canned list, the owner's first. Raises InvalidArgument."""
    if name not in CANNED:
        raise InvalidArgument(f"There is no canned ACL {name}")
    grants = [Grant("FULL_CONTROL", id=parties.owner)]
    for to, permission in CANNED[name]:
        if to != "bucket-owner":
            grants.append(Grant(permission, group=to))
        elif parties.bucket_owner != parties.owner:
            grants.append(Grant(permission, id=parties.bucket_owner))
    return tuple(grants)


def render_grants(grants: Iterable[Grant]) -> list[dict[str, str]]:
    """As JSON, without what is empty."""
    return [{name: value for name, value in grant._asdict().items() if value} for grant in grants]


def parse_grants(records: Iterable[Mapping[str, Any]]) -> tuple[Grant, ...]:
    """The inverse of `render_grants`."""
    return tuple(Grant(str(one["permission"]), str(one.get("id", "")), str(one.get("group", ""))) for one in records)


def allows(grants: Iterable[Grant], ids: frozenset[str], permission: str, *, on_object: bool) -> bool:
    """Whether one of them lets these ids (none: nobody known) do what a policy calls `permission`, in lower case."""
    table = ON_OBJECT if on_object else ON_BUCKET
    return any(_reaches(grant, ids) and _covers(grant, permission, table) for grant in grants)


def _reaches(grant: Grant, ids: frozenset[str]) -> bool:
    if grant.group:
        return grant.group == "AllUsers" or (grant.group == "AuthenticatedUsers" and bool(ids))
    return grant.id in ids


def _covers(grant: Grant, permission: str, table: Mapping[str, frozenset[str]]) -> bool:
    if grant.permission == "FULL_CONTROL":
        return any(permission in row for row in table.values())
    return permission in table.get(grant.permission, ())


def without_public(grants: Iterable[Grant]) -> tuple[Grant, ...]:
    return tuple(grant for grant in grants if grant.group not in PUBLIC_GROUPS)


def are_public(grants: Iterable[Grant]) -> bool:
    """Whether the world, or everyone who has a name, is granted anything."""
    return any(grant.group in PUBLIC_GROUPS for grant in grants)
