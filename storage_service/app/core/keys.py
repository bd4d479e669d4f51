"""S3 access keys: what one is, and the ring of all that hold now, in memory. No web, no disk."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, Protocol

from storage_service.app.core.errors import ServiceUnavailable
from storage_service.app.core.security import SERVICE, KeyScope, Principal

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AccessKey:
    """A key with its owner. `owner` is the canonical id, `ids` are all names of the owner. Times in ms since 1970."""

    access_key: str
    secret: str = field(repr=False)  # empty once revoked
    owner: str
    ids: frozenset[str] = frozenset()
    scope: KeyScope | None = None
    description: str = ""
    created_ms: int = 0
    expires_ms: int | None = None
    revoked_ms: int | None = None

    @cached_property
    def principal(self) -> Principal:
        """Who asks with this key. The service's own keys are admin, as its API key is."""
        expires_at = None if self.expires_ms is None else self.expires_ms / 1000
        if self.owner == SERVICE.subject:
            return Principal("service", self.owner, admin=True, expires_at=expires_at, limits=self.scope)
        return Principal("user", self.owner, self.ids | {self.owner}, expires_at=expires_at, limits=self.scope)

    def holds(self, at_ms: float) -> bool:
        return self.revoked_ms is None and (self.expires_ms is None or at_ms < self.expires_ms)


class Stamp(NamedTuple):
    """Which key a request was signed with, and how many changes to keys were known then."""

    access_key: str
    generation: int


# Of the request under way: its changes are refused if the key is revoked before they are committed.
SIGNED_BY: ContextVar[Stamp | None] = ContextVar("signed_by", default=None)


class KeyRecords(Protocol):
    """Where keys are kept. All calls block."""

    def all(self) -> list[AccessKey]: ...  # revoked ones too, in no order; damaged records are left out and logged
    def add(self, key: AccessKey) -> None: ...  # raises AccessKeyExists
    def replace(self, key: AccessKey) -> None: ...  # raises NoSuchAccessKey
    def generation(self) -> int: ...  # another one after each change by any process; cheap, never blocks
    def last_used(self) -> Mapping[str, int]: ...  # ms since 1970, by access key
    def note_used(self, used: Mapping[str, int]) -> None: ...  # later times win


class Keyring:
    """Keys by id. `find` costs one look-up; whoever asks first makes sure that it is not stale."""

    def __init__(self, records: KeyRecords, root: AccessKey | None = None, admins: Iterable[str] = ()) -> None:
        """`root` is in no record and wins over one; users among `admins` are admin with their keys too."""
        self._records = records
        self._root = root
        self._admins = frozenset(admins)
        self._keys: dict[str, tuple[AccessKey, Principal]] = {}
        self._seen: int | None = None
        self._loading = asyncio.Lock()
        self._used: dict[str, int] = {}

    @property
    def stale(self) -> bool:
        """Whether a key was made or revoked, in any process, since the last `refresh`."""
        return self._seen != self._records.generation()

    async def refresh(self) -> None:
        """Read what changed. Raises: ServiceUnavailable when the records cannot be read."""
        async with self._loading:
            if not self.stale:
                return
            generation = self._records.generation()  # before the records: what comes between is read again
            try:
                found = await asyncio.to_thread(self._records.all)
            except OSError as error:
                log.error("the access keys cannot be read: %s", error.strerror)
                raise ServiceUnavailable("The access keys cannot be read") from None
            self._keys = self._ring(found)
            self._seen = generation

    def _ring(self, found: Iterable[AccessKey]) -> dict[str, tuple[AccessKey, Principal]]:
        ring = {key.access_key: (key, self._principal(key)) for key in found if key.revoked_ms is None}
        if self._root is not None:
            ring[self._root.access_key] = (self._root, self._root.principal)
        return ring

    def _principal(self, key: AccessKey) -> Principal:
        principal = key.principal
        if principal.admin or self._admins.isdisjoint(principal.ids):
            return principal
        return Principal(
            "user", principal.subject, principal.ids, admin=True, expires_at=principal.expires_at, limits=key.scope
        )

    def find(self, access_key: str) -> tuple[AccessKey, Principal] | None:
        """The key and who asks with it; it may be past its time. None if there is none, or it is revoked."""
        return self._keys.get(access_key)

    def note_use(self, access_key: str, at_ms: int) -> None:
        """Remember it for `save_uses`, and for what this request is going to change."""
        self._used[access_key] = at_ms
        if self._root is None or access_key != self._root.access_key:  # that one is revoked by a restart alone
            SIGNED_BY.set(Stamp(access_key, self._seen or 0))

    async def save_uses(self) -> None:
        """Write down what was used since the last call. An error loses these times and nothing else."""
        if self._root is not None:
            self._used.pop(self._root.access_key, None)
        used, self._used = self._used, {}
        if used:
            try:
                await asyncio.to_thread(self._records.note_used, used)
            except OSError as error:
                log.warning("when keys were last used cannot be written: %s", error.strerror)
