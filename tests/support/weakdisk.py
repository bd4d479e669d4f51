"""A disk in memory that keeps after a power cut only what it must, and of the rest whatever a test chooses.

The rules are POSIX's, not those of one file system:
- bytes and times of a file survive once it was synced; before, each file keeps what it had, or all, or a part;
- a name survives once its directory was synced; before, any of the changes of names may be kept and any lost,
  whatever their order; a rename is kept or lost as a whole;
- syncing a file says nothing of its name, syncing a directory nothing of the files in it, nor of its own name.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from storage_service.app.backends.disk import Disk, FileStat

Keeps = Callable[[str], int]  # of a choice (its name, for people): 0 = lost, 1 = kept, 2 = of bytes: a part


class PowerCut(BaseException):
    """The machine is off: nothing the program does from here on happens."""


@dataclass(eq=False)
class Node:
    """A file or a directory, as the program sees it and as it is safe."""

    inode: int
    is_dir: bool
    data: bytes = b""
    mtime_ns: int = 0
    safe_data: bytes = b""
    safe_mtime_ns: int = 0
    names: dict[str, Node] = field(default_factory=dict)
    safe_names: dict[str, Node] = field(default_factory=dict)


class Naming(NamedTuple):
    """One name of one directory set to a node, or to nothing."""

    directory: Node
    name: str
    node: Node | None


Move = tuple[Naming, ...]  # what one call did to names: kept or lost as a whole


class WeakDisk(Disk):
    """`Disk` in memory. `cut_at`: the call, counted from 0, before which the power goes."""

    def __init__(self, *directories: str, cut_at: int | None = None) -> None:
        super().__init__()
        self._inodes = itertools.count(2)
        self._root = Node(1, is_dir=True)
        self._moves: list[Move] = []
        self._open: dict[int, Node] = {}
        self._offsets: dict[int, int] = {}  # of descriptors that do not write at the end
        self._descriptors = itertools.count(100)
        self.cut_at: int | None = None
        self.calls = 0
        self.is_off = False
        for directory in directories:
            self.make_dir(directory)
        self.sync_fs("/")
        self.calls, self.cut_at = 0, cut_at

    # The calls --------------------------------------------------------------------------------------------------

    def _count(self) -> None:
        if self.is_off or self.calls == self.cut_at:
            self.is_off = True
            raise PowerCut
        self.calls += 1

    def _walk(self, path: str) -> Node | None:
        node: Node | None = self._root
        for name in path.strip("/").split("/"):
            if node is None or not name:
                break
            if not node.is_dir:
                raise NotADirectoryError(errno.ENOTDIR, path)
            node = node.names.get(name)
        return node

    def _parent(self, path: str) -> tuple[Node, str]:
        above, _, name = path.rpartition("/")
        parent = self._walk(above)
        if parent is None:
            raise FileNotFoundError(errno.ENOENT, path)
        if not parent.is_dir:
            raise NotADirectoryError(errno.ENOTDIR, path)
        return parent, name

    def _at(self, path: str) -> Node:
        found = self._walk(path)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, path)
        return found

    def _name(self, *move: Naming) -> None:
        for directory, name, node in move:
            if node is None:
                directory.names.pop(name, None)
            else:
                directory.names[name] = node
        self._moves.append(move)

    def _fd(self, node: Node) -> int:
        fd = next(self._descriptors)
        self._open[fd] = node
        return fd

    def create(self, path: str, mode: int) -> int:
        self._count()
        parent, name = self._parent(path)
        if name in parent.names:
            raise FileExistsError(errno.EEXIST, path)
        node = Node(next(self._inodes), is_dir=False)
        self._name(Naming(parent, name, node))
        return self._fd(node)

    def open(self, path: str) -> int:
        self._count()
        return self._fd(self._at(path))

    def write(self, fd: int, data: bytes | memoryview) -> None:
        self._count()
        node = self._open[fd]
        at = self._offsets.get(fd, len(node.data))
        node.data = node.data[:at].ljust(at, b"\0") + bytes(data) + node.data[at + len(data) :]
        if fd in self._offsets:
            self._offsets[fd] += len(data)

    def read(self, fd: int, size: int, offset: int) -> bytes:
        self._count()
        return self._open[fd].data[offset : offset + size]

    def read_into(self, fd: int, buffer: memoryview, offset: int) -> int:
        found = self.read(fd, len(buffer), offset)
        buffer[: len(found)] = found
        return len(found)

    def read_cached(self, path: str, size: int, mtime_ns: int | None) -> bytes | None:
        return None

    def set_times(self, fd: int, mtime_ns: int) -> None:
        self._count()
        self._open[fd].mtime_ns = mtime_ns

    def set_group(self, fd: int, gid: int) -> None:
        self._count()

    def sync_data(self, fd: int) -> None:
        self._count()
        node = self._open[fd]
        node.safe_data, node.safe_mtime_ns = node.data, node.mtime_ns

    def begin_sync(self, fd: int) -> None:
        """A cut may keep or lose what was only begun."""

    def close(self, fd: int) -> None:
        self._count()
        del self._open[fd]

    def fstat(self, fd: int) -> FileStat:
        self._count()
        return _stat(self._open[fd])

    def stat(self, path: str) -> FileStat | None:
        self._count()
        try:
            found = self._walk(path)
        except NotADirectoryError:
            return None
        return _stat(found) if found else None

    def link(self, source: str, target: str) -> None:
        self._count()
        node = self._at(source)
        parent, name = self._parent(target)
        if name in parent.names:
            raise FileExistsError(errno.EEXIST, target)
        self._name(Naming(parent, name, node))

    def rename(self, source: str, target: str) -> None:
        self._count()
        node = self._at(source)
        (above, old), (below, new) = self._parent(source), self._parent(target)
        there = below.names.get(new)
        if there is node:
            return  # two links of one file: nothing happens
        if there is not None and there.is_dir and there.names:
            raise OSError(errno.ENOTEMPTY, target)
        self._name(Naming(below, new, node), Naming(above, old, None))

    def unlink(self, path: str) -> None:
        self._count()
        try:
            parent, name = self._parent(path)
        except FileNotFoundError:
            return
        if name in parent.names:
            self._name(Naming(parent, name, None))

    def make_dir(self, path: str, mode: int = 0o750) -> bool:
        self._count()
        parent, name = self._parent(path)
        if name in parent.names:
            return False
        self._name(Naming(parent, name, Node(next(self._inodes), is_dir=True)))
        return True

    def remove_dir(self, path: str) -> bool:
        self._count()
        found = self._walk(path)
        if found is not None:
            if found.names:
                return False
            parent, name = self._parent(path)
            self._name(Naming(parent, name, None))
        return True

    def sync_dir(self, path: str) -> None:
        self._count()
        directory = self._at(path)
        pending: list[Move] = []
        for move in self._moves:
            if any(naming.directory is directory for naming in move):
                self._settle(move, pending)
            else:
                pending.append(move)
        self._moves = pending

    @staticmethod
    def _settle(move: Move, pending: list[Move]) -> None:
        """Make a move safe. Earlier ones of the same names, in another directory of a rename, have been overtaken."""
        _apply(move)
        settled = {(id(naming.directory), naming.name) for naming in move}
        for index, earlier in enumerate(pending):
            pending[index] = tuple(one for one in earlier if (id(one.directory), one.name) not in settled)

    def sync_fs(self, path: str) -> None:
        self._count()
        for move in self._moves:
            _apply(move)
        self._moves = []
        for node in _reachable(self._root):
            node.safe_data, node.safe_mtime_ns = node.data, node.mtime_ns

    def names(self, path: str) -> list[str]:
        self._count()
        found = self._walk(path)
        return list(found.names) if found is not None and found.is_dir else []

    def clone(self, source: str, target: str, mode: int) -> bool:
        self._count()
        return False

    def extend(self, path: str, offset: int, mode: int) -> int:
        try:
            fd = self.create(path, mode)
        except FileExistsError:
            fd = self.open(path)
        if len(self._open[fd].data) < offset:
            raise OSError(errno.EIO, path)
        self._open[fd].data = self._open[fd].data[:offset]
        return fd

    def open_at(self, path: str, offset: int) -> int:
        fd = self.open(path)
        self._offsets[fd] = offset
        return fd

    def copy_range(self, source: int, target: int, offset: int, size: int) -> None:
        self.write(target, self.read(source, size, offset))

    @contextlib.contextmanager
    def mapped(self, path: str, offset: int, size: int) -> Iterator[memoryview]:
        self._count()
        yield memoryview(self._at(path).data)[offset : offset + size]

    def lock_dir(self, path: str) -> int | None:
        return self.open(path)

    def set_mode(self, fd: int, mode: int) -> None:
        self._count()

    def free_inodes(self, path: str) -> int:
        return 1 << 40

    def free_bytes(self, path: str) -> int:
        self._count()
        return 1 << 40

    # The cut ----------------------------------------------------------------------------------------------------

    def copy(self) -> WeakDisk:
        """The same, all of it safe."""
        return self.after_cut(lambda _: 1)

    def after_cut(self, keeps: Keeps) -> WeakDisk:
        """The disk at the next start; this one is as it was. Everything on it is safe."""
        survivor = type(self)()
        copies: dict[Node, Node] = {}
        names: dict[Node, dict[str, Node]] = {}

        def names_of(directory: Node) -> dict[str, Node]:
            return names.setdefault(directory, dict(directory.safe_names))

        for move in self._moves:
            if keeps("names " + " ".join(naming.name for naming in move)):
                for directory, name, node in move:
                    if node is None:
                        names_of(directory).pop(name, None)
                    else:
                        names_of(directory)[name] = node

        def copy(node: Node) -> Node:
            if node in copies:
                return copies[node]
            made = copies[node] = Node(node.inode, node.is_dir)
            if node.is_dir:
                made.names = {name: copy(below) for name, below in names_of(node).items()}
                made.safe_names = dict(made.names)
            else:
                made.data, made.mtime_ns = _surviving(node, keeps)
                made.safe_data, made.safe_mtime_ns = made.data, made.mtime_ns
            return made

        survivor._root = copy(self._root)
        survivor._inodes = itertools.count(next(self._inodes))
        return survivor


def _surviving(node: Node, keeps: Keeps) -> tuple[bytes, int]:
    if (node.data, node.mtime_ns) == (node.safe_data, node.safe_mtime_ns):
        return node.data, node.mtime_ns
    choice = keeps(f"bytes of {node.inode}")
    if choice == 0:
        return node.safe_data, node.safe_mtime_ns
    if choice == 1:
        return node.data, node.mtime_ns
    half, length = len(node.data) // 2, len(node.data)  # the length came through, not all bytes
    return node.data[:half] + node.safe_data[half:length].ljust(length - half, b"\0"), node.mtime_ns


def _apply(move: Move) -> None:
    for directory, name, node in move:
        if node is None:
            directory.safe_names.pop(name, None)
        else:
            directory.safe_names[name] = node


def _reachable(root: Node) -> Iterator[Node]:
    """Each node once, as the program sees them."""
    seen, waiting = {root}, [root]
    while waiting:
        node = waiting.pop()
        yield node
        for below in node.names.values():
            if below not in seen:
                seen.add(below)
                waiting.append(below)


def _stat(node: Node) -> FileStat:
    return FileStat(len(node.data), node.mtime_ns, node.inode, not node.is_dir, node.is_dir)
