"""Access keys as they are made, limited, revoked and written down. Pure but for the random numbers and the clock."""

import re
import secrets
import string
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from storage_service.app.core.errors import InvalidArgument, InvalidBucketName
from storage_service.app.core.keys import AccessKey
from storage_service.app.core.objects import check_bucket_name, now_ms
from storage_service.app.core.security import KEY_ACTIONS, SERVICE, KeyAction, KeyScope, Place

FORMAT = 1  # of a record
ID_CHARS, SECRET_CHARS = 20, 40  # as AWS's: clients' forms expect no other
ID_LETTERS = string.ascii_uppercase + string.digits
SECRET_LETTERS = string.ascii_letters + string.digits
# No slash, comma, colon or equals sign: each ends an access key in the header of some signature.
ACCESS_KEY = re.compile(r"[A-Za-z0-9._@+-]{3,128}", re.ASCII)
LEAST_SECRET_CHARS, MOST_SECRET_CHARS = 8, 128
MOST_DESCRIPTION_CHARS = 1024
MOST_PREFIX_BYTES = 1024
MOST_PLACES = 100
SEED_FIELDS = frozenset({"access_key", "secret_key", "owner", "buckets", "actions", "description"})
# `rw` and the like, as rclone, restic and MinIO's users write it: to read is also to list, to write also to delete.
LETTERS: Mapping[str, frozenset[KeyAction]] = {"r": frozenset({"read", "list"}), "w": frozenset({"write", "delete"})}


def make_key(
    owner: str, ids: Iterable[str] = (), *, scope: KeyScope | None, expires_ms: int | None = None, description: str = ""
) -> AccessKey:
    """A new random key. Raises: InvalidArgument."""
    access_key = "".join(secrets.choice(ID_LETTERS) for _ in range(ID_CHARS))
    secret = "".join(secrets.choice(SECRET_LETTERS) for _ in range(SECRET_CHARS))
    return check_key(AccessKey(access_key, secret, owner, frozenset(ids), scope, description, now_ms(), expires_ms))


def check_key(key: AccessKey) -> AccessKey:
    """The key, if it can be one. Raises: InvalidArgument."""
    if not ACCESS_KEY.fullmatch(key.access_key):
        raise InvalidArgument("An access key has 3 to 128 of A-Z a-z 0-9 . _ @ + -")
    if not LEAST_SECRET_CHARS <= len(key.secret) <= MOST_SECRET_CHARS or not key.secret.isprintable():
        raise InvalidArgument(f"A secret has {LEAST_SECRET_CHARS} to {MOST_SECRET_CHARS} printable characters")
    if not key.owner or not key.owner.isprintable():
        raise InvalidArgument("A key has an owner: the id of a user, or @service")
    if len(key.description) > MOST_DESCRIPTION_CHARS or not key.description.isprintable():
        raise InvalidArgument(f"A description has at most {MOST_DESCRIPTION_CHARS} printable characters")
    if key.expires_ms is not None and key.expires_ms <= key.created_ms:
        raise InvalidArgument("A key expires in the future")
    return key


def revoked(key: AccessKey) -> AccessKey:
    """The same without its secret. The record stays: an id never comes back, and who looks finds whose it was."""
    return replace(key, secret="", revoked_ms=key.revoked_ms or now_ms())  # it has none any more # nosec B106


def parse_scope(places: Iterable[str], actions: Iterable[str]) -> KeyScope | None:
    """Of `bucket` and `bucket/prefix`, and of read, write, delete, list. Nothing named = no limit: None.

    Raises: InvalidArgument.
    """
    found = tuple(dict.fromkeys(_place(text) for text in places))
    named = frozenset(actions)
    if unknown := named - KEY_ACTIONS:
        raise InvalidArgument(f"A key may read, write, delete and list, not {', '.join(sorted(unknown))}")
    if len(found) > MOST_PLACES:
        raise InvalidArgument(f"A key is limited to at most {MOST_PLACES} buckets and prefixes")
    scope = KeyScope(found, frozenset(action for action in KEY_ACTIONS if action in named) or KEY_ACTIONS)
    return None if scope == KeyScope() else scope


