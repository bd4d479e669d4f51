"""The example backend, imported afresh with settings of its own, and what tests ask of it."""

import importlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from fastapi.testclient import TestClient
from jose import jwt
from sqlalchemy import text

from alembic import command
from tests.support.service import REPOSITORY, SECRET_KEY

HOME = REPOSITORY / "examples" / "document_backend"
PACKAGES = ("controller", "core", "db", "main", "models", "routers", "scripts", "services")
TABLES = ("attachment", "attachment_staging")
USER = 123


class Backend:
    """Its modules, its database, its storage."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.settings = settings
        self.files = Path(settings["LOCAL_STORAGE_PATH"])
        self.alembic = Config(HOME / "alembic.ini")

    def module(self, name: str) -> Any:
        return importlib.import_module(name)

    @property
    def document(self) -> Any:
        return self.module("controller.document")

    @property
    def models(self) -> Any:
        return self.module("models.document")

    def session(self) -> Any:
        return self.module("db.session").new_session()

    def upgrade(self, revision: str = "head") -> None:
        command.upgrade(self.alembic, revision)

    def downgrade(self, revision: str) -> None:
        command.downgrade(self.alembic, revision)

    def start(self, **settings: str) -> Any:
        """The storage service, as the app's start makes it."""
        found = self.module("core.config").get_settings().model_dump() | settings
        return self.module("services.object_storage_service").init_storage_service(found)

    def upload(self, name: str = "passport.pdf", content: bytes = b"content") -> Any:
        from io import BytesIO  # noqa: PLC0415

        return self.document.Upload(name, "application/pdf", BytesIO(content))

    def legacy(self, name: str, content: bytes, *, staged: bool = False) -> int:
        """A document of the time before object storage: a plain local file and a row."""
        path = self.files / f"legacy-{staged}-{name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        model = self.models.AttachmentStaging if staged else self.models.Attachment
        row = model(user_id=USER, filename=name, content_type="text/plain", filepath=str(path))
        with self.session() as session:
            session.add(row)
            session.commit()
            return int(row.id)

    def migrate(self, *words: str) -> Any:
        return self.module("scripts.migrate_documents_to_storage").migrate(words)

    def command(self, *words: str) -> list[str]:
        """The operator's command line."""
        return [sys.executable, "-m", "scripts.migrate_documents_to_storage", *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words), cwd=HOME, env=self.environment, capture_output=True, text=True, check=False
        )

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return inherited | self.settings | {"PYTHONPATH": str(REPOSITORY)}

    def rows(self) -> int:
        with self.session() as session:
            return sum(session.scalar(text(f"SELECT count(*) FROM document.{table}")) for table in TABLES)

    def local_files(self) -> list[Path]:
        return [path for path in self.files.rglob("*") if path.is_file()]

    @contextmanager
    def client(self, user: int = USER) -> Iterator[TestClient]:
        token = jwt.encode({"sub": str(user), "exp": int(time.time()) + 600}, SECRET_KEY, "HS256")
        with TestClient(self.module("main").app, headers={"authorization": f"Bearer {token}"}) as client:
            yield client

    def drop(self) -> None:
        """Leave no table behind, in a database that others use after us."""
        self.downgrade("base")
        self.module("db.session").get_engine().dispose()


def forget_modules() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in PACKAGES]:
        del sys.modules[name]


@contextmanager
def backend_of(settings: dict[str, str]) -> Iterator[Backend]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        patch.syspath_prepend(HOME)
        patch.chdir(settings["LOCAL_STORAGE_PATH"] + "/..")  # no .env there
        forget_modules()
        try:
            yield Backend(settings)
        finally:
            forget_modules()
