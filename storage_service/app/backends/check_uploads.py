"""`storage check` on uploads in pieces: what their rows promise lies on disk, and what lies there has a row."""

from storage_service.app.backends.catalog.auditing import Auditor
from storage_service.app.backends.disk import Disk
from storage_service.app.backends.findings import Finding, Report
from storage_service.app.backends.part_names import IN_SLOT, part_name
from storage_service.app.backends.slots import CLAIM, SEALED, SLOT_BYTES, SLOTS, Slots
from storage_service.app.backends.upload_files import RECORD
from storage_service.app.core.errors import DamagedObject
from storage_service.app.core.objects import Part, Upload, is_uuid

NOT_PARTS = frozenset({RECORD, "whole", "data", "wanted", SLOTS, SEALED, SLOT_BYTES})


class UploadCheck:
    """Works beside a service: whatever looks wrong counts only if its row is still the same."""

    def __init__(self, catalog: Auditor, root: str, disk: Disk, buckets: dict[int, str]) -> None:
        """`buckets`: names of open ones by number."""
        self._catalog = catalog
        self._root = root
        self._disk = disk
        self._buckets = buckets

    def run(self, report: Report) -> None:
        known = set()
        for upload in self._catalog.uploads():
            known.add(upload.id)
            if upload.phase == "open" and upload.bucket in self._buckets:
                self._check(upload, report)
        for name in sorted(set(self._disk.names(self._root)) - known):
            detail = f"uploads/{name} has no row" if is_uuid(name) else f"uploads/{name} is not the service's"
            report.notes.append(Finding("leftover", None, None, None, detail))

    def _check(self, upload: Upload, report: Report) -> None:
        parts = self._catalog.parts(upload.id)
        faults = self._faults(upload, parts)
        if faults and self._catalog.upload(upload.id) == upload:
            bucket = self._buckets[upload.bucket]
            report.problems += [Finding("upload_damaged", bucket, upload.key, None, detail) for detail in faults]
        expected = {part_name(part) for part in parts} | NOT_PARTS
        names = {name.removesuffix(IN_SLOT) for name in self._disk.names(f"{self._root}/{upload.id}")}
        strangers = {name for name in names - expected if not name.startswith(CLAIM)}
        if strangers and self._catalog.upload(upload.id) == upload:
            detail = f"{len(strangers)} files of parts that do not count in upload {upload.id}"
            report.notes.append(Finding("leftover", self._buckets[upload.bucket], upload.key, None, detail))

    def _faults(self, upload: Upload, parts: list[Part]) -> list[str]:
        if upload.kind == "multipart":
            return [fault for part in parts if (fault := self._fault(upload, part))]
        found = self._disk.stat(f"{self._root}/{upload.id}/data") if upload.size else None
        # Behind the offset may lie what was not acknowledged.
        if not upload.size or (found is not None and found.size >= upload.size):
            return []
        size = "gone" if found is None else f"{found.size} bytes instead of {upload.size}"
        return [f"its data of unfinished upload {upload.id} is {size}"]

    def _fault(self, upload: Upload, part: Part) -> str | None:
        try:
            Slots(f"{self._root}/{upload.id}", self._disk).find(part)
        except FileNotFoundError:
            return f"part {part.number} of unfinished upload {upload.id} is gone"
        except DamagedObject as error:
            return f"part {part.number} of unfinished upload {upload.id}: {error.detail}"
        return None
