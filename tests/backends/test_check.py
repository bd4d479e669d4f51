"""`check` beside a service that goes on: what is on its way is no damage."""

from pathlib import Path

from storage_service.app.backends.blobs import BUCKET_SIDECAR_NEW
from storage_service.app.backends.catalog.auditing import Auditor
from storage_service.app.backends.check import Check
from storage_service.app.backends.findings import Report
from tests.support.store import Store


def checked(store: Store) -> Report:
    auditor = Auditor(str(store.layout.catalog))
    try:
        return Check(auditor, store.blobs, 60_000, deep=True).run()
    finally:
        auditor.close()


def test_bucket_that_is_not_settled_yet_is_no_damage(store: Store) -> None:
    bucket = store.bucket()
    store.put(bucket.id, "key")
    report = checked(store)
    assert (report.problems, report.notes, report.objects) == ([], [], 1)


def test_bucket_sidecar_that_was_cut_while_it_was_written_is_a_leftover_until_it_is_written_again(store: Store) -> None:
    store.bucket()
    directory: Path = store.layout.root / "photos"
    directory.mkdir()
    (directory / BUCKET_SIDECAR_NEW).write_bytes(b"{")
    report = checked(store)
    assert (report.problems, [note.code for note in report.notes]) == ([], ["leftover"])
    store.settle()
    report = checked(store)
    assert (report.problems, report.notes) == ([], [])
