"""What a user of one room does not need is not loaded: neither extras, nor the server by its client."""

import os
import subprocess
import sys

import pytest

EXTRAS = ("boto3", "botocore", "obstore", "sqlalchemy", "alembic")
SERVER = ("fastapi", "starlette", "uvicorn", "apsw", "storage_service.app")
WITHOUT_EXTRAS = (
    "from storage_service.providers import FilesystemStorage, LocalStorageProvider, FailoverStorageProvider,"
    " ObjectStorageFactory, DocumentCipher, DocumentStorageService, get_storage, init_storage_service"
)


def loaded_by(statement: str, absent: tuple[str, ...] = ()) -> set[str]:
    """The modules a fresh Python has after it, where these are not installed."""
    missing = "".join(f"sys.modules[{name!r}] = None\n" for name in absent)
    text = f"import sys\n{missing}{statement}\nprint(*[name for name, module in sys.modules.items() if module])"
    bare = {name: value for name, value in os.environ.items() if not name.startswith("COV")}  # coverage loads its own
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False, env=bare)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_directories_and_encryption_need_no_extra() -> None:
    loaded = loaded_by(WITHOUT_EXTRAS, EXTRAS)
    assert "storage_service.providers.documents.service" in loaded
    assert loaded.isdisjoint(SERVER)


@pytest.mark.ci
@pytest.mark.parametrize("statement", ["import storage_service.client", "import storage_service.providers"])
def test_importing_it_loads_neither_server_nor_extras(statement: str) -> None:
    loaded = loaded_by(statement)
    assert "storage_service" in loaded
    assert loaded.isdisjoint({*SERVER, *EXTRAS, "awscrt"})


def test_what_only_stands_in_a_requirement_is_never_loaded() -> None:
    """python-jose requires a library whose signatures leak; it has a better one where `cryptography` is."""
    loaded = loaded_by("import storage_service.app.core.tokens, jose.jwt, jose.jwk")
    assert "jose.backends.cryptography_backend" in loaded
    assert "ecdsa" not in loaded


@pytest.mark.ci
def test_every_name_of_the_providers_is_found() -> None:
    loaded = loaded_by("import storage_service.providers as p\nfor name in p.__all__: getattr(p, name)")
    assert {"boto3", "obstore", "sqlalchemy"} <= loaded


@pytest.mark.ci
def test_worker_loads_no_client_and_no_command_line() -> None:
    """Each worker would hold them for ever: httpx alone takes 5 MB, with the command line it brings."""
    loaded = loaded_by("import storage_service.app.process.worker, storage_service.app.main")
    assert "storage_service.app.backends.selfdb" in loaded
    assert loaded.isdisjoint({"httpx", "rich", "typer", "boto3", "obstore"})


@pytest.mark.parametrize(
    ("process", "without"),
    [
        ("supervisor", {"apsw", "dataclasses", "uuid", "ctypes"}),
        ("jobs", {"asyncio", "ssl", "pydantic", "fastapi", "uvicorn"}),
    ],
)
def test_processes_beside_the_workers_stay_small(process: str, without: set[str]) -> None:
    """An idle service is mostly this: each of these takes 1 to 4 MB."""
    loaded = loaded_by(f"import storage_service.app.process.{process}")
    assert f"storage_service.app.process.{process}" in loaded
    assert loaded & without == set()
