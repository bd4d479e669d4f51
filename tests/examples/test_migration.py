"""The move of documents from local files to a bucket."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from storage_service.providers import S3StorageProvider
from tests.examples.backend import HOME, USER, Backend

COUNT = 25


@pytest.fixture
def legacy(backend: Backend) -> Backend:
    """25 attachments and 3 staged ones, as plain local files."""
    for number in range(COUNT):
        backend.legacy(f"{number}.txt", f"content of {number}".encode())
    for number in range(3):
        backend.legacy(f"{number}.txt", f"staged {number}".encode(), staged=True)
    return backend


@pytest.fixture
def moved(legacy: Backend, s3_settings: dict[str, str]) -> Backend:
    """The same with the bucket's settings."""
    legacy.settings |= s3_settings
    config = legacy.module("core.config")
    made = config.get_settings().model_copy(update=s3_settings)
    config.get_settings.cache_clear()
    for module in ("core.config", "scripts.migrate_documents_to_storage", "controller.document"):
        legacy.module(module).get_settings = lambda: made
    return legacy


def contents(backend: Backend) -> dict[str, bytes]:
    """What each stored document holds."""
    service = backend.start()
    return {
        name: service.retrieve_encrypted_document(name)["content"] for name in service.provider.list_files("documents/")
    }


def counts(statistics: Any) -> tuple[int, int, int, int]:
    return (
        statistics.total_files,
        statistics.successful_migrations,
        statistics.failed_migrations,
        statistics.skipped_files,
    )


@pytest.mark.parametrize("workers", ["1", "4"])
def test_every_document_is_moved_once(moved: Backend, capsys: pytest.CaptureFixture[str], workers: str) -> None:
    assert counts(moved.migrate("s3", "--workers", workers)) == (28, 28, 0, 0)
    batches = capsys.readouterr().out.splitlines()
    assert [line.partition(",")[0] for line in batches] == ["total: 10", "total: 20", "total: 25", "total: 28"]
    stored = contents(moved)
    assert sorted(stored.values()) == sorted(
        [*(f"content of {n}".encode() for n in range(COUNT)), *(f"staged {n}".encode() for n in range(3))]
    )
    assert counts(moved.migrate("s3")) == (28, 0, 0, 28)
    assert counts(moved.migrate("--verify")) == (28, 28, 0, 0)
    assert len(moved.local_files()) == 28
    assert contents(moved).keys() == stored.keys()


def test_rows_say_where_their_document_is_now(moved: Backend, bucket: S3StorageProvider) -> None:
    moved.migrate("s3")
    with moved.session() as session:
        row = session.get(moved.models.Attachment, 1)
        staged = session.get(moved.models.AttachmentStaging, 1)
        day = row.created_at.strftime("%Y/%m/%d")
        assert row.storage_path == f"s3://{bucket.bucket}/documents/user_{USER}/{day}/1_0.txt_txt.json"
        assert staged.storage_path == f"s3://{bucket.bucket}/documents/user_{USER}/{day}/staging-1_0.txt_txt.json"
        assert (row.storage_type, staged.storage_type) == ("s3", "s3")
        got = moved.document.download_attachment_by_id(session, 1, USER)
        assert b"".join(got["chunks"]) == b"content of 0"


def test_documents_of_the_backend_itself_move_too(moved: Backend) -> None:
    """Their local files are encrypted already."""
    moved.start(STORAGE_TYPE="local")
    with moved.session() as session:
        row = moved.document.upload_staged_file(session, moved.upload("a.pdf", b"new"), USER)
    assert counts(moved.migrate("s3")) == (29, 29, 0, 0)
    assert b"new" in contents(moved).values()
    assert Path(row.filepath).exists()


def test_failures_are_told_and_do_not_stop_the_others(moved: Backend) -> None:
    (moved.files / "legacy-False-7.txt").unlink()
    (moved.files / "legacy-True-1.txt").unlink()
    statistics = moved.migrate("s3")
    assert counts(statistics) == (28, 26, 2, 0)
    assert [error.partition(":")[0] for error in statistics.errors] == ["attachment 8", "attachment_staging 2"]
    assert counts(moved.migrate("--verify")) == (28, 26, 0, 2)
    (moved.files / "legacy-False-7.txt").write_bytes(b"content of 7")
    assert counts(moved.migrate("s3")) == (28, 1, 1, 26)