def parse_letters(text: str) -> frozenset[KeyAction]:
    """Of `r`, `w` or `rw`; empty: everything. Raises: InvalidArgument."""
    if not set(text) <= LETTERS.keys():
        raise InvalidArgument(f"{text}: rights are r (read and list), w (write and delete) or rw")
    return frozenset[KeyAction]().union(*(LETTERS[letter] for letter in text))


def parse_key(value: object) -> AccessKey:
    """Of `key:secret:owner:rw:bucket/prefix`, whose last three may be left out, or of an object with their names.

    Without an owner it is the service's own. Raises: InvalidArgument, never with the secret in it.
    """
    if isinstance(value, str):
        parts = value.split(":", 4)
        if len(parts) == 1:
            raise InvalidArgument("a key is key:secret:owner:rw:bucket/prefix, or JSON")
        access_key, secret, owner, letters, place = parts + [""] * (5 - len(parts))
        scope = parse_scope([place] if place else [], parse_letters(letters))
        return check_key(AccessKey(access_key, secret, owner or SERVICE.subject, scope=scope, created_ms=now_ms()))
    if not isinstance(value, dict) or not value.keys() <= SEED_FIELDS or not {"access_key", "secret_key"} <= {*value}:
        raise InvalidArgument(
            "a key in JSON has access_key and secret_key, and may have owner, buckets, actions, description"
        )
    texts = {name: str(value.get(name, "")) for name in ("access_key", "secret_key", "owner", "description")}
    scope = parse_scope(_texts(value.get("buckets", [])), _texts(value.get("actions", [])))
    made = AccessKey(texts["access_key"], texts["secret_key"], texts["owner"] or SERVICE.subject, scope=scope)
    return check_key(replace(made, description=texts["description"], created_ms=now_ms()))


def _texts(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise InvalidArgument("buckets and actions are lists of texts")
    return value


def render_place(place: Place) -> str:
    return f"{place.bucket}/{place.prefix}" if place.prefix else place.bucket


def _place(text: str) -> Place:
    bucket, _, prefix = text.partition("/")
    try:
        check_bucket_name(bucket)
    except InvalidBucketName as error:
        raise InvalidArgument(f"{text}: {error.detail}") from None
    if len(prefix.encode(errors="replace")) > MOST_PREFIX_BYTES:
        raise InvalidArgument("A prefix has at most 1,024 bytes")
    return Place(bucket, prefix)


def render_record(key: AccessKey) -> dict[str, Any]:
    """For JSON; the secret as it stands in the key, so sealed by then."""
    record: dict[str, Any] = {
        "format": FORMAT,
        "id": key.access_key,
        "owner": key.owner,
        "ids": sorted(key.ids),
        "secret": key.secret,
        "scope": None,
        "description": key.description,
        "created_ms": key.created_ms,
        "expires_ms": key.expires_ms,
        "revoked_ms": key.revoked_ms,
    }
    if key.scope is not None:
        places = [render_place(place) for place in key.scope.places]
        record["scope"] = {"buckets": places, "actions": sorted(key.scope.actions)}
    return record


def parse_record(record: Mapping[str, Any]) -> AccessKey:
    """What `render_record` made. Raises: KeyError, TypeError, ValueError for anything else: a limit that cannot be
    read must not become no limit.
    """
    if int(record["format"]) > FORMAT:
        raise ValueError("written by a newer version")
    scope = record["scope"]
    if scope is not None:
        places = tuple(Place(*text.partition("/")[::2]) for text in scope["buckets"])
        actions: frozenset[KeyAction] = frozenset(scope["actions"])
        scope = KeyScope(places, actions & KEY_ACTIONS)
    return AccessKey(
        str(record["id"]),
        str(record["secret"]),
        str(record["owner"]),
        frozenset(map(str, record["ids"])),
        scope,
        str(record["description"]),
        int(record["created_ms"]),
        _instant(record["expires_ms"]),
        _instant(record["revoked_ms"]),
    )


def _instant(value: object) -> int | None:
    return None if value is None else int(str(value))
