"""Who may do what: principals, actions and the one table between them. Pure; no web, no rows.

A door names the action, hands over the bucket's row as it is now, and lets what `authorize` raises
pass. Sentences are the contract's: clients compare them.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import orjson

from storage_service.app.core import grants as acl
from storage_service.app.core.errors import AccessDenied, Unauthenticated
from storage_service.app.core.objects import Bucket, Version
from storage_service.app.core.policy.document import Question
from storage_service.app.core.policy.names import KEPT, OF_OBJECT, permission_of
from storage_service.app.core.protection import PLAIN, Asked, Protection, facts_of, protection_of, resource_of

Action = Literal[
    "list_buckets",
    "create_bucket",
    "read_bucket",
    "update_bucket",
    "delete_bucket",
    "list_objects",
    "read_object",
    "write_object",
    "delete_object",
    "read_object_meta",
    "write_object_meta",
    "sign_upload",
    "sign_download",
    "read_config",
    "write_config",
    "read_acl",
    "write_acl",
    "lock_object",
    "bypass_lock",
    "manage_keys",
    "read_metrics",
    "admin",
]
Kind = Literal["anonymous", "anon", "user", "service", "link"]
PrivateRead = Literal["owner", "authenticated"]
KeyAction = Literal["read", "write", "delete", "list"]

ACTIONS: tuple[Action, ...] = get_args(Action)
INVALID_CREDENTIALS = "Invalid authentication credentials"
BEYOND_LINK = "This link does not allow this request"
BEYOND_KEY = "This access key does not allow this request"
KEY_ACTIONS: frozenset[KeyAction] = frozenset(get_args(KeyAction))


@dataclass(frozen=True, slots=True)
class Scope:
    """All that a link reaches: one key of one bucket, by uuid and so never of a namesake."""

    bucket: str
    key: str
    actions: frozenset[Action]


class Place(NamedTuple):
    """Keys with a prefix in a bucket of this name, whichever bucket has it; an empty prefix is the whole bucket."""

    bucket: str
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class KeyScope:
    """What an access key narrows its owner's rights to; it never widens them. No places = everywhere."""

    places: tuple[Place, ...] = ()
    actions: frozenset[KeyAction] = KEY_ACTIONS


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `subject` is the id that owns what is made; `ids` are all names of the user."""

    kind: Kind
    subject: str = ""
    ids: frozenset[str] = frozenset()
    admin: bool = False
    generation: int = 0  # of the access key; 0 = not from a stored key
    expires_at: float | None = None  # of the credential, seconds since 1970; None = does not expire
    scope: Scope | None = None
    limits: KeyScope | None = None  # of the access key; None = all that its owner may

    @property
    def may_own(self) -> bool:
        """Whether buckets can belong to it."""
        return self.kind in ("user", "service")


ANONYMOUS = Principal("anonymous")
ANON_KEY_HOLDER = Principal("anon")
# `@` begins no user's id: `tokens` refuses such claims, so no user can pass for the service.
SERVICE = Principal("service", subject="@service", admin=True)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator chose. `authenticated`: any user reads objects of private buckets."""

    private_read: PrivateRead = "owner"


OWNER_READS = Rules()

# How near a principal stands to a bucket; a rule names the least that is enough.
ANYONE, ANON, USER, OWNER, ADMIN = range(5)
STANDING: dict[Kind, int] = {"anonymous": ANYONE, "anon": ANON, "user": USER, "service": ADMIN}


@dataclass(frozen=True, slots=True)
class Rule:
    """One action's row: the standing it takes, and the words of its refusals."""

    public: int
    private: int
    denied: str  # 403, to a principal that is known
    login: str | None = "Not authenticated"  # 401 without a user; None = 403 for everyone
    anon_denied: str | None = None  # 403 to the anon key where it could have been enough
    anon_on_public: bool = False  # the anon key suffices on a public bucket, though a user may not
    readable: bool = False  # PRIVATE_READ=authenticated opens it to any user
    own_object: bool = False  # the object's uploader may, as the bucket's owner


_CHANGE = "You don't have permission to {} this bucket"
_PRIVATE_OBJECT = "Access denied. This is a private bucket."
_UPLOAD = Rule(
    OWNER,
    OWNER,
    _CHANGE.format("upload to"),
    login="Authentication required",
    anon_denied="Anonymous uploads are only allowed to public buckets",
    anon_on_public=True,
)
_READ = Rule(ANYONE, OWNER, _PRIVATE_OBJECT, login=None, readable=True)
_ADMIN = Rule(ADMIN, ADMIN, "Administrator rights are required")
_CONFIG = Rule(OWNER, OWNER, _CHANGE.format("configure"))
_ACL = Rule(OWNER, OWNER, "You don't have permission to see or change this access control list", own_object=True)

