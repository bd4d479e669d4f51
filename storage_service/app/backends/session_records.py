"""Sessions of the console as records. Every change grows a shared word that all workers compare."""

import contextlib
import logging
from typing import Any, get_args

from storage_service.app.backends import shared as words
from storage_service.app.backends.disk import Disk
from storage_service.app.backends.records import Records
from storage_service.app.backends.shared import Shared
from storage_service.app.backends.volume import Layout
from storage_service.app.core.disk_errors import told
from storage_service.app.core.objects import now_ms
from storage_service.app.core.security import Kind
from storage_service.app.core.sessions import Session, Via

log = logging.getLogger(__name__)

FORMAT = 1
KIND = "console-session"
NOT_STORED = "The disk failed; the session is as it was"


class StoredSessions:
    """The core's `SessionRecords`."""

    def __init__(self, layout: Layout, shared: Shared) -> None:
        self._layout = layout
        self._shared = shared
        self._records = Records(layout, Disk())

    def all(self) -> list[Session]:
        return [found for record in self._records.all(KIND) if (found := _parsed(record)) is not None]

    def add(self, session: Session) -> None:
        with told(NOT_STORED), self._records.locked():
            for old in self.all():
                if old.expires_ms <= now_ms():
                    self._records.remove(KIND, old.id)
            self._records.write(KIND, session.id, _rendered(session))
            self._tell()

    def remove(self, session_id: str) -> None:
        with told(NOT_STORED), self._records.locked():
            self._records.remove(KIND, session_id)
            self._tell()

    def generation(self) -> int:
        return self._shared[words.SESSIONS]

    def _tell(self) -> None:
        # The file of this moment: a service that started since has made another. Its writers take the lock we hold.
        with contextlib.suppress(FileNotFoundError, ValueError):
            Shared(self._layout.shared).add(words.SESSIONS, 1)


def _rendered(session: Session) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "via": session.via,
        "principal": session.kind,
        "subject": session.subject,
        "ids": sorted(session.ids),
        "admin": session.admin,
        "created_ms": session.created_ms,
        "expires_ms": session.expires_ms,
        "access_key": session.access_key,
    }


def _parsed(record: dict[str, Any]) -> Session | None:
    """None for a damaged record, or one of a newer version: who signed in with it signs in again."""
    try:
        kinds: dict[str, Kind] = {kind: kind for kind in get_args(Kind)}
        vias: dict[str, Via] = {via: via for via in get_args(Via)}
        if int(record["format"]) > FORMAT:
            raise ValueError("written by a newer version")
        return Session(
            str(record["id"]),
            vias[record["via"]],
            kinds[record["principal"]],
            str(record["subject"]),
            frozenset(map(str, record["ids"])),
            record["admin"] is True,
            int(record["created_ms"]),
            int(record["expires_ms"]),
            str(record["access_key"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        log.warning("a console session's record is damaged and ignored: %s", error)
        return None
