"""Access keys as records, their secrets sealed. Every change grows a shared word that all workers compare."""

import contextlib
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from storage_service.app.backends import shared as words
from storage_service.app.backends.disk import Disk
from storage_service.app.backends.records import Records
from storage_service.app.backends.sealing import SealBroken, Sealer
from storage_service.app.backends.shared import Shared
from storage_service.app.backends.volume import Layout
from storage_service.app.core.disk_errors import told
from storage_service.app.core.errors import AccessKeyExists, NoSuchAccessKey
from storage_service.app.core.key_making import parse_record, render_record
from storage_service.app.core.keys import AccessKey
from storage_service.app.core.objects import now_ms

log = logging.getLogger(__name__)

KIND, USES, ALL = "access-key", "access-key-uses", "all"
NOT_STORED = "The disk failed; the access key was not stored"


class StoredKeys:
    """The core's `KeyRecords`. `shared` is a running service's; without one nobody waits for the news."""

    def __init__(self, layout: Layout, shared: Shared | None = None) -> None:
        disk = Disk()  # never the scratch one: what guards the data survives a power cut in every mode
        self._layout = layout
        self._records = Records(layout, disk)
        self._sealer = Sealer(layout.secrets_key, disk)
        self._shared = shared

    def all(self) -> list[AccessKey]:
        return [key for record in self._records.all(KIND) if (key := self._parsed(record)) is not None]

    def add(self, key: AccessKey) -> None:
        with told(NOT_STORED), self._records.locked():
            if self._records.has(KIND, key.access_key):  # a damaged one, too
                raise AccessKeyExists(f"The access key {key.access_key} is there already")
            self._write(key)

    def replace(self, key: AccessKey) -> None:
        with told(NOT_STORED), self._records.locked():
            if not self._records.has(KIND, key.access_key):
                raise NoSuchAccessKey("There is no such access key")
            self._write(key)

    def holds(self, access_key: str) -> bool:
        """Whether it is there and not revoked. Blocks."""
        try:
            record = self._records.read(KIND, access_key)
            key = None if record is None else self._parsed(record)
        except (OSError, ValueError):
            return False
        return key is not None and key.holds(now_ms())

    def generation(self) -> int:
        return 0 if self._shared is None else self._shared[words.KEYS]

    def last_used(self) -> Mapping[str, int]:
        try:
            record = self._records.read(USES, ALL) or {"used": {}}
            return {str(name): int(at_ms) for name, at_ms in record["used"].items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            log.warning("the record of when keys were last used is damaged; it begins anew")
            return {}

    def note_used(self, used: Mapping[str, int]) -> None:
        with self._records.locked():
            known = dict(self.last_used())
            for name, at_ms in used.items():
                known[name] = max(at_ms, known.get(name, 0))
            self._records.write(USES, ALL, {"used": known})

    def _write(self, key: AccessKey) -> None:
        sealed = self._sealer.seal(key.secret, _place(key.access_key)) if key.secret else ""
        self._records.write(KIND, key.access_key, render_record(replace(key, secret=sealed)))
        # The file of this moment: a service that started since has made another. Its writers take the lock we hold.
        with contextlib.suppress(FileNotFoundError, ValueError):
            Shared(self._layout.shared).add(words.KEYS, 1)

    def _parsed(self, record: dict[str, Any]) -> AccessKey | None:
        try:
            key = parse_record(record)
            secret = self._sealer.open(key.secret, _place(key.access_key)) if key.secret else ""
            return replace(key, secret=secret)
        except (SealBroken, KeyError, TypeError, ValueError) as error:
            log.error("the record of access key %r is damaged and ignored: %s", record.get("id"), error)
            return None


def _place(access_key: str) -> str:
    return f"{KIND}/{access_key}"
