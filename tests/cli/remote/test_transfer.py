"""The engine below `cp` and `sync`, without a service: comparing, running steps, export paths."""

import hashlib
import threading
from pathlib import Path

import pytest

from storage_service.cli.transfer.export import paths_of
from storage_service.cli.transfer.local import file_below
from storage_service.cli.transfer.meter import Meter
from storage_service.cli.transfer.run import Report, Run
from storage_service.cli.transfer.steps import Step
from storage_service.cli.transfer.stored import StoredFile, alike, holds
from storage_service.client import ClientError, ConnectionFailed
from storage_service.client.digests import Digest
from storage_service.client.source import Progress

BODY = b"123456789"
SHA256, MD5 = hashlib.sha256(BODY).hexdigest(), hashlib.md5(BODY).hexdigest()
PARTS = f"{MD5}-2"


def crc() -> str:
    digest = Digest("crc64nvme")
    digest.update(BODY)
    return digest.text()


def stored(etag: str = PARTS, sha256: str | None = None, crc64nvme: str | None = None, size: int = 9) -> StoredFile:
    return StoredFile("a", size, "b", "a", etag, sha256, crc64nvme, 0.0)


@pytest.mark.parametrize(
    ("found", "same"),
    [
        (stored(sha256=SHA256), True),
        (stored(etag=MD5, sha256="0" * 64), False),  # the better digest decides
        (stored(etag=MD5), True),
        (stored(etag="0" * 32), False),
        (stored(crc64nvme=crc()), True),  # as of an upload in parts by S3
        (stored(crc64nvme="AAAAAAAAAAA="), False),
        (stored(), False),  # nothing to compare by: it is sent again
        (stored(sha256=SHA256, size=8), False),
    ],
)
def test_local_file_is_compared_by_the_best_digest_there_is(tmp_path: Path, found: StoredFile, same: bool) -> None:
    file = tmp_path / "a"
    file.write_bytes(BODY)
    assert holds(file, found) is same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (stored(sha256="1"), stored(etag="x", sha256="1"), True),
        (stored(sha256="1"), stored(sha256="2"), False),
        (stored(sha256="1", crc64nvme="c"), stored(etag="x", crc64nvme="c"), True),
        (stored(etag="x"), stored(etag="x"), True),
        (stored(etag="x"), stored(etag="x", size=1), False),
    ],
)
def test_objects_are_compared_by_what_is_known_of_both(one: StoredFile, other: StoredFile, same: bool) -> None:
    assert alike(one, other) is same


def failing(error: Exception) -> Step:
    def work(_: Progress) -> None:
        raise error

    return Step("from", "to", 1, work)


def passing(done: list[int]) -> Step:
    return Step("from", "to", 5, lambda _: done.append(1))


def run_of(*steps: Step) -> Report:
    run = Run(1, Meter(0))
    run.copy(steps)
    return run.report


def test_step_that_fails_does_not_stop_the_others() -> None:
    done: list[int] = []
    report = run_of(failing(ClientError("no")), failing(OSError(2, "missing")), passing(done))
    assert (report.failed, report.copied, report.copied_bytes) == ([("from", "no"), ("from", "missing")], 1, 5)


def test_lost_service_ends_the_run() -> None:
    done: list[int] = []
    report = run_of(failing(ConnectionFailed("gone")), passing(done))
    assert (report.failed, done) == ([("from", "gone")], [])


def test_fault_of_the_program_ends_the_run_and_what_is_on_its_way() -> None:
    begun, ended = threading.Event(), threading.Event()

    def long(progress: Progress) -> None:
        begun.set()
        try:
            while True:
                progress(1, None)
        finally:
            ended.set()

    def wrong(_: Progress) -> None:
        begun.wait(60)
        raise ZeroDivisionError

    run = Run(2, Meter(0))
    with pytest.raises(ZeroDivisionError):
        run.copy([Step("", "", 0, wrong), Step("", "", 0, long)])
    assert ended.is_set()


def test_file_below_stays_below(tmp_path: Path) -> None:
    assert file_below(tmp_path, "a/b") == tmp_path / "a/b"
    for path in ("", "..", "a/../b", "/a", "a\0b"):
        with pytest.raises(OSError, match="cannot be a file name"):
            file_below(tmp_path, path)


def test_every_key_has_a_path_of_its_own_in_an_export() -> None:
    keys = ["a", "a/b", "a/b/c", "../x", "/y", "z/", "ok"]
    paths = paths_of(keys)
    assert len({*paths.values()}) == len(keys)
    assert {key for key, path in paths.items() if path == f"objects/{key}"} == {"a/b/c", "ok"}
    assert all(path.startswith("odd/") for key, path in paths.items() if key not in {"a/b/c", "ok"})
