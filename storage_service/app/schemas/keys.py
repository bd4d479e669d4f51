"""S3 access keys on the wire, and what the signature doctor says."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from storage_service.app.core.key_making import MOST_DESCRIPTION_CHARS, MOST_PLACES, render_place
from storage_service.app.core.keys import AccessKey
from storage_service.app.core.security import KEY_ACTIONS, KeyAction
from storage_service.app.edge.names import iso
from storage_service.app.schemas.fields import FutureTime, Wire

PlaceText = Annotated[str, Field(min_length=3, max_length=63 + 1 + 1024, examples=["photos", "photos/2026/"])]


class KeyCreate(Wire):
    """A new key. What is left out does not limit it: it may then do all that its owner may."""

    description: str = Field("", max_length=MOST_DESCRIPTION_CHARS)
    buckets: list[PlaceText] = Field([], max_length=MOST_PLACES, description="`bucket` or `bucket/prefix`; none = all.")
    actions: list[KeyAction] = Field([], description="What it may do there; none = everything.")
    expires_at: FutureTime | None = Field(None, description="RFC 3339 with zone; null = never.")
    owner_id: str | None = Field(None, min_length=1, max_length=255, description="For admins: whose key it is.")


class KeyOut(Wire):
    """A key without its secret."""

    access_key: str
    owner_id: str
    description: str
    buckets: list[str]
    actions: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class KeyMade(KeyOut):
    """`secret_key` is shown this once."""

    secret_key: str


class KeysOut(Wire):
    keys: list[KeyOut]


def key_record(key: AccessKey, used: Mapping[str, int]) -> dict[str, Any]:
    """`used`: when keys were last used, in milliseconds since 1970."""
    scope = key.scope
    return {
        "access_key": key.access_key,
        "owner_id": key.owner,
        "description": key.description,
        "buckets": [] if scope is None else [render_place(place) for place in scope.places],
        "actions": sorted(KEY_ACTIONS if scope is None else scope.actions),
        "created_at": iso(key.created_ms),
        "expires_at": _time(key.expires_ms),
        "revoked_at": _time(key.revoked_ms),
        "last_used_at": _time(used.get(key.access_key)),
    }


def _time(at_ms: int | None) -> str | None:
    return None if at_ms is None else iso(at_ms)


class SignatureReport(Wire):
    """Why a request was refused. `signed` and `arrived`: the line that differs; `proved`: nothing else can be."""

    request_id: str
    at: datetime
    method: str
    path: str
    access_key: str
    code: str
    message: str
    fault: str
    proved: bool
    line: str
    signed: str
    arrived: str
    advice: str
    proxy_line: str | None
    canonical_request: str


class SignatureReports(Wire):
    requests: list[SignatureReport]
