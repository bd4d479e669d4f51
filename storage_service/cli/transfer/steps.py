"""Single steps: one file up, down, across, or away."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from storage_service.cli.places import Stored
from storage_service.cli.transfer.local import LocalFile, file_below, remove
from storage_service.cli.transfer.said import NOTHING, Said
from storage_service.cli.transfer.stored import StoredFile, alike, holds
from storage_service.cli.transfer.unfinished import Unfinished, default_place
from storage_service.client import Client
from storage_service.client.options import PutOptions
from storage_service.client.source import Progress

PARALLEL_BYTES = 16 * 1024 * 1024  # from here on parts in parallel are worth their requests


@dataclass(frozen=True, slots=True)
class Step:
    """`done_already` is asked first where there is something to compare; `after` follows in any case."""

    source: str
    target: str
    size: int
    work: Callable[[Progress], None]
    done_already: Callable[[], bool] | None = None
    after: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """`size_only`: equal sizes are enough. `move`: what has arrived is deleted where it was.

    `pinned`: what was replaced since it was listed is a failure. `said`: of every object that is made.
    """

    size_only: bool = False
    move: bool = False
    pinned: bool = False
    said: Said = NOTHING


def upload(client: Client, file: LocalFile, target: Stored, there: StoredFile | None, options: Options) -> Step:
    """A local file to a key, which may be taken."""
    before = _stamp(file.file) if options.move else None

    def work(progress: Progress) -> None:
        unfinished = Unfinished(default_place())
        how: PutOptions = {**options.said.options(), "upsert": True, "progress": progress, "resume": unfinished}
        client.bucket(target.bucket).put(target.key, file.file, **how)

    def away() -> None:
        if _stamp(file.file) != before:
            raise OSError(f"{file.file} changed while it was sent; it stays")
        remove(file.file.parents[file.path.count("/")], file.file)

    compare = None if there is None else lambda: options.size_only or holds(file.file, there)
    like_it = there is not None and there.size == file.size and options.said.is_true_of(there.record)
    return Step(
        os.fspath(file.file),
        str(target),
        file.size,
        work,
        compare if like_it else None,
        away if options.move else None,
    )


def _stamp(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_mtime_ns, found.st_size


def download(client: Client, file: StoredFile, place: tuple[Path, str], options: Options) -> Step:
    """An object to a path below a directory, which then holds all of it, or what it held before."""
    root, path = place

    def work(progress: Progress) -> None:
        target = file_below(root, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        if fetch(client, file, target, progress) != file.etag and options.pinned:
            target.unlink()
            raise OSError("it was replaced meanwhile")

    def is_there() -> bool:
        target = file_below(root, path)
        if not target.is_file() or target.is_symlink():
            return False
        return target.stat().st_size == file.size if options.size_only else holds(target, file)

    away = (lambda: client.bucket(file.bucket).delete(file.key)) if options.move else None
    return Step(f"{file.bucket}/{file.key}", os.fspath(root / path), file.size, work, is_there, away)


def fetch(client: Client, file: StoredFile, target: Path, progress: Progress) -> str:
    """Write an object to a path; the ETag of what was written. Raises: ClientError, OSError."""
    bucket = client.bucket(file.bucket)
    if file.size >= PARALLEL_BYTES:
        etag = bucket.download(file.key, target, progress=progress).etag
    else:
        found = bucket.get(file.key, progress=progress)
        found.save(target)
        etag = found.etag
    os.utime(target, (file.at_seconds, file.at_seconds))
    return etag


def copy(client: Client, file: StoredFile, target: Stored, there: StoredFile | None, options: Options) -> Step:
    """An object to another key, by the service. What is said of the copy follows it."""
    bucket = client.bucket(file.bucket)
    said = options.said.given()

    def work(progress: Progress) -> None:
        if options.move:
            bucket.move(file.key, target.key, to_bucket=target.bucket, overwrite=True)
        else:
            made = bucket.copy(file.key, target.key, to_bucket=target.bucket, overwrite=True)
            if said:
                client.bucket(target.bucket).update(target.key, replace=True, if_match=made.etag, **said)
        progress(file.size, file.size)

    same = there is not None and there.size == file.size and (options.size_only or alike(file, there))
    kept = same and not options.move and there is not None and options.said.is_true_of(there.record)
    there_already = (lambda: True) if kept else None
    return Step(f"{file.bucket}/{file.key}", str(target), file.size, work, there_already)


def delete_stored(client: Client, file: StoredFile) -> Step:
    return Step("", f"{file.bucket}/{file.key}", 0, lambda _: client.bucket(file.bucket).delete(file.key))


def delete_local(root: Path, file: LocalFile) -> Step:
    return Step("", os.fspath(file.file), 0, lambda _: remove(root, file.file))
