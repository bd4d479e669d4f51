"""What the examples' compose files tell their apps, against what these read. tests/container has the service's part."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.examples.backend import Backend
from tests.examples.composed import EXAMPLES, Composed
from tests.support.service import REPOSITORY

KNOWN = ("SECRET_KEY", "ANON_KEY", "STORAGE_SERVICE_API_KEY", "S3_ROOT_ACCESS_KEY", "S3_ROOT_SECRET_KEY")
VARIABLES = dict.fromkeys((*KNOWN, "DJANGO_SECRET_KEY", "POSTGRES_PASSWORD"), "x")
READ = re.compile(r"""(?:environ\[|environ\.get\(|getenv\()"(\w+)\"""")
NEEDED = re.compile(r'environ\["(\w+)"\]')
# Example, and the files of it that read the environment.
APPS = {
    "fastapi_uploads": ["examples/fastapi_uploads/main.py"],
    "django_uploads": ["examples/django_uploads/project/settings.py", "examples/django_uploads/manage.py"],
    "fastopp_demo": ["storage_service/providers/factory.py", "examples/fastopp_demo/main.py"],
}


@pytest.mark.parametrize("example", APPS)
def test_app_is_told_what_it_reads_and_nothing_else(example: str) -> None:
    told = Composed(example, VARIABLES, {}).environment("app")
    code = "\n".join((REPOSITORY / path).read_text(encoding="utf-8") for path in APPS[example])
    assert told.keys() - set(READ.findall(code)) == set()
    assert set(NEEDED.findall(code)) - told.keys() == set()


def test_backend_is_told_settings_that_it_has(backend: Backend) -> None:
    told = Composed("document_backend", VARIABLES, {}).environment("app")
    assert told.keys() - backend.module("core.config").Settings.model_fields.keys() == set()
    backend.start(**told | {"DOCUMENT_KEY_PATH": backend.settings["DOCUMENT_KEY_PATH"]})


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/compose.yaml")), ids=lambda path: str(path.parent.name))
def test_addresses_and_buckets_of_both_sides_are_the_same(path: Path) -> None:
    services = Composed(path.parent.name, VARIABLES, {}).record["services"]
    storage = services["storage"]["environment"]
    app = services.get("app", {}).get("environment", {})
    fronts = [services[name] for name in services if name not in {"storage", "database"}]
    origins = {f"http://localhost:{front['ports'][0].partition(':')[0]}" for front in fronts}
    assert storage.get("CORS_ORIGINS", *origins) in origins
    assert {app[name] for name in ("STORAGE_URL", "S3_ENDPOINT_URL") if name in app} <= {"http://storage:8001"}
    bucket = storage["STORAGE_BUCKETS"].partition(":")[0]
    assert app.get("S3_BUCKET", bucket) == bucket
    assert app.get("S3_CDN_URL", bucket).endswith(bucket)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/requirements.txt")), ids=lambda path: str(path.parent.name))
def test_packages_of_an_example_are_those_the_tests_run_with(path: Path) -> None:
    pinned = "\n".join(found.read_text() for found in REPOSITORY.glob("requirements*.txt"))
    known = {bare(line) for line in pinned.splitlines()}
    assert [line for line in path.read_text().splitlines() if bare(line) not in known] == []


def bare(line: str) -> str:
    """A pinned requirement without its extras."""
    return re.sub(r"\[.*\]", "", line).lower()


def test_list_of_examples_is_complete() -> None:
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\((\w+)/README\.md\)", page))
    assert linked == {path.parent.name for path in EXAMPLES.glob("*/README.md")}
    assert linked == {path.parent.name for path in EXAMPLES.glob("*/compose.yaml")}
