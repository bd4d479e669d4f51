"""The compose files of the examples, against the settings of the service and the files they mount."""

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from storage_service.app.core.config import Settings, load
from tests.support.service import REPOSITORY

FILES = sorted((REPOSITORY / "examples").glob("*/compose.yaml"))
SECRET = "a1" * 32  # what `openssl rand -hex 32` gives


def parsed(path: Path) -> dict[str, Any]:
    text = re.sub(r"\$\{\w+\}", SECRET, path.read_text(encoding="utf-8"))
    found: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    return found


@pytest.fixture(params=FILES, ids=lambda path: path.parent.name)
def compose(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_there_are_examples() -> None:
    names = {"django_uploads", "document_backend", "fastapi_uploads", "fastopp_demo", "upload_page"}
    assert {path.parent.name for path in FILES} == names


def test_service_accepts_its_settings(compose: Path) -> None:
    service = parsed(compose)["services"]["storage"]
    environment = {name.lower(): value for name, value in service["environment"].items()}
    assert environment.keys() <= Settings.model_fields.keys()
    if "anon_key" in environment:
        environment["anon_key"] = "b2" * 32  # each variable has a value of its own
    settings = load(_env_file=None, **environment)
    port = settings.storage_service_public_url.rpartition(":")[2]
    assert f"{port}:8001" in service["ports"]
    assert service["volumes"] == ["files:/data/storage"]


def test_every_variable_is_made_by_the_lines_at_its_top(compose: Path) -> None:
    text = compose.read_text(encoding="utf-8")
    top = text.partition("services:")[0]
    assert {name for name in re.findall(r"\$\{(\w+)\}", text) if name not in top} == set()


def test_what_is_mounted_and_built_is_there(compose: Path) -> None:
    found = parsed(compose)
    for service in found["services"].values():
        if "build" in service:
            assert (compose.parent / service["build"] / "Dockerfile").exists()
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert (compose.parent / source).exists() if source.startswith(".") else source in found["volumes"]
