"""Users and access keys of MinIO, from the archive that `mc admin cluster iam export` writes."""

import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from storage_service.moving.minio_rights import NotExpressible, Rights, rights_of

FOLDER = "iam-assets/"
MOST_BYTES = 64 << 20  # of one file in the archive
ENABLED = frozenset({"enabled", "on", ""})
NO_END = "1970-01-01T00:00:00Z"  # how Go writes a time that is not set
# Policies that every MinIO has; the archive may leave them out.
BUILT_IN: Mapping[str, Mapping[str, Any]] = {
    name: {"Statement": [{"Effect": "Allow", "Action": actions, "Resource": ["arn:aws:s3:::*"]}]}
    for name, actions in {
        "consoleAdmin": ["s3:*"],
        "readwrite": ["s3:*"],
        "readonly": ["s3:GetBucketLocation", "s3:GetObject"],
        "writeonly": ["s3:PutObject"],
    }.items()
}


class BadArchive(ValueError):
    """Not what `mc admin cluster iam export` writes."""


class KeyWanted(NamedTuple):
    """An access key to be made, with the secret it has. `expires_at` is aware."""

    access_key: str
    secret_key: str
    rights: Rights
    description: str
    expires_at: datetime | None = None


@dataclass(slots=True)
class Iam:
    """`left`: accounts that cannot be moved, and why."""

    keys: list[KeyWanted] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)


def read_iam(path: Path) -> Iam:
    """Raises: BadArchive, OSError."""
    try:
        with zipfile.ZipFile(path) as archive:
            files = {name: _json(archive, name) for name in archive.namelist() if name.endswith(".json")}
    except (zipfile.BadZipFile, ValueError) as error:
        raise BadArchive(f"{path}: {error}") from None
    known = {name.removeprefix(FOLDER).removesuffix(".json"): value for name, value in files.items()}
    if "users" not in known or "policies" not in known:
        raise BadArchive(f"{path} holds no {FOLDER}users.json and policies.json")
    return _Accounts(known).read()


def _json(archive: zipfile.ZipFile, name: str) -> Any:
    with archive.open(name) as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"{name} is too large")
    return orjson.loads(data)


class _Accounts:
    def __init__(self, known: Mapping[str, Any]) -> None:
        self._known = known
        self._found = Iam()

    def read(self) -> Iam:
        for name, record in self._table("users"):
            self._take(name, record, f"MinIO user {name}", lambda name=name: self._policies_of(name, ()))
        for name, record in self._table("svcaccts"):
            parent = str(record.get("parent", ""))
            words = " ".join(filter(None, (f"MinIO access key of {parent}", record.get("description"))))
            self._take(name, record, words, lambda record=record, parent=parent: self._inherited(record, parent))
        return self._found

    def _take(self, name: str, record: Mapping[str, Any], words: str, policies: Any) -> None:
        try:
            if record.get("status", "") not in ENABLED:
                raise NotExpressible("it is disabled")
            expires_at = _moment(record.get("expiration"))
            if expires_at is not None and expires_at <= datetime.now(UTC):
                raise NotExpressible("it has expired")
            rights = rights_of(policies())
            wanted = KeyWanted(name, str(record["secretKey"]), rights, words[:1024], expires_at)
        except NotExpressible as error:
            self._found.left[name] = str(error)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self._found.left[name] = f"its record is damaged: {type(error).__name__}"
        else:
            self._found.keys.append(wanted)

    def _inherited(self, record: Mapping[str, Any], parent: str) -> list[Mapping[str, Any]]:
        """What an access key may do: as its user, or what its own policy leaves of that."""
        own = record.get("sessionPolicy")
        if not own:
            return self._policies_of(parent, record.get("groups") or ())
        user = rights_of(self._policies_of(parent, record.get("groups") or ()))
        if rights_of([own]).actions - user.actions or user.places:
            raise NotExpressible("its own policy and its user's narrow each other")
        return [own]

    def _policies_of(self, user: str, groups: Iterable[str]) -> list[Mapping[str, Any]]:
        """Raises: NotExpressible for a user that is in no table, as one of LDAP is."""
        member_of = {name for name, group in self._table("groups") if user in (group.get("members") or ())}
        names = [
            *self._mapped("user_mappings", user),
            *self._mapped("stsuser_mappings", user),
            *(name for group in sorted({*groups, *member_of}) for name in self._mapped("group_mappings", group)),
        ]
        if not names:
            raise NotExpressible(f"no policy is given to {user or 'its user'}")
        documents = {**BUILT_IN, **(self._known["policies"] or {})}
        if missing := [name for name in names if name not in documents]:
            raise NotExpressible(f"the policy {missing[0]} is not in the archive")
        return [documents[name] for name in names]

    def _mapped(self, table: str, name: str) -> list[str]:
        record = (self._known.get(table) or {}).get(name) or {}
        return [policy for policy in str(record.get("policy") or "").split(",") if policy]

    def _table(self, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for key, record in (self._known.get(name) or {}).items():
            if isinstance(record, dict):
                yield key, record


def _moment(text: object) -> datetime | None:
    if not isinstance(text, str) or not text or text == NO_END:
        return None
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
