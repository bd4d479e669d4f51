"""`storage migrate-documents` on the example backend's database: the same as the app's own script, without the app."""

import json
import subprocess
import sys
from pathlib import Path

from tests.examples.backend import Backend


def run(backend: Backend, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "storage_service.cli.main", "migrate-documents", *words]
    environment = backend.environment | settings
    return subprocess.run(command, cwd=Path.cwd(), env=environment, capture_output=True, text=True, check=False)


def test_documents_are_moved_verified_and_then_deleted(backend: Backend, s3_settings: dict[str, str]) -> None:
    for number in range(3):
        backend.legacy(f"{number}.txt", f"content of {number}".encode(), staged=number == 2)
    moved = run(backend, "s3", "--json", **s3_settings)
    assert json.loads(moved.stdout) == {
        "total_files": 3,
        "successful_migrations": 3,
        "failed_migrations": 0,
        "skipped_files": 0,
        "errors": [],
    }, moved.stderr
    assert run(backend, "s3", "--verify", **s3_settings).stdout == "total: 3, successful: 3, failed: 0, skipped: 0\n"
    assert len(backend.local_files()) == 3
    again = run(backend, "s3", "--delete-local", "--workers", "2", **s3_settings)
    assert again.stdout == "total: 3, successful: 0, failed: 0, skipped: 3\n", again.stderr
    assert backend.local_files() == []


def test_document_that_fails_is_told(backend: Backend, s3_settings: dict[str, str]) -> None:
    backend.legacy("lost.txt", b"lost")
    backend.local_files()[0].unlink()
    done = run(backend, "s3", **s3_settings)
    assert (done.returncode, done.stdout.splitlines()[0]) == (1, "total: 1, successful: 0, failed: 1, skipped: 0")


def test_missing_settings_are_refused_in_one_line(backend: Backend) -> None:
    for settings in ({"DATABASE_URL": ""}, {"DOCUMENT_KEY_PATH": ""}, {"STORAGE_TYPE": "s3"}):
        done = run(backend, **settings)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1), done.stderr
