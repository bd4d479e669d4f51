"""The Django example: its own tests, by django-storages, against a running service."""

import subprocess
from pathlib import Path

import pytest

from tests.support.service import REPOSITORY, Service
from tests.support.tools import missing

ENVIRONMENT = REPOSITORY / ".venv-clients"
EXAMPLE = REPOSITORY / "examples" / "django_uploads"
KEY, SECRET = "djangoskey", "secret-of-the-example"

pytestmark = [pytest.mark.ci, pytest.mark.timeout(300)]


def test_tests_of_the_example_pass(tmp_path: Path) -> None:
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        missing("Django is not installed (scripts/install-test-clients.sh)")
    settings = {"DURABILITY": "scratch", "STORAGE_KEYS": f"{KEY}:{SECRET}:@service:rw", "STORAGE_BUCKETS": "uploads"}
    with Service(tmp_path / "data", tmp_path / "logs", environment=settings) as service:
        environment = {
            "PATH": str(python.parent),
            "PYTHONDONTWRITEBYTECODE": "1",
            "DJANGO_SECRET_KEY": "of-the-test",
            "DATABASE": str(tmp_path / "files.db"),
            "STORAGE_URL": service.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }
        for command in (["makemigrations", "--check"], ["test"]):
            done = subprocess.run(
                [str(python), "manage.py", *command],
                cwd=EXAMPLE,
                env=environment,
                capture_output=True,
                text=True,
                timeout=240,
                check=False,
            )
            assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-4000:]}"
        assert "Ran 3 tests" in done.stderr
