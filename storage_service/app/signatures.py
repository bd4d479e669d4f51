"""Access keys and signatures of one worker: the keys in effect, who checks them, and what was refused and why."""

import asyncio
import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

from storage_service.app.backends.key_records import StoredKeys
from storage_service.app.backends.shared_ring import SharedRing
from storage_service.app.backends.volume import layout_of
from storage_service.app.core.config import Settings
from storage_service.app.core.errors import AccessKeyExists, InsufficientStorage
from storage_service.app.core.keys import Keyring
from storage_service.app.edge.names import iso
from storage_service.app.s3.auth.authenticate import Authenticator, AuthOptions
from storage_service.app.s3.auth.doctor import Doctor
from storage_service.app.s3.auth.failures import FailedRequest, FailureLog
from storage_service.app.s3.auth.names import PublicNames

log = logging.getLogger(__name__)

SAVE_SECONDS = 60.0  # how often it is written down when keys were last used


def _open_ring(path: Path) -> SharedRing | None:
    """What was refused by any worker; None where there is no room for it: then each has its own."""
    try:
        return SharedRing(path)
    except OSError as error:
        log.warning("refused signatures are kept in memory alone: %s", error.strerror)
        return None


class Signatures:
    """Made once for each worker; `open` before the first request."""

    def __init__(self, settings: Settings, records: StoredKeys) -> None:
        urls = (settings.storage_service_public_url, settings.permanent_url, *settings.public_urls)
        names = PublicNames(urls)
        self.records = records
        self.keys = Keyring(self.records, settings.root_key, settings.storage_admins)
        self._first = settings.storage_keys
        self._failures = FailureLog(records=_open_ring(layout_of(settings.storage_path).failures))
        self._doctor = Doctor(self.keys, names, settings.port, settings.s3_region)
        options = AuthOptions(settings.s3_region, settings.sigv2_enabled, failed=self._failures.note)
        self.authenticator = Authenticator(self.keys, names, options)

    async def open(self) -> None:
        """Make STORAGE_KEYS, those that were never there, and read all. Any worker may come first."""
        await asyncio.to_thread(self._make_first)
        await self.keys.refresh()

    def _make_first(self) -> None:
        for key in self._first:
            try:
                with suppress(AccessKeyExists):  # a revoked one too: it stays revoked
                    self.records.add(key)
            except InsufficientStorage:  # a full disk is served: deletes make room
                log.warning("the disk is full: the access key %s of STORAGE_KEYS is not made", key.access_key)

    async def keep_uses(self) -> None:
        """Write down now and then when keys were last used, until cancelled."""
        try:
            while True:
                await asyncio.sleep(SAVE_SECONDS)
                await self.keys.save_uses()
        finally:
            await self.keys.save_uses()

    async def diagnose(self, limit: int) -> list[dict[str, Any]]:
        """Why the last requests were refused, newest first, as records for JSON."""
        if self.keys.stale:
            await self.keys.refresh()
        return [self._report(failed) for failed in self._failures.newest(limit)]

    def _report(self, failed: FailedRequest) -> dict[str, Any]:
        found = self._doctor.diagnose(failed)
        return {
            "request_id": failed.request_id,
            "at": iso(int(failed.at * 1000)),
            "method": failed.method,
            "path": failed.raw_path.decode("utf-8", "replace"),
            "access_key": found.access_key,
            "code": failed.code,
            "message": failed.detail,
            "fault": found.fault,
            "proved": found.proved,
            "line": found.line,
            "signed": found.signed,
            "arrived": found.arrived,
            "advice": found.advice,
            "proxy_line": found.proxy_line,
            "canonical_request": found.canonical,
        }
