"""The part of `check` that walks the view: names that are links, foreign, edited, or behind the catalog."""

import os
import stat
import time
from collections.abc import Collection, Iterator
from typing import NamedTuple

from storage_service.app.backends.blobs import BLOBS, BUCKET_SIDECAR, BUCKET_SIDECAR_NEW, SERVICE, LocalBlobs
from storage_service.app.backends.catalog.auditing import Auditor
from storage_service.app.backends.findings import Finding, Report
from storage_service.app.core.objects import BlobName, Bucket, Version, is_uuid

LAG_SECONDS = 1.0  # the view follows settle; what looks wrong gets this long
NAMES_AT_ONCE = 500


class Name(NamedTuple):
    """A name below a bucket's directory, links not followed."""

    key: str
    found: os.stat_result


class ViewCheck:
    """Walks by open directories, so that a planted link leads nowhere."""

    def __init__(self, catalog: Auditor, blobs: LocalBlobs) -> None:
        self._catalog = catalog
        self._blobs = blobs

    def check(self, bucket: Bucket, report: Report, rowless: Collection[int] = ()) -> None:
        """`rowless`: inodes of blobs that no row names; a name of one is nobody else's."""
        suspects: list[Name] = []
        for names in self._names(bucket):
            wrong = self._wrong(bucket, names)
            report.shown += len(names) - len(wrong)
            suspects += wrong
        if suspects:
            time.sleep(LAG_SECONDS)
            for finding in self._judge(bucket, suspects, rowless):
                (report.notes if finding.code in {"view_stale", "leftover"} else report.problems).append(finding)

    def _names(self, bucket: Bucket) -> Iterator[list[Name]]:
        """All names of the view, some at a time."""
        top = f"{self._blobs.root}/{bucket.name}"
        if not os.path.isdir(top):  # not settled yet, or gone: its sidecar's matter
            return
        for path, directories, files, fd in os.fwalk(top):
            if path == top:
                directories[:] = [name for name in directories if name != BLOBS]
                files = [name for name in files if name != BUCKET_SIDECAR]  # noqa: PLW2901
            prefix = path[len(top) + 1 :] + "/" if path != top else ""
            found = [_name_at(prefix, name, fd) for name in [*directories, *files]]
            names = [name for name in found if name is not None and not stat.S_ISDIR(name.found.st_mode)]
            for start in range(0, len(names), NAMES_AT_ONCE):
                yield names[start : start + NAMES_AT_ONCE]

    def _wrong(self, bucket: Bucket, names: list[Name]) -> list[Name]:
        """Those that do not show the current version of their key."""
        heads = self._catalog.heads(bucket.id, [name.key for name in names if _is_text(name.key)])
        return [name for name in names if not self._shows(bucket, name, heads.get(name.key))]

    def _shows(self, bucket: Bucket, name: Name, version: Version | None) -> bool:
        if version is None or not stat.S_ISREG(name.found.st_mode):
            return False
        if (name.found.st_size, name.found.st_mtime_ns) == (version.size, version.mtime_ns):
            return True  # a reflink, or as good as one
        blob = self._blobs.stat(BlobName(bucket.name, version.version_id))
        return blob is not None and blob.inode == name.found.st_ino

    def _judge(self, bucket: Bucket, suspects: list[Name], rowless: Collection[int]) -> Iterator[Finding]:
        owed = self._catalog.owed_keys(bucket.id)
        for suspect in suspects:
            if suspect.key in owed:
                continue
            name = _look_again(f"{self._blobs.root}/{bucket.name}", suspect.key)
            if name is not None and not (_is_text(name.key) and not self._wrong(bucket, [name])):
                yield self._finding(bucket, name, rowless)

    def _finding(self, bucket: Bucket, name: Name, rowless: Collection[int]) -> Finding:
        shown = name.key if _is_text(name.key) else ascii(name.key)
        if not stat.S_ISREG(name.found.st_mode):
            return Finding("symlink", bucket.name, shown, None, "a link or a special file, which is never followed")
        if _is_temporary(name.key):
            return Finding("leftover", bucket.name, shown, None, "a name that an interrupted change left")
        history = self._catalog.history(bucket.id, name.key) if _is_text(name.key) else []
        if name.found.st_ino in rowless or any(self._shows(bucket, name, version) for version in history):
            detail = "shows what is not current; `storage view --rebuild` sets it right"
            return Finding("view_stale", bucket.name, shown, None, detail)
        head = next((version for version in history if version.gone_ms is None and not version.is_marker), None)
        if head is not None and name.found.st_mtime_ns > head.at_ms * 1_000_000:
            detail = "the file was replaced in the view after the upload; `storage check --accept` takes it over"
            return Finding("view_edited", bucket.name, shown, head.version_id, detail)
        return Finding("view_foreign", bucket.name, shown, None, "a file of somebody else's among the bucket's files")


def _name_at(prefix: str, name: str, fd: int) -> Name | None:
    try:
        return Name(prefix + name, os.stat(name, dir_fd=fd, follow_symlinks=False))
    except FileNotFoundError:
        return None


def _look_again(top: str, key: str) -> Name | None:
    try:
        return Name(key, os.lstat(f"{top}/{key}"))
    except (FileNotFoundError, NotADirectoryError):
        return None


def _is_text(name: str) -> bool:
    """Whether the name is UTF-8; others cannot be keys."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_temporary(key: str) -> bool:
    name = key.rpartition("/")[2]
    return key == BUCKET_SIDECAR_NEW or (name.startswith(f"{SERVICE}.") and is_uuid(name.removeprefix(f"{SERVICE}.")))
