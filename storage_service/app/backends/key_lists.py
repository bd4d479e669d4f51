"""Lists of keys that links to archives name, as records. The jobs remove those whose time is over. Calls block."""

import logging
from collections.abc import Sequence

from storage_service.app.backends.disk import Disk
from storage_service.app.backends.records import Records
from storage_service.app.backends.volume import Layout
from storage_service.app.core.disk_errors import told
from storage_service.app.core.errors import SlowDown
from storage_service.app.core.objects import new_id

log = logging.getLogger(__name__)

KIND = "key-list"
MOST_LISTS = 10_000  # at a time


class StoredLists:
    """The core's `KeyLists`."""

    def __init__(self, layout: Layout) -> None:
        self._records = Records(layout, Disk())

    def keep(self, keys: Sequence[str], until_ms: int) -> str:
        list_id = new_id()
        with told("The disk failed; the link was not made"), self._records.locked():
            if self._records.count(KIND) >= MOST_LISTS:
                raise SlowDown("Too many links to lists of files hold at once")
            self._records.write(KIND, list_id, {"keys": list(keys), "until_ms": until_ms})
        return list_id

    def find(self, list_id: str) -> tuple[str, ...] | None:
        try:
            record = self._records.read(KIND, list_id)
            return None if record is None else tuple(map(str, record["keys"]))
        except (ValueError, KeyError, TypeError) as error:
            log.error("the record of a list of keys is damaged: %s", error)
            return None

    def remove_old(self, now_ms: int) -> int:
        """Forget lists whose time is over; how many."""
        over = [str(record["id"]) for record in self._records.all(KIND) if int(record.get("until_ms", 0)) <= now_ms]
        if over:
            with self._records.locked():
                for list_id in over:
                    self._records.remove(KIND, list_id)
        return len(over)
