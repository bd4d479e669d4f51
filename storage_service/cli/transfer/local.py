"""A directory of this machine: the files in it, and where a key may be written below it."""

import errno
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

MAX_NAME_BYTES = 255
# What a download grows in until it is whole; one that was killed leaves it behind.
PART = re.compile(r"\..*\.[0-9a-f]{8}\.part", re.DOTALL)
Identity = tuple[int, int]  # device and inode


@dataclass(frozen=True, slots=True)
class LocalFile:
    """`path` is relative to what was scanned, with slashes."""

    path: str
    size: int
    file: Path


@dataclass(slots=True)
class Tree:
    """The regular files below a directory. Reading them fills `notes` (left out on purpose) and `faults`."""

    root: Path
    follow_links: bool = False
    notes: list[str] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)

    def files(self) -> Iterator[LocalFile]:
        """Raises: OSError if the root itself cannot be read."""
        waiting: list[tuple[Path, str, tuple[Identity, ...]]] = [(self.root, "", (_identity(self.root),))]
        while waiting:
            directory, prefix, above = waiting.pop()
            for entry in self._entries(directory):
                path, file = f"{prefix}{entry.name}", Path(entry.path)
                try:
                    if not self._is_meant(entry, path):
                        continue
                    if not entry.is_dir():
                        yield LocalFile(path, entry.stat().st_size, file)
                    elif (identity := _identity(file)) in above:
                        self.notes.append(f"{path}: leads back to where it is")
                    else:
                        waiting.append((file, f"{path}/", (*above, identity)))
                except OSError as error:
                    self.faults.append((path, error.strerror or "unreadable"))

    def _entries(self, directory: Path) -> list["os.DirEntry[str]"]:
        try:
            with os.scandir(directory) as found:
                return sorted(found, key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            if directory == self.root:
                raise
            self.faults.append((os.fsencode(directory).decode(errors="replace"), error.strerror or "unreadable"))
            return []

    def _is_meant(self, entry: "os.DirEntry[str]", path: str) -> bool:
        try:
            path.encode()
        except UnicodeEncodeError:
            self.faults.append((os.fsencode(path).decode(errors="replace"), "its name is not UTF-8"))
            return False
        if PART.fullmatch(entry.name):
            return False
        if entry.is_symlink() and not self.follow_links:
            self.notes.append(f"{path}: a symbolic link; --follow-links takes what it leads to")
            return False
        if not entry.is_file() and not entry.is_dir():  # also a link to nowhere
            self.notes.append(f"{path}: no file and no directory")
            return False
        return True


def _identity(directory: Path) -> Identity:
    found = directory.stat()
    return found.st_dev, found.st_ino


def file_below(root: Path, path: str) -> Path:
    """Where a key lies below a directory, and nowhere else. Raises: OSError if it cannot be a file name there."""
    if not is_file_path(path):
        raise OSError(errno.EINVAL, "this key cannot be a file name", path)
    target = root.joinpath(*path.split("/"))
    if not target.parent.resolve().is_relative_to(root.resolve()):  # a link on the way leads out
        raise OSError(errno.EXDEV, "a symbolic link leads out of the target directory", os.fspath(target.parent))
    return target


def is_file_path(path: str) -> bool:
    """Whether all its parts can be names of files, and none leads elsewhere."""
    return all(map(_is_name, path.split("/")))


def _is_name(name: str) -> bool:
    return name not in {"", ".", ".."} and "\0" not in name and len(name.encode()) <= MAX_NAME_BYTES


def remove(root: Path, file: Path) -> None:
    """Delete a file, and the directories that are empty without it. Raises: OSError."""
    file.unlink()
    for directory in file.parents:
        if directory == root or not directory.is_relative_to(root):
            return
        try:
            directory.rmdir()
        except OSError:  # not empty
            return
