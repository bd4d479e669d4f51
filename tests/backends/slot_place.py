"""Uploads on a disk, as the tests of parts in place see them."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from pathlib import Path

from storage_service.app.backends.blobs import LocalBlobs, read_file
from storage_service.app.backends.disk import Disk
from storage_service.app.backends.staged_parts import StagedPart
from storage_service.app.backends.upload_files import LocalUploads
from storage_service.app.core.objects import BlobName, Part, new_id
from tests.support.changing import NOW

MTIME = NOW * 1_000_000
UPLOAD = new_id()


class CountingDisk(Disk):
    """Remembers how many bytes were copied."""

    def __init__(self) -> None:
        super().__init__()
        self.copied = 0

    def copy_range(self, source: int, target: int, offset: int, size: int) -> None:
        self.copied += size
        super().copy_range(source, target, offset, size)


class Place:
    """Uploads on a disk; `blob` is what the upload becomes."""

    def __init__(self, root: str, disk: Disk) -> None:
        self.disk = disk
        self.blobs = LocalBlobs(root, disk)
        self.uploads = LocalUploads(f"{root}/.storage/uploads", self.blobs, f"{root}/.storage/staging/1")
        self.directory = f"{root}/.storage/uploads/{UPLOAD}"
        self.blob = BlobName("photos", new_id())

    def begin(self) -> None:
        self.uploads.begin(UPLOAD, b"{}")

    def stage(self, number: int, size: int | None) -> StagedPart:
        return self.uploads.stage(UPLOAD, number, size)

    def put(self, number: int, data: bytes) -> Part:
        staged = self.stage(number, len(data))
        staged.write(data)
        part = part_of(number, data)
        staged.publish(part)
        return part

    def join(self, *parts: Part) -> bytes:
        self.uploads.join(UPLOAD, parts, self.blob, MTIME)
        return self.bytes()

    def bytes(self) -> bytes:
        return read_file(self.disk, self.blobs.path(self.blob))


def part_of(number: int, data: bytes) -> Part:
    crc = b64encode(bytes(8)).decode()
    return Part(UPLOAD, number, new_id(), len(data), hashlib.md5(data).hexdigest(), crc, "", NOW)


def made_under(root: Path) -> Place:
    for name in (".storage/staging/1", ".storage/uploads", "photos/.blobs"):
        (root / name).mkdir(parents=True)
    place = Place(str(root), CountingDisk())
    place.begin()
    return place
