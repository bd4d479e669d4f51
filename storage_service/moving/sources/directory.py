"""A directory of files: each file an object, its path below the directory the key."""

import errno
import mimetypes
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from storage_service.moving.model import BucketSettings, CannotMove, ChangedUnderWay, Entry, Version, entry_of

PIECE_BYTES = 1 << 20
OPAQUE = "application/octet-stream"
LINK, SPECIAL = "it is a link", "it is no plain file"  # why it stays behind


class FileOpened:
    """A file to read. Its type is told by its name; its bytes have no digest yet."""

    def __init__(self, path: str, headers: Mapping[str, str] | None = None) -> None:
        """Raises: CannotMove for what is no plain file, OSError."""
        # NONBLOCK: a pipe would wait for its writer. NOFOLLOW: a link may lead out of the directory.
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        self._seen = os.fstat(self._fd)
        if not stat.S_ISREG(self._seen.st_mode):
            self.close()
            raise CannotMove(SPECIAL)
        self.size = self._seen.st_size
        self.etag = ""
        self.layouts: Sequence[Sequence[int]] = ()
        self.guessed = False
        self.headers: Mapping[str, str] = headers or {"content-type": type_of(path)}

    def pieces(self) -> Iterator[bytes]:
        while piece := os.read(self._fd, PIECE_BYTES):
            yield piece
        now = os.fstat(self._fd)
        if (now.st_size, now.st_mtime_ns) != (self._seen.st_size, self._seen.st_mtime_ns):
            raise ChangedUnderWay("it changed while it was read")

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class DirectorySource:
    """One directory as one bucket. Links and special files stay behind, and are said to."""

    def __init__(self, root: Path, bucket: str) -> None:
        self._root = str(root.resolve())
        self._bucket = bucket
        self.name = f"directory {self._root}"

    def close(self) -> None:
        """Nothing is kept open."""

    def buckets(self) -> list[str]:
        return [self._bucket]

    def settings(self, bucket: str) -> BucketSettings:
        return BucketSettings()

    def entries(self, bucket: str, prefix: str) -> Iterator[Entry]:
        return files_below(self._root, prefix)

    def open(self, bucket: str, version: Version) -> FileOpened:
        return opened_file(self._root, version.key)


def opened_file(root: str, key: str) -> FileOpened:
    """Raises: CannotMove, OSError."""
    path = f"{root}/{key}"
    try:
        return FileOpened(path)
    except FileNotFoundError:
        raise CannotMove("it was deleted before it was read") from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise CannotMove(LINK) from None
        raise CannotMove(f"it cannot be read: {error.strerror}") from None


def files_below(root: str, prefix: str = "", skipped: frozenset[str] = frozenset()) -> Iterator[Entry]:
    """Everything below that is no directory, by key. `skipped`: names at the top that are no objects."""
    waiting = [("", root)]
    while waiting:
        key, path = waiting.pop()
        if not key.endswith("/") and key:
            found = os.lstat(path)
            yield entry_of([Version(key, found.st_size, fault=_fault(found))], f"{found.st_size}:{found.st_mtime_ns}")
            continue
        try:
            below = _below(key, path, skipped)
        except OSError as error:
            if not key:
                raise
            yield entry_of([Version(key, 0, fault=f"it cannot be read: {error.strerror}")])
            continue
        # A directory's slash takes part in the order: `a-b` stands before `a/c`.
        below.sort(key=lambda one: one[0].encode(errors="surrogateescape"), reverse=True)
        waiting += [one for one in below if _may_hold(one[0], prefix)]


def _fault(found: os.stat_result) -> str:
    if stat.S_ISLNK(found.st_mode):
        return LINK
    return "" if stat.S_ISREG(found.st_mode) else SPECIAL


def _below(key: str, path: str, skipped: frozenset[str]) -> list[tuple[str, str]]:
    """Keys of what a directory holds, those of directories with a slash, and their paths. Raises: OSError."""
    with os.scandir(path) as entries:
        return [
            (key + entry.name + ("/" if entry.is_dir(follow_symlinks=False) else ""), entry.path)
            for entry in entries
            if key or entry.name not in skipped
        ]


def _may_hold(key: str, prefix: str) -> bool:
    return key.startswith(prefix) or (key.endswith("/") and prefix.startswith(key))


def type_of(name: str) -> str:
    """The content type that the name's ending tells of."""
    kind, encoding = mimetypes.guess_type(name)
    return OPAQUE if kind is None or encoding else kind
