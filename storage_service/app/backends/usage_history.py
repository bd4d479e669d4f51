"""How much was kept, hour by hour: a small database of its own beside the catalog. Calls block.

It outlives a rebuild of the catalog. It may be lost: where it is damaged it begins anew, and nothing else notices.
"""

import contextlib
import logging
import os
from typing import Any, Final, NamedTuple

import apsw

from storage_service.app.backends.catalog.settling import Settling
from storage_service.app.core.objects import Usage

log = logging.getLogger(__name__)

HOUR_MS: Final = 3_600_000
KEPT_HOURS: Final = 400 * 24
DAILY_FROM_HOURS: Final = 31 * 24  # of a longer time one sample a day
TOTAL: Final = ""  # in the place of a bucket's id
BROKEN = (apsw.CorruptError, apsw.NotADBError)
TABLE = """
CREATE TABLE IF NOT EXISTS samples(
  bucket TEXT NOT NULL, hour INT NOT NULL, objects INT NOT NULL, bytes INT NOT NULL, noncurrent INT NOT NULL,
  noncurrent_bytes INT NOT NULL, upload_bytes INT NOT NULL, trash INT NOT NULL, trash_bytes INT NOT NULL,
  PRIMARY KEY(bucket, hour)) WITHOUT ROWID
"""


class Sample(NamedTuple):
    at_ms: int
    usage: Usage


class UsageHistory:
    """`sample` for the one process that writes, `read` for any."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._last_hour = -1

    def sample(self, catalog: Settling, now_ms: int) -> bool:
        """Note down what every bucket and all of them keep, once in an hour; whether it was time.

        Raises: OSError, apsw.Error.
        """
        hour = now_ms // HOUR_MS
        if hour == self._last_hour:
            return False
        try:
            self._write(usages_of(catalog), hour)
        except BROKEN as error:
            log.error("the history of usage is damaged and begins anew: %s", error)
            for suffix in ("", "-journal"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._path + suffix)
            self._write(usages_of(catalog), hour)
        self._last_hour = hour
        return True

    def _write(self, usages: dict[str, Usage], hour: int) -> None:
        with contextlib.closing(apsw.Connection(self._path)) as connection:
            connection.setbusytimeout(10_000)
            connection.execute("PRAGMA synchronous=NORMAL").fetchall()
            with connection:
                connection.execute(TABLE)
                connection.executemany(
                    "INSERT OR IGNORE INTO samples VALUES(?,?,?,?,?,?,?,?,?)",
                    [(bucket, hour, *usage) for bucket, usage in usages.items()],
                )
                connection.execute("DELETE FROM samples WHERE hour<?", (hour - KEPT_HOURS,))
        os.chmod(self._path, 0o600)

    def read(self, bucket: str, since_ms: int, now_ms: int) -> list[Sample]:
        """Samples of a bucket (by uuid; TOTAL = of all), the oldest first; none where there is no history."""
        since, until = since_ms // HOUR_MS, now_ms // HOUR_MS
        daily = " GROUP BY hour/24 HAVING hour=max(hour)" if until - since > DAILY_FROM_HOURS else ""
        sql = (
            "SELECT hour,objects,bytes,noncurrent,noncurrent_bytes,upload_bytes,trash,trash_bytes FROM samples"
            f" WHERE bucket=? AND hour>=?{daily} ORDER BY hour"
        )
        try:
            with contextlib.closing(apsw.Connection(self._path, flags=apsw.SQLITE_OPEN_READONLY)) as connection:
                connection.setbusytimeout(1000)
                rows: list[tuple[Any, ...]] = connection.execute(sql, (bucket, since)).fetchall()
        except (apsw.CantOpenError, apsw.SQLError, *BROKEN):  # not made yet, or about to be made anew
            return []
        return [Sample(int(row[0]) * HOUR_MS, Usage(*row[1:])) for row in rows]


def usages_of(catalog: Settling) -> dict[str, Usage]:
    """What each open bucket keeps now, by uuid, and all of them together."""
    counted = catalog.bucket_usages()
    found = {bucket.uuid: counted.get(number, Usage()) for number, bucket in catalog.open_buckets().items()}
    total = Usage()
    for usage in found.values():
        total = total.plus(usage)
    return {**found, TOTAL: total}
