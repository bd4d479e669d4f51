"""Links to archives: a signed token for everything below a prefix, or for a list that is kept as a record."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from storage_service.app.core.errors import AccessDenied, LinkExpired
from storage_service.app.core.links import INVALID_LINK, READS, Seal
from storage_service.app.core.security import Principal, Scope

VERSION = 1
LABEL = b"storage-service archive link v1"


@dataclass(frozen=True, slots=True)
class ArchiveGrant:
    """What a link to an archive allows: until `expires_at` (seconds since 1970) whoever has it may read these files
    of the bucket (by uuid). `listed`: the id of the list of keys; None = everything below `prefix`."""

    bucket: str
    prefix: str
    expires_at: int
    listed: str | None = None
    signer: str = ""

    def principal(self, key: str) -> Principal:
        """Who asks for this key with the link."""
        scope = Scope(self.bucket, key, READS)
        return Principal("link", subject=self.signer, expires_at=self.expires_at, scope=scope)


class KeyLists(Protocol):
    """Lists of keys that links name, each kept until its time. Calls block."""

    def keep(self, keys: Sequence[str], until_ms: int) -> str:
        """The id of the list; on return it survives a power cut. Raises: InsufficientStorage, SlowDown."""

    def find(self, list_id: str) -> tuple[str, ...] | None: ...


class ArchiveSigner:
    """Makes and checks links."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._seal = Seal(secrets, LABEL)

    def sign(self, grant: ArchiveGrant) -> str:
        """Raises: InvalidArgument when the token would not fit into a URL."""
        return self._seal.sign(
            {
                "v": VERSION,
                "b": grant.bucket,
                "p": grant.prefix,
                "e": grant.expires_at,
                "l": grant.listed,
                "u": grant.signer,
            }
        )

    def verify(self, token: str, now: float) -> ArchiveGrant:
        """Raises: AccessDenied when it is not ours in every byte, LinkExpired when it was."""
        payload = self._seal.open(token)
        if payload["v"] != VERSION:
            raise AccessDenied(INVALID_LINK)
        grant = ArchiveGrant(payload["b"], payload["p"], payload["e"], payload["l"], payload["u"])
        if now >= grant.expires_at:
            raise LinkExpired("This link has expired")
        return grant
