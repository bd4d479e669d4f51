"""S3 access keys by the command line, with a running service or without: its workers see every change at once."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from storage_service.app.backends.key_records import StoredKeys
from storage_service.app.core.errors import StorageError
from storage_service.app.core.key_making import check_key, make_key, parse_scope, render_place, revoked
from storage_service.app.core.keys import AccessKey
from storage_service.app.core.objects import now_ms
from storage_service.app.core.security import KEY_ACTIONS, SERVICE
from storage_service.app.edge.names import iso
from storage_service.app.process.admin import Refused, open_store

DAY_MS = 86_400_000


class Wanted(NamedTuple):
    """A key to be made. Nothing named = no limit."""

    owner: str = SERVICE.subject
    places: Sequence[str] = ()
    actions: Sequence[str] = ()
    days: float | None = None
    description: str = ""


def create(wanted: Wanted) -> dict[str, Any]:
    """The new key's record, with its secret. Raises: Refused."""
    expires_ms = None if wanted.days is None else now_ms() + int(wanted.days * DAY_MS)
    try:
        scope = parse_scope(wanted.places, wanted.actions)
        key = make_key(wanted.owner, scope=scope, expires_ms=expires_ms, description=wanted.description)
        _records().add(key)
    except (StorageError, OSError) as error:
        raise Refused(_words(error)) from None
    return {**_record(key, None), "secret_key": key.secret}


class Known(NamedTuple):
    """A key that another service has, with its secret; `expires_at` is aware."""

    access_key: str
    secret_key: str
    places: Sequence[str]
    actions: Sequence[str]
    description: str
    expires_at: datetime | None = None


def adopt(known: Known) -> dict[str, Any]:
    """A key of the service's own under the id and secret it has elsewhere. Raises: Refused, also where it is there."""
    expires_ms = None if known.expires_at is None else int(known.expires_at.timestamp() * 1000)
    try:
        scope = parse_scope(known.places, known.actions)
        key = AccessKey(
            known.access_key,
            known.secret_key,
            SERVICE.subject,
            scope=scope,
            description=known.description,
            created_ms=now_ms(),
            expires_ms=expires_ms,
        )
        _records().add(check_key(key))
    except (StorageError, OSError) as error:
        raise Refused(_words(error)) from None
    return _record(key, None)


def list_all(*, with_revoked: bool) -> list[dict[str, Any]]:
    """Oldest first, without secrets."""
    records = _records()
    used = records.last_used()
    found = sorted(records.all(), key=lambda key: key.created_ms)
    return [_record(key, used.get(key.access_key)) for key in found if with_revoked or key.revoked_ms is None]


def revoke(access_key: str) -> None:
    """Raises: Refused for one that is not there."""
    records = _records()
    try:
        for key in records.all():
            if key.access_key == access_key:
                return records.replace(revoked(key))
    except (StorageError, OSError) as error:
        raise Refused(_words(error)) from None
    raise Refused(f"There is no access key {access_key}")


def _words(error: StorageError | OSError) -> str:
    return error.detail if isinstance(error, StorageError) else f"The access keys cannot be written: {error.strerror}"


def _records() -> StoredKeys:
    return StoredKeys(open_store()[1])


def _record(key: AccessKey, used_ms: int | None) -> dict[str, Any]:
    scope = key.scope
    return {
        "access_key": key.access_key,
        "owner": key.owner,
        "buckets": [render_place(place) for place in scope.places] if scope else [],
        "actions": sorted(scope.actions if scope else KEY_ACTIONS),
        "description": key.description,
        "created_at": iso(key.created_ms),
        "expires_at": _time(key.expires_ms),
        "revoked_at": _time(key.revoked_ms),
        "last_used_at": _time(used_ms),
    }


def _time(at_ms: int | None) -> str | None:
    return None if at_ms is None else iso(at_ms)
