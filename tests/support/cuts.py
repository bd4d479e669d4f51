"""A file system in a loop-mounted image whose power can be cut and brought back.

The cut is the "goingdown" ioctl of XFS and ext4. From that moment no write reaches the image, so
after unmounting and mounting again exactly that is there which a dead machine would have found.
"""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal

from tests.support.tools import require_root, require_tool

FileSystem = Literal["xfs", "ext4"]
CutValue = Literal[1, 2]
FILE_SYSTEMS: Final[tuple[FileSystem, ...]] = ("xfs", "ext4")
# 1: the journal is flushed, data are not (names without bytes). 2: all that was not synced goes.
CUT_VALUES: Final[tuple[CutValue, ...]] = (1, 2)

# _IOR('X', 125, __u32), see the kernel's fs/xfs/libxfs/xfs_fs.h and fs/ext4/ext4.h
_GOINGDOWN: Final = (2 << 30) | (4 << 16) | (ord("X") << 8) | 125
_IMAGE_MIB: Final = 320
# ext4's default flushes data on replace-by-rename, which would hide a missing fsync. XFS: a copy has the id of its
# original, and both may be mounted.
_MOUNT_OPTIONS: Final[dict[FileSystem, str]] = {"xfs": "loop,nouuid", "ext4": "loop,noauto_da_alloc"}
_MAKE: Final[dict[FileSystem, list[str]]] = {
    "xfs": ["mkfs.xfs", "-q", "-f"],
    "ext4": ["mkfs.ext4", "-q", "-F"],
}
_UNMOUNT_SECONDS: Final = 20.0


class CutDisk:
    """One mounted image. Kill every process on it before `power_on`."""

    def __init__(self, kind: FileSystem, image: Path, mount_point: Path) -> None:
        self.kind = kind
        self.mount_point = mount_point
        self._image = image

    def format(self, size_mib: int) -> None:
        with self._image.open("wb") as file:
            file.truncate(size_mib << 20)
        subprocess.run([*_MAKE[self.kind], str(self._image)], check=True, capture_output=True)
        self.mount_point.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def mounted(self) -> Iterator[Path]:
        """The mount point while it is mounted. Kill every process on it before the end."""
        self.mount_point.mkdir(parents=True, exist_ok=True)
        try:
            self.mount()
            yield self.mount_point
        finally:
            self.unmount()

    def mount(self) -> None:
        command = ["mount", "-t", self.kind, "-o", _MOUNT_OPTIONS[self.kind]]
        command += [str(self._image), str(self.mount_point)]
        subprocess.run(command, check=True, capture_output=True)

    def power_cut(self, value: CutValue) -> int:
        """Cuts the power; returns time.monotonic_ns() from just before the cut."""
        fd = os.open(self.mount_point, os.O_RDONLY)
        try:
            stamp = time.monotonic_ns()
            fcntl.ioctl(fd, _GOINGDOWN, struct.pack("I", value))
        finally:
            os.close(fd)
        return stamp

    def copy_as_cut(self, value: CutValue, image: Path) -> None:
        """What a cut would leave now, as an image to mount; the power stays on. Nothing may write meanwhile."""
        if value == 1:
            self._flush_journal()
        command = ["cp", "--sparse=always", "--reflink=auto", str(self._image), str(image)]
        written_ns = -1
        while written_ns != (written_ns := self.written_ns):  # the kernel writes back when it likes
            subprocess.run(command, check=True, capture_output=True)

    @property
    def written_ns(self) -> int:
        """When a write last reached the image, nanoseconds since 1970."""
        return self._image.stat().st_mtime_ns

    def _flush_journal(self) -> None:
        """A file's sync writes all of the journal before it, and no other file's data."""
        fd = os.open(self.mount_point / ".flush", os.O_CREAT | os.O_WRONLY)
        try:
            os.utime(fd)
            os.fsync(fd)
        finally:
            os.close(fd)

    def power_on(self) -> None:
        """Unmounts what is left and mounts again, which replays the file system's log."""
        self.unmount()
        self.mount()

    def discard(self) -> None:
        """Unmounts, whatever still holds on, and removes the image."""
        with suppress(subprocess.CalledProcessError, TimeoutError):
            self.unmount()
        if self._is_mounted():
            subprocess.run(["umount", "--lazy", str(self.mount_point)], check=False)
        self._detach()
        self._image.unlink(missing_ok=True)

    def unmount(self) -> None:
        deadline = time.monotonic() + _UNMOUNT_SECONDS
        while self._is_mounted():
            done = subprocess.run(["umount", str(self.mount_point)], check=False, capture_output=True)
            if done.returncode and time.monotonic() > deadline:
                done.check_returncode()
            if done.returncode:  # a killed process may still be closing its files
                time.sleep(0.05)
        while self._is_attached():  # a mount that meets the dying loop device takes it over, and gets EIO
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._image} is still in use")
            time.sleep(0.01)

    def _is_attached(self) -> bool:
        for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
            with suppress(OSError):  # it may go away meanwhile
                if backing.read_text().rstrip("\n") == str(self._image.resolve()):
                    return True
        return False

    def _is_mounted(self) -> bool:
        # Not os.path.ismount: after a cut XFS answers stat with EIO, which it takes for "no".
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8")
        return any(line.split(" ")[1] == str(self.mount_point) for line in mounts.splitlines())

    def _detach(self) -> None:
        listed = subprocess.run(
            ["losetup", "--noheadings", "--output", "NAME", "--associated", str(self._image)],
            check=False,
            capture_output=True,
            text=True,
        )
        for device in listed.stdout.split():
            subprocess.run(["losetup", "--detach", device], check=False)


@contextmanager
def cut_disk(directory: Path, kind: FileSystem, size_mib: int = _IMAGE_MIB) -> Iterator[CutDisk]:
    """A fresh mounted file system below `directory`; unmounted and detached in any case."""
    require_root()
    for tool in ("mount", "umount", "losetup", _MAKE[kind][0]):
        require_tool(tool)
    name = f"{kind}-{time.monotonic_ns()}"
    disk = CutDisk(kind, directory / f"{name}.img", directory / name)
    disk.format(size_mib)
    try:
        disk.mount()
        yield disk
    finally:
        disk.discard()
