"""Plain files below a directory that are not the store's own: what `storage adopt` may take over.

Links are not followed. Below a bucket's own directory the view's names are left out: they show what is there already.
"""

import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from storage_service.app.backends.blobs import BLOBS, BUCKET_SIDECAR, SERVICE, LocalBlobs
from storage_service.app.backends.catalog.settling import Settling
from storage_service.app.backends.settle import directory_of
from storage_service.app.core.errors import InvalidKey
from storage_service.app.core.objects import BlobName, Bucket, check_key

SELFDB = ".metadata.json"  # what SelfDB says of a bucket. Source: SelfDB storage_service v0.0.2.
OWN = frozenset({BLOBS, BUCKET_SIDECAR, SELFDB})


class Foreign(NamedTuple):
    """A plain file. `path` is absolute."""

    key: str
    path: str
    size: int
    mtime_ns: int
    inode: int


class Skipped(NamedTuple):
    """What is left alone, and why."""

    bucket: str
    key: str
    reason: str


def walk(top: str, bucket: str) -> Iterator[Foreign | Skipped]:
    """Everything below `top` that a bucket could hold, directory by directory in the order of names."""
    for path, directories, files, fd in os.fwalk(top):
        directories.sort()
        if path == top:
            directories[:] = [name for name in directories if name not in OWN]
        prefix = path[len(top) + 1 :] + "/" if path != top else ""
        links = [name for name in directories if _is_link(name, fd)]
        for name in sorted([*files, *links]):
            if not (path == top and name in OWN) and not name.startswith(f"{SERVICE}."):
                found = _look(path, prefix + name, name, fd, bucket)
                if found is not None:
                    yield found


def _is_link(name: str, fd: int) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _look(path: str, key: str, name: str, fd: int, bucket: str) -> Foreign | Skipped | None:
    try:
        found = os.stat(name, dir_fd=fd, follow_symlinks=False)
        check_key(key)
    except FileNotFoundError:
        return None
    except InvalidKey as error:
        return Skipped(bucket, ascii(key)[1:-1], error.detail)
    if not stat.S_ISREG(found.st_mode):
        return Skipped(bucket, key, "a link or a special file, which is never followed")
    return Foreign(key, f"{path}/{name}", found.st_size, found.st_mtime_ns, found.st_ino)


def is_own(file: Foreign, bucket: Bucket, catalog: Settling, blobs: LocalBlobs, *, reflinks: bool) -> bool:
    """Whether the file is a name of the view: it shows a version of its key, though perhaps not the current one."""
    directory = directory_of(bucket, moved=False)
    for version in catalog.history(bucket.id, file.key):
        if reflinks and (file.size, file.mtime_ns) == (version.size, version.mtime_ns):
            return True
        blob = blobs.stat(BlobName(directory, version.version_id))
        if blob is not None and blob.inode == file.inode:
            return True
    return False