def test_bucket_that_is_not_there_fails_every_document_and_changes_none(moved: Backend) -> None:
    made = moved.module("core.config").get_settings().model_copy(update={"S3_ENDPOINT_URL": "http://127.0.0.1:9"})
    moved.module("scripts.migrate_documents_to_storage").get_settings = lambda: made
    assert counts(moved.migrate("s3", "--workers", "16", "--batch-size", "28")) == (28, 0, 28, 0)
    with moved.session() as session:
        assert session.get(moved.models.Attachment, 1).storage_path is None


def test_verify_finds_what_differs(moved: Backend, bucket: S3StorageProvider) -> None:
    moved.migrate("s3")
    (moved.files / "legacy-False-0.txt").write_bytes(b"changed meanwhile")
    names = list(bucket.list_files())
    bucket.delete_file(next(name for name in names if "/2_1.txt" in name))
    altered = next(name for name in names if "/3_2.txt" in name)
    bucket.upload_file(altered, bucket.download_file(altered).replace(b'"tag":"', b'"tag":"A'))
    statistics = moved.migrate("--verify")
    assert counts(statistics) == (28, 25, 3, 0)
    assert [error.partition(":")[0] for error in statistics.errors] == [f"attachment {n}" for n in (1, 2, 3)]
    with moved.session() as session:
        assert session.get(moved.models.Attachment, 2).storage_path is not None  # nothing was changed


def test_local_files_are_deleted_only_when_verified_in_this_run(moved: Backend, bucket: S3StorageProvider) -> None:
    moved.migrate("s3")
    damaged = next(name for name in bucket.list_files() if "/5_4.txt" in name)
    bucket.upload_file(damaged, b"damaged")
    assert len(moved.local_files()) == 28
    statistics = moved.migrate("s3", "--delete-local", "--workers", "3")
    assert counts(statistics) == (28, 0, 1, 27)
    assert [path.name for path in moved.local_files()] == ["legacy-False-4.txt"]
    assert counts(moved.migrate("--verify")) == (28, 27, 1, 0)


def test_local_files_are_deleted_after_a_move_in_the_same_run(moved: Backend) -> None:
    assert counts(moved.migrate("s3", "--delete-local")) == (28, 28, 0, 0)
    assert moved.local_files() == []
    assert counts(moved.migrate("--verify")) == (28, 28, 0, 0)


def test_storage_that_is_the_local_directory_is_not_deleted(legacy: Backend) -> None:
    assert counts(legacy.migrate("local", "--delete-local")) == (28, 28, 0, 0)
    assert len(legacy.local_files()) == 28
    assert all("documents" in path.parts for path in legacy.local_files())
    assert counts(legacy.migrate("local", "--delete-local")) == (28, 0, 0, 28)
    assert len(contents(legacy)) == 28


def test_command_line_moves_verifies_and_tells_failures(moved: Backend) -> None:
    done = moved.run("s3")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["done", "total: 28, successful: 28, failed: 0, skipped: 0"]
    assert moved.run("--verify").returncode == 0
    (moved.files / "legacy-False-0.txt").write_bytes(b"changed meanwhile")
    failed = moved.run("--verify")
    assert failed.returncode == 1
    assert "error: attachment 1: s3://" in failed.stdout


@pytest.mark.ci
def test_killed_again_and_again_it_ends_with_every_document_once(moved: Backend, bucket: S3StorageProvider) -> None:
    stored = 0
    for batches in (1, 2, 3):
        command = moved.command("s3", "--batch-size", "3")
        process = subprocess.Popen(command, cwd=HOME, env=moved.environment, stdout=subprocess.PIPE, text=True)
        with process:
            assert process.stdout is not None
            for _ in range(batches):
                assert process.stdout.readline().startswith("total:")
            process.kill()
        before, stored = stored, len(list(bucket.list_files()))
        assert before <= stored < 28
    assert stored >= 9
    done = moved.run("s3", "--workers", "3")
    assert done.returncode == 0, done.stdout
    assert counts(moved.migrate("--verify")) == (28, 28, 0, 0)
    assert len(contents(moved)) == 28


def test_stored_but_not_yet_said_in_its_row_is_stored_under_the_same_name(
    moved: Backend, bucket: S3StorageProvider
) -> None:
    def fail(_: Session) -> None:
        raise OSError("power cut")

    event.listen(Session, "before_commit", fail)
    try:
        assert counts(moved.migrate("s3")) == (28, 0, 28, 0)
    finally:
        event.remove(Session, "before_commit", fail)
    names = list(bucket.list_files())
    assert len(names) == 28
    assert counts(moved.migrate("s3")) == (28, 28, 0, 0)
    assert list(bucket.list_files()) == names
