"""Blobs as local files: `<bucket>/.blobs/<shard>/<version id>`, and the sidecar beside each.

Names are the service's own, never a user's key. A blob is written once and never changed.
"""

import contextlib
import errno
from collections.abc import Iterator
from typing import NamedTuple

from storage_service.app.backends.disk import Disk, FileStat, published
from storage_service.app.core.errors import DamagedObject
from storage_service.app.core.objects import BlobName

BLOB_MODE = 0o440
SIDECAR_MODE = 0o640
BLOBS = ".blobs"
BUCKET_SIDECAR = ".bucket.json"
SERVICE = ".storage"
BUCKET_SIDECAR_NEW = f"{SERVICE}.bucket.json"  # no key is shown under such a name


class OpenBlob(NamedTuple):
    """An open, checked blob; the one who has it closes it."""

    fd: int
    size: int


class LocalBlobs:
    """Blobs below `root`. Methods block; they raise OSError of the disk and DamagedObject, nothing else."""

    def __init__(self, root: str, disk: Disk, group: int | None = None) -> None:
        self.root = root
        self.disk = disk
        self.group = group
        self._ready: set[str] = set()  # directories known to be there; a bucket's removal takes its own out

    def shard(self, blob: BlobName) -> str:
        return f"{self.root}/{blob.bucket}/{BLOBS}/{blob.version_id[-2:]}"

    def path(self, blob: BlobName) -> str:
        return f"{self.shard(blob)}/{blob.version_id}"

    def location(self, blob: BlobName) -> str:
        """The path below `root`, for a proxy that has the same disk."""
        return self.path(blob)[len(self.root) + 1 :]

    def sidecar_path(self, blob: BlobName) -> str:
        return f"{self.path(blob)}.json"

    def open(self, blob: BlobName, size: int, mtime_ns: int | None) -> OpenBlob:
        """The blob, if it still is what was written.

        Raises:
            FileNotFoundError: no blob; the caller reads the row again.
            DamagedObject: size or time differ, as after an edit through the view; a link stands in its place; the disk
                cannot read it.
        """
        try:
            fd = self.disk.open(self.path(blob))
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.EIO}:
                raise DamagedObject("The stored bytes cannot be opened") from None
            raise
        found = self.disk.fstat(fd)
        if not is_intact(found, size, mtime_ns):
            self.disk.close(fd)
            raise DamagedObject("The stored bytes are not those that were written")
        return OpenBlob(fd, size)

    def read_small(self, blob: BlobName, size: int, mtime_ns: int | None) -> bytes:
        """The whole of a checked blob, in one open; for sizes that fit into memory."""
        if (body := self.disk.read_cached(self.path(blob), size, mtime_ns)) is not None:
            return body
        opened = self.open(blob, size, mtime_ns)
        try:
            return self.disk.read(opened.fd, size, 0)
        finally:
            self.disk.close(opened.fd)

    def write(self, blob: BlobName, body: bytes, mtime_ns: int) -> None:
        """Write a settled body; unsynced until the pass syncs. What an interrupted pass left is replaced."""
        path = self.path(blob)
        try:
            fd = self._create(path, BLOB_MODE)
        except FileExistsError:
            self.disk.unlink(path)
            fd = self._create(path, BLOB_MODE)
        try:
            self.disk.write(fd, body)
            self.disk.set_times(fd, mtime_ns)
            self.share(fd)
        finally:
            self.disk.close(fd)

    def _create(self, path: str, mode: int) -> int:
        shard = path.rpartition("/")[0]
        self.make_shard(shard)
        try:
            return self.disk.create(path, mode)
        except FileNotFoundError:  # the directory went away behind our back
            self._make_shard_again(shard)
            return self.disk.create(path, mode)

    def share(self, fd: int) -> None:
        if self.group is not None:
            with contextlib.suppress(PermissionError):  # start-up has warned
                self.disk.set_group(fd, self.group)

    def make_shard(self, shard: str) -> None:
        """The shard's directory and those above it, each with its parent synced, so that a link in it can survive.

        Synced also where another process has made it: that one may not have got so far yet.
        """
        if shard in self._ready:
            return
        base = shard.rpartition("/")[0]
        for path in (base.rpartition("/")[0], base, shard):
            if path not in self._ready:
                self.disk.make_dir(path)
                self.disk.sync_dir(path.rpartition("/")[0])
                self._ready.add(path)

    def _make_shard_again(self, shard: str) -> None:
        """Its directory went away behind our back, and perhaps those above it."""
        self.forget_bucket(shard.rpartition(f"/{BLOBS}/")[0].removeprefix(f"{self.root}/"))
        self.make_shard(shard)

    def forget_bucket(self, bucket: str) -> None:
        """After its directory was moved away: nothing of it is known to be there."""
        start = f"{self.root}/{bucket}/"
        self._ready = {path for path in self._ready if not f"{path}/".startswith(start)}

    def adopt(self, staged: str, blob: BlobName) -> None:
        """Give a staged, synced file its blob name; on return the name survives a power cut. The staging name stays."""
        shard = self.shard(blob)
        self.make_shard(shard)
        try:
            self.disk.link(staged, self.path(blob))
        except FileNotFoundError:
            self._make_shard_again(shard)
            self.disk.link(staged, self.path(blob))
        self.disk.sync_dir(shard)

    def copy(self, source: BlobName, target: BlobName) -> None:
        """A second name for the same bytes: a link, or a copy where links end (EMLINK, another device). Unsynced."""
        self.make_shard(self.shard(target))
        try:
            self.disk.link(self.path(source), self.path(target))
        except FileExistsError:
            return
        except OSError as error:
            if error.errno not in {errno.EMLINK, errno.EXDEV, errno.EPERM}:
                raise
            self._copy_bytes(source, target)

    def _copy_bytes(self, source: BlobName, target: BlobName) -> None:
        fd = self.disk.open(self.path(source))
        try:
            found = self.disk.fstat(fd)
            with published(self.disk, self.path(target), BLOB_MODE) as out:
                offset = 0
                while chunk := self.disk.read(fd, 1 << 20, offset):
                    self.disk.write(out, chunk)
                    offset += len(chunk)
                self.disk.set_times(out, found.mtime_ns)
                self.share(out)
        finally:
            self.disk.close(fd)

    def stat(self, blob: BlobName) -> FileStat | None:
        return self.disk.stat(self.path(blob))

    def delete(self, blob: BlobName) -> None:
        self.disk.unlink(self.path(blob))

    def write_sidecar(self, blob: BlobName, data: bytes, later: dict[str, str]) -> None:
        """A sidecar beside its blob, unsynced. Where one stands already, see `replace_sidecar`."""
        path = self.sidecar_path(blob)
        if f"{path}.new" not in later:
            with contextlib.suppress(FileExistsError):
                self._write_new(path, data)
                return
        self.replace_sidecar(blob, data, later)

    def replace_sidecar(self, blob: BlobName, data: bytes, later: dict[str, str]) -> None:
        """Write under a temporary name and note the rename in `later` (temporary -> final). The caller syncs before it
        renames, so that the good predecessor is never lost."""
        path = self.sidecar_path(blob)
        temporary = f"{path}.new"
        self.disk.unlink(temporary)
        self._write_new(temporary, data)
        later[temporary] = path

    def _write_new(self, path: str, data: bytes) -> None:
        fd = self._create(path, SIDECAR_MODE)
        try:
            self.disk.write(fd, data)
            self.share(fd)
        finally:
            self.disk.close(fd)

    def read_sidecar(self, blob: BlobName) -> bytes:
        return read_file(self.disk, self.sidecar_path(blob))

    def delete_sidecar(self, blob: BlobName) -> None:
        self.disk.unlink(self.sidecar_path(blob))

    def write_bucket_sidecar(self, bucket: str, data: bytes) -> None:
        """`.bucket.json`, replaced whole and synced."""
        directory = f"{self.root}/{bucket}"
        self.disk.make_dir(directory)
        self.disk.sync_dir(self.root)  # also where another process made it
        temporary = f"{directory}/{BUCKET_SIDECAR_NEW}"
        with published(self.disk, f"{directory}/{BUCKET_SIDECAR}", SIDECAR_MODE, temporary) as fd:
            self.disk.write(fd, data)
            self.share(fd)
        self.disk.sync_dir(directory)

    def version_ids(self, bucket: str) -> Iterator[tuple[str, bool]]:
        """(version id, is a sidecar) of every file below `.blobs`, shard by shard; strangers' names too."""
        base = f"{self.root}/{bucket}/{BLOBS}"
        for shard in sorted(self.disk.names(base)):
            for name in self.disk.names(f"{base}/{shard}"):
                yield (name[:-5], True) if name.endswith(".json") else (name, False)  # `.json.new` is a stranger's


def is_intact(found: FileStat, size: int, mtime_ns: int | None) -> bool:
    return found.is_file and found.size == size and found.mtime_ns == mtime_ns


def read_file(disk: Disk, path: str) -> bytes:
    """All of a small file. Raises FileNotFoundError, OSError."""
    fd = disk.open(path)
    try:
        return disk.read(fd, disk.fstat(fd).size, 0)
    finally:
        disk.close(fd)
