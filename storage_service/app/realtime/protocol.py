"""What SelfDB's clients say over a WebSocket and what they are told (contract §7, realtime in A). Pure."""

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

import orjson

from storage_service.app.core.events import Event, EventKind
from storage_service.app.core.objects import MAX_KEY_BYTES
from storage_service.app.edge.names import iso

MAX_MESSAGE_CHARS: Final = 64 << 10
MAX_ID_CHARS = 200
Table = Literal["files", "buckets"]
Operation = Literal["INSERT", "UPDATE", "DELETE"]
TABLES: Mapping[str, Table] = {
    "files_changes": "files",
    "files": "files",
    "buckets_changes": "buckets",
    "buckets": "buckets",
}
OPERATIONS: Mapping[EventKind, Operation] = {
    "object.created": "INSERT",
    "object.restored": "INSERT",
    "object.updated": "UPDATE",
    "object.deleted": "DELETE",
    "object.expired": "DELETE",
    "bucket.created": "INSERT",
    "bucket.updated": "UPDATE",
    "bucket.deleted": "DELETE",
}


class BadMessage(ValueError):
    """What was said is not of this protocol; the words may be told. `subscription_id`: what it was about, if known."""

    def __init__(self, words: str, subscription_id: str | None = None) -> None:
        super().__init__(words)
        self.subscription_id = subscription_id


class Authenticate(NamedTuple):
    token: str


class Subscribe(NamedTuple):
    """To one table; `bucket` (name or id) and `prefix` narrow it, where they are said."""

    subscription_id: str
    table: Table
    bucket: str | None = None
    prefix: str = ""

    def wants(self, event: Event) -> bool:
        if (event.key is None) != (self.table == "buckets"):
            return False
        if self.bucket is not None and self.bucket not in (event.bucket_name, event.bucket_uuid):
            return False
        return not self.prefix or (event.key or "").startswith(self.prefix)


class Unsubscribe(NamedTuple):
    subscription_id: str


class Ping(NamedTuple):
    pass


Said = Authenticate | Subscribe | Unsubscribe | Ping


def parse(text: str) -> Said:
    """Raises: BadMessage."""
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise BadMessage("The message is not JSON") from None
    if not isinstance(message, dict):
        raise BadMessage("The message is not an object")
    kind = message.get("type")
    if kind == "ping":
        return Ping()
    if kind == "authenticate":
        return Authenticate(_text(message, "token", MAX_MESSAGE_CHARS))
    if kind not in ("subscribe", "unsubscribe"):
        raise BadMessage("Unknown message type")
    subscription_id = _text(message, "subscription_id", MAX_ID_CHARS)
    return Unsubscribe(subscription_id) if kind == "unsubscribe" else _subscribe(message, subscription_id)


def _subscribe(message: Mapping[str, Any], subscription_id: str) -> Subscribe:
    wish = message.get("data")
    if not isinstance(wish, dict):
        raise BadMessage("data is missing", subscription_id)
    table = TABLES.get(str(wish.get("table")))
    if table is None:
        raise BadMessage(f"There is no such table here; there are {', '.join(TABLES)}", subscription_id)
    bucket, prefix = wish.get("bucket"), wish.get("prefix", "")
    if not isinstance(bucket, str | None) or not isinstance(prefix, str) or len(prefix) > MAX_KEY_BYTES:
        raise BadMessage("bucket and prefix are texts", subscription_id)
    return Subscribe(subscription_id, table, bucket, prefix)


def _text(message: Mapping[str, Any], name: str, most_chars: int) -> str:
    value = message.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= most_chars:
        raise BadMessage(f"{name} must be a text of 1 to {most_chars} characters")
    return value


def render_connected(user_id: str | None) -> str:
    return _render({"type": "connected", "user_id": user_id})


def render_subscribed(subscription_id: str) -> str:
    return _render({"type": "subscribed", "subscription_id": subscription_id})


def render_unsubscribed(subscription_id: str) -> str:
    return _render({"type": "unsubscribed", "subscription_id": subscription_id})


def render_pong() -> str:
    return _render({"type": "pong"})


def render_error(words: str, subscription_id: str | None = None) -> str:
    about = {} if subscription_id is None else {"subscription_id": subscription_id}
    return _render({"type": "error", "message": words, **about})


def render_change(subscription_id: str, event: Event) -> str:
    """A row's change as a database would tell it; what was deleted stands under both names."""
    table: Table = "buckets" if event.key is None else "files"
    operation = OPERATIONS[event.kind]
    record = _bucket(event) if event.key is None else _file(event, event.key)
    data = {
        "operation": operation,
        "table": table,
        "data": record,
        "old_data": record if operation == "DELETE" else None,
    }
    return _render({"type": "database_change", "subscription_id": subscription_id, "data": data})


def _bucket(event: Event) -> dict[str, Any]:
    return {
        "id": event.bucket_uuid,
        "name": event.bucket_name,
        "owner_id": event.bucket_owner,
        "updated_at": iso(event.at_ms),
        "event": event.kind,
        "sequence": event.sequence,
    }


def _file(event: Event, key: str) -> dict[str, Any]:
    return {
        "id": event.file_id,
        "filename": key.rpartition("/")[2] or key,
        "object_name": key,
        "bucket_id": event.bucket_uuid,
        "bucket_name": event.bucket_name,
        "owner_id": event.owner,
        "content_type": event.content_type,
        "size": event.size,
        "etag": event.etag,
        "version_id": event.version_id,
        "updated_at": iso(event.at_ms),
        "event": event.kind,
        "sequence": event.sequence,
    }


def _render(message: dict[str, Any]) -> str:
    return orjson.dumps(message).decode()
