"""Who may do what: principals, actions and the one table between them. Pure; no web, no rows.

A door names the action, hands over the bucket's row as it is now, and lets what `authorize` raises
pass. Sentences are the contract's: clients compare them.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from storage_service.app.core.errors import AccessDenied, Unauthenticated
from storage_service.app.core.objects import Bucket

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
    "read_metrics",
    "admin",
]
Kind = Literal["anonymous", "anon", "user", "service", "link"]
PrivateRead = Literal["owner", "authenticated"]

ACTIONS: tuple[Action, ...] = get_args(Action)
INVALID_CREDENTIALS = "Invalid authentication credentials"
BEYOND_LINK = "This link does not allow this request"


@dataclass(frozen=True, slots=True)
class Scope:
    """All that a link reaches: one key of one bucket, by uuid and so never of a namesake."""

    bucket: str
    key: str
    actions: frozenset[Action]


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
    *,
    object_owner: str = "",
) -> None:
    """Return if the principal may, else say why not. `bucket` is None where the action names none.

    `object_owner` is the uploader of the object in question, where the caller has read its row.
    Raises: Unauthenticated (a user is needed), AccessDenied (this one may not).
    """
    if principal.scope is not None:
        return _check_scope(principal.scope, action, bucket, key)
    rule = RULES[action]
    needed = rule.private
    if bucket is not None and bucket.options.public:
        if action == "list_objects" and not bucket.options.public_list:
            rule = _UNLISTED
        needed = ANON if rule.anon_on_public and principal.kind == "anon" else rule.public
    if rule.readable and needed == OWNER and rules.private_read == "authenticated":
        needed = USER
    if _standing(principal, bucket, object_owner if rule.own_object else "") < needed:
        _refuse(principal, rule, bucket)
    return None


def may_see(principal: Principal, bucket: Bucket) -> bool:
    """Whether a list of buckets shows this one: own and public; all to admins (contract §4.1)."""
    if principal.scope is not None:
        return False
    return principal.admin or bucket.options.public or bucket.owner in principal.ids


def _standing(principal: Principal, bucket: Bucket | None, object_owner: str) -> int:
    if principal.admin:
        return ADMIN
    if bucket is not None and (bucket.owner in principal.ids or object_owner in principal.ids):
        return OWNER
    return STANDING[principal.kind]


def _check_scope(scope: Scope, action: Action, bucket: Bucket | None, key: str | None) -> None:
    if bucket is None or action not in scope.actions or scope.bucket != bucket.uuid or scope.key != key:
        raise AccessDenied(BEYOND_LINK)


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
