"""The description: whole, sound, and taken by the generators people use."""

import json
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.apis.asking import get
from tests.apis.callers import BASE
from tests.apis.test_routes import TABLE

METHODS = ("get", "head", "put", "post", "patch", "delete")
TYPESCRIPT_GENERATOR = "openapi-typescript@7.13.0"
UNDESCRIBED = {"GET /openapi.json", "GET /docs", "GET /redoc", "GET /docs/{name}", "PATCH /buckets/{bucket}"}


def operations(openapi: Any) -> dict[str, Any]:
    return {
        f"{method.upper()} {path}": item[method]
        for path, item in openapi["paths"].items()
        for method in METHODS
        if method in item
    }


async def test_every_route_is_described(client: httpx.AsyncClient) -> None:
    described = {plain(name) for name in operations(await get(client, "/openapi.json"))}
    assert described == TABLE.keys() - UNDESCRIBED


def plain(name: str) -> str:
    """Hot routes stand in the table by their word alone."""
    hot = r"(/files/(?:upload|upload-direct|upload-signed|download|view|public|download-signed)|/storage)/\{.*"
    return re.sub(hot, r"\1", name)


async def test_operations_have_names_words_and_errors(client: httpx.AsyncClient) -> None:
    openapi = await get(client, "/openapi.json")
    found = operations(openapi)
    ids = [operation["operationId"] for operation in found.values()]
    assert len(set(ids)) == len(ids)
    for name, operation in found.items():
        assert re.fullmatch(r"[a-z]+\.[a-z_]+", operation["operationId"]), name
        assert operation["summary"], name
        assert operation["tags"], name
        assert "security" in operation, name
        assert (
            name in {"GET /", "GET /health", "GET /healthz", "GET /readyz"}
            or "401" in operation["responses"]
            or (operation["security"] == [])
        ), name


async def test_document_stands_on_itself(client: httpx.AsyncClient) -> None:
    openapi = await get(client, "/openapi.json")
    assert openapi["openapi"].startswith("3.1")
    assert openapi["servers"] == [{"url": BASE}]
    text = json.dumps(openapi)
    assert "HTTPValidationError" not in text
    for name in set(re.findall(r'"#/components/schemas/([^"]+)"', text)):
        assert name in openapi["components"]["schemas"], name
    schemes = openapi["components"]["securitySchemes"]
    assert schemes["bearer"]["scheme"] == "bearer"
    assert schemes["apikey"] == {**schemes["apikey"], "type": "apiKey", "in": "header", "name": "apikey"}
    for operation in operations(openapi).values():
        for need in operation["security"]:
            assert need.keys() <= schemes.keys()


async def test_field_that_may_be_left_out_has_no_default_to_send(client: httpx.AsyncClient) -> None:
    schemas = (await get(client, "/openapi.json"))["components"]["schemas"]
    assert "default" not in schemas["BucketUpdate"]["properties"]["is_public"]
    assert schemas["BucketCreate"]["required"] == ["name"]


@pytest.mark.ci
@pytest.mark.skipif(find_spec("openapi_python_client") is None, reason="openapi-python-client is not installed")
async def test_python_generator_takes_it_without_a_warning(client: httpx.AsyncClient, tmp_path: Path) -> None:
    document = await saved(client, tmp_path)
    settings = tmp_path / "config.yml"
    settings.write_text("post_hooks: []\n")
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning", "--meta", "none"]
    paths = ["--path", str(document), "--output-path", str(tmp_path / "made"), "--config", str(settings)]
    done = subprocess.run([*command, *paths], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "arning" not in done.stdout + done.stderr
    assert (tmp_path / "made" / "api" / "buckets" / "buckets_create.py").exists()


@pytest.mark.ci
@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
async def test_typescript_generator_takes_it_without_a_warning(client: httpx.AsyncClient, tmp_path: Path) -> None:
    document = await saved(client, tmp_path)
    command = ["npm", "exec", "--yes", f"--package={TYPESCRIPT_GENERATOR}", "--", "openapi-typescript"]
    done = subprocess.run(
        [*command, str(document), "--output", "made.d.ts"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = "\n".join(line for line in done.stderr.splitlines() if not line.startswith("npm "))
    assert not re.search("warn|error", done.stdout + told, re.IGNORECASE), done.stdout + done.stderr
    assert '"buckets.create"' in (tmp_path / "made.d.ts").read_text()


async def saved(client: httpx.AsyncClient, folder: Path) -> Path:
    path = folder / "openapi.json"
    path.write_text(json.dumps(await get(client, "/openapi.json")))
    return path
