"""Taking away what ended uploads leave: their directories, and a blob that was made of one and never committed."""

import logging

from storage_service.app.backends.blobs import LocalBlobs
from storage_service.app.backends.catalog.settling import Settling
from storage_service.app.backends.catalog.upload_settling import Ended, UploadSettling
from storage_service.app.backends.check import made_ms
from storage_service.app.backends.settle import directory_of
from storage_service.app.backends.upload_files import LocalUploads
from storage_service.app.core.changes import EndUpload
from storage_service.app.core.decision import Keeping, Moment
from storage_service.app.core.objects import BlobName, is_uuid

log = logging.getLogger(__name__)

AT_ONCE = 500  # uploads a step
RESULT_MS = 86_400_000  # how long a completion may be repeated
YOUNG_MS = 3_600_000  # a directory without a row may be an upload that just begins


class UploadGarbage:
    """One at a time in a service."""

    def __init__(self, catalog: Settling, files: LocalUploads, blobs: LocalBlobs, keeping: Keeping) -> None:
        self._catalog = catalog
        self._rows = UploadSettling(catalog)
        self._files = files
        self._blobs = blobs
        self._keeping = keeping

    def expire(self, now_ms: int) -> None:
        """End what nobody went on with."""
        stale = self._rows.stale(now_ms, AT_ONCE)
        if stale:
            changes = [EndUpload(bucket, name, now_ms, stale_ms=now_ms) for name, bucket in stale]
            self._catalog.apply(changes, lambda sequence: Moment(now_ms, sequence, self._keeping))
        self._rows.forget_results(now_ms - RESULT_MS)

    def clear(self) -> int:
        """Remove the files of ended uploads; how many. One that is being written to right now is left for later."""
        ended = [upload for upload in self._rows.ended(AT_ONCE) if self._files.clear(upload.id)]
        if ended:
            self._remove_blobs([upload for upload in ended if upload.phase != "done"])
            self._rows.forget(ended)
        return len(ended)

    def _remove_blobs(self, uploads: list[Ended]) -> None:
        """What a completion left that died between blob and commit. Nobody can begin another: the directory is gone."""
        known = self._catalog.known_versions([upload.version_id for upload in uploads]) if uploads else set()
        buckets = self._catalog.buckets()
        for upload in uploads:
            if upload.version_id not in known and upload.bucket in buckets:
                self._blobs.delete(BlobName(directory_of(*buckets[upload.bucket]), upload.version_id))

    def sweep(self, now_ms: int) -> None:
        """Remove directories without a row: of uploads that began and were never committed."""
        names = [name for name in self._files.names() if is_uuid(name) and now_ms - made_ms(name) > YOUNG_MS]
        for name in set(names) - self._rows.known(names):
            if not self._files.clear(name):
                log.warning("uploads: the directory of %s cannot be removed", name)