RULES: dict[Action, Rule] = {
    "list_buckets": Rule(ANYONE, ANYONE, ""),
    "create_bucket": Rule(USER, USER, "You don't have permission to create buckets"),
    "read_bucket": Rule(ANYONE, OWNER, "Access denied to private bucket", login=None),
    "update_bucket": Rule(OWNER, OWNER, _CHANGE.format("update")),
    "delete_bucket": Rule(OWNER, OWNER, _CHANGE.format("delete")),
    "list_objects": Rule(ANYONE, OWNER, "Access denied to private bucket", login=None),
    "read_object": _READ,
    "read_object_meta": _READ,
    "write_object": _UPLOAD,
    "sign_upload": _UPLOAD,
    "delete_object": Rule(
        OWNER,
        OWNER,
        "You don't have permission to delete files from this bucket",
        own_object=True,
    ),
    "write_object_meta": Rule(
        OWNER, OWNER, "You don't have permission to update files in this bucket", own_object=True
    ),
    # A link outlives the moment: only who has a credential may make one, even of a public object.
    "sign_download": Rule(ANON, OWNER, _PRIVATE_OBJECT, anon_denied=_PRIVATE_OBJECT, readable=True),
    # What S3 calls a bucket's sub-resources, and an object's ACL and lock.
    "read_config": _CONFIG,
    "write_config": _CONFIG,
    "read_acl": _ACL,
    "write_acl": _ACL,
    "lock_object": _CONFIG,
    "bypass_lock": _CONFIG,
    "manage_keys": Rule(USER, USER, "You don't have permission to manage access keys"),
    "read_metrics": _ADMIN,
    "admin": _ADMIN,
}
_UNLISTED = Rule(OWNER, OWNER, _CHANGE.format("list"), login=None)


def authorize(
    principal: Principal,
    action: Action,
    bucket: Bucket | None,
    key: str | None,
    rules: Rules = OWNER_READS,
    asked: Asked = PLAIN,
) -> None:
    """Return if the principal may, else say why not. `bucket` is None where the action names none.

    For lists `key` is the prefix asked for: an access key limited to a prefix may list below it only.
    `asked` is what the request says besides; with the object's row in it, the uploader's rights and its ACL count.
    Raises: Unauthenticated (a user is needed), AccessDenied (this one may not), NeedsObject (ask again with its row).
    """
    if principal.scope is not None:
        return _check_scope(principal, action, bucket, key, asked)
    if principal.limits is not None:
        _check_limits(principal.limits, action, bucket, key)
    public = bucket is not None and bucket.options.public
    if bucket is not None and (bucket.options.config or asked.version is not None):
        protection = bucket.derived(protection_of)
        if _is_granted(principal, action, bucket, key, protection, asked):
            return None
        public = protection.public
    rule = RULES[action]
    needed = rule.private
    if bucket is not None and public:
        if action == "list_objects" and not bucket.options.public_list:
            rule = _UNLISTED
        needed = ANON if rule.anon_on_public and principal.kind == "anon" else rule.public
    if rule.readable and needed == OWNER and rules.private_read == "authenticated":
        needed = USER
    if _standing(principal, bucket, asked.version if rule.own_object else None) < needed:
        _refuse(principal, rule, bucket)
    return None


def may_see(principal: Principal, bucket: Bucket) -> bool:
    """Whether a list of buckets shows this one: own and public; all to admins (contract §4.1)."""
    if principal.scope is not None or not _reaches(principal.limits, bucket.name):
        return False
    return principal.admin or bucket.options.public or bucket.owner in principal.ids


def _standing(principal: Principal, bucket: Bucket | None, uploaded: Version | None) -> int:
    if principal.admin:
        return ADMIN
    if bucket is not None and bucket.owner in principal.ids:
        return OWNER
    if uploaded is not None and principal.ids and owner_of(uploaded) in principal.ids:
        return OWNER
    return STANDING[principal.kind]


def owner_of(version: Version) -> str:
    """Its uploader; empty where nobody is known."""
    return str(orjson.loads(version.doc).get("owner") or "")


class NeedsObject(AccessDenied):
    """The answer depends on the object itself: ask again with its row. Left alone, it is a refusal."""


