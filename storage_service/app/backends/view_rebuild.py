"""`storage view --rebuild`: every current object gets its name again, and names that are behind go.

Works beside a service: what it shows meanwhile is looked at again afterwards, so that the newer word stands.
"""

from typing import NamedTuple

from storage_service.app.backends.blobs import LocalBlobs
from storage_service.app.backends.catalog.auditing import Auditor
from storage_service.app.backends.check_view import ViewCheck
from storage_service.app.backends.findings import Finding, Report
from storage_service.app.backends.view import View
from storage_service.app.core.objects import Bucket, Version

TRIES = 3  # looks at a key that keeps changing


class Rebuilt(NamedTuple):
    """Names that show their object afterwards, how many of them are new, keys that cannot be names, and strangers."""

    shown: int
    made: int
    hidden: int
    foreign: list[Finding]


class ViewRebuild:
    def __init__(self, catalog: Auditor, blobs: LocalBlobs, view: View) -> None:
        self._catalog = catalog
        self._view = view
        self._check = ViewCheck(catalog, blobs)

    def run(self) -> Rebuilt:
        """Raises: OSError when the directory cannot be read."""
        before, after = Report(), Report()
        for bucket in self._catalog.buckets().values():
            self._check.check(bucket, before)
            self._remove_stale(bucket, before)
            for page in self._catalog.current(bucket.id):
                self._show(bucket, {version.key: version for version in page})
            self._check.check(bucket, after)
        return Rebuilt(after.shown, max(0, after.shown - before.shown), self._view.hidden, after.problems)

    def _show(self, bucket: Bucket, heads: dict[str, Version]) -> None:
        for _ in range(TRIES):
            for key, head in heads.items():
                self._show_one(bucket, key, head)
            now = self._catalog.heads(bucket.id, list(heads))
            heads = {key: now[key] for key, head in heads.items() if key in now and now[key] != head}
            if not heads:
                return

    def _show_one(self, bucket: Bucket, key: str, head: Version | None) -> None:
        self._view.show(bucket.name, key, head, lambda: self._catalog.history(bucket.id, key))

    def _remove_stale(self, bucket: Bucket, report: Report) -> None:
        stale = [found.key for found in report.notes if found.code == "view_stale" and found.bucket == bucket.name]
        keys = [key for key in stale if key]
        heads = self._catalog.heads(bucket.id, keys)
        for key in keys:
            self._show_one(bucket, key, heads.get(key))