def _is_granted(
    principal: Principal, action: Action, bucket: Bucket, key: str | None, protection: Protection, asked: Asked
) -> bool:
    """Whether the bucket's policy or an ACL lets the principal. Raises: AccessDenied where the policy denies it."""
    permission = (asked.permission or permission_of(action)).lower()
    if not permission:
        return False
    question = Question(
        principal.ids, permission, resource_of(bucket, key, permission), facts_of(asked, principal.subject)
    )
    keeps = permission in KEPT and (principal.admin or bucket.owner in principal.ids)
    if protection.asks_for_tags(permission) and not asked.looked and not keeps:
        raise NeedsObject("Access denied", bucket=bucket.name, key=key or "")
    verdict = protection.verdict(question)
    if verdict == "deny" and not keeps:
        raise AccessDenied("Access denied by the bucket's policy", bucket=bucket.name, key=key or "")
    if verdict == "allow":
        return True
    if asked.version is not None and permission in OF_OBJECT:
        granted = protection.object_grants(asked.version)
        return acl.allows(granted, principal.ids, permission, on_object=True)
    return acl.allows(protection.grants, principal.ids, permission, on_object=False)


def _check_scope(principal: Principal, action: Action, bucket: Bucket | None, key: str | None, asked: Asked) -> None:
    """A link does what it says; what a policy denies to everyone, it denies to its bearer too."""
    scope = principal.scope
    if bucket is None or scope is None or action not in scope.actions or scope.bucket != bucket.uuid:
        raise AccessDenied(BEYOND_LINK)
    if scope.key != key:
        raise AccessDenied(BEYOND_LINK)
    if bucket.options.config:
        _is_granted(principal, action, bucket, key, bucket.derived(protection_of), asked)


# What a limited key must hold for an action, and whether for the whole bucket. What is not here it may never do.
LIMITED: dict[Action, tuple[KeyAction | None, bool]] = {
    "list_buckets": ("list", False),
    "create_bucket": ("write", True),
    "read_bucket": (None, False),
    "update_bucket": ("write", True),
    "delete_bucket": ("delete", True),
    "list_objects": ("list", False),
    "read_object": ("read", False),
    "write_object": ("write", False),
    "delete_object": ("delete", False),
    "read_object_meta": ("read", False),
    "write_object_meta": ("write", False),
    "sign_upload": ("write", False),
    "sign_download": ("read", False),
    "read_config": ("read", True),
    "write_config": ("write", True),
    "read_acl": ("read", False),
    "write_acl": ("write", False),
    "lock_object": ("write", False),
    "bypass_lock": ("delete", False),
}


def _check_limits(limits: KeyScope, action: Action, bucket: Bucket | None, key: str | None) -> None:
    """Raises: AccessDenied for what the key does not reach, whoever its owner is."""
    needed, whole = LIMITED.get(action, (None, True))
    allowed = action in LIMITED and (needed is None or needed in limits.actions)
    if allowed and limits.places:
        allowed = _is_inside(limits.places, bucket, key or "", whole=whole, any_key=action == "read_bucket")
    if not allowed:
        raise AccessDenied(BEYOND_KEY, bucket=bucket.name if bucket is not None else "", key=key or "")


def _is_inside(places: tuple[Place, ...], bucket: Bucket | None, key: str, *, whole: bool, any_key: bool) -> bool:
    if bucket is None:  # listing shows only the buckets within; a bucket to be made has no row to compare yet
        return not whole
    return any(
        place.bucket == bucket.name and (any_key or (not place.prefix if whole else key.startswith(place.prefix)))
        for place in places
    )


def _reaches(limits: KeyScope | None, bucket: str) -> bool:
    return limits is None or not limits.places or any(place.bucket == bucket for place in limits.places)


def _refuse(principal: Principal, rule: Rule, bucket: Bucket | None) -> None:
    name = bucket.name if bucket is not None else ""
    if principal.kind == "anonymous" and rule.login is not None:
        raise Unauthenticated(rule.login, bucket=name)
    if principal.kind == "anon" and rule.anon_denied is not None:
        raise AccessDenied(rule.anon_denied, bucket=name)
    if principal.kind == "anon" and rule.login is not None:
        # The anon key names no user: where a user is needed it counts as a wrong credential.
        raise Unauthenticated(INVALID_CREDENTIALS, bucket=name)
    raise AccessDenied(rule.denied, bucket=name)
