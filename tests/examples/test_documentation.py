"""The three documents of the example backend and the README of the providers: complete, and their code runs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from alembic import command
from tests.examples.backend import HOME, Backend, backend_of
from tests.support.documents import blocks, headings
from tests.support.service import REPOSITORY
from tests.support.tools import require_tool

DOCUMENTS = HOME / "Documentation"
PROVIDERS = REPOSITORY / "storage_service" / "providers" / "README.md"
# As the description of document storage lists them.
SECTIONS = {
    "OBJECT_STORAGE_INTEGRATION.md": [
        "Complete integration guide",
        "Architecture overview",
        "Configuration examples",
        "Database schema changes",
        "Usage examples (direct API)",
        "Migration instructions",
        "Performance considerations",
        "Security best practices",
        "Monitoring and logging",
        "Troubleshooting guide",
        "Testing recommendations",
        "Cost estimation",
        "Future enhancements",
    ],
    "OBJECT_STORAGE_QUICK_START.md": [
        "Quick 5-minute setup",
        "Environment variables",
        "Database migration steps",
        "Initialization code",
        "Architecture diagram",
        "Key features summary",
        "Configuration options",
        "Performance tips",
        "Cost estimation",
        "Troubleshooting",
        "File summary table",
    ],
    "OBJECT_STORAGE_IMPLEMENTATION_SUMMARY.md": [
        "High-level overview",
        "Architecture diagrams",
        "Component hierarchy",
        "Storage organization",
        "Security features",
        "Performance characteristics",
        "Migration phases",
        "Testing recommendations",
        "Configuration examples",
        "Key achievements",
        "Next steps",
    ],
}
README_SECTIONS = [
    "Quick start",
    "Environment variables",
    "Usage examples",
    "Migration guide",
    "Configuration examples",
    "Error handling",
]
INTEGRATION_CONFIGURATIONS = ["AWS", "MinIO", "Local"]


@pytest.mark.parametrize("name", SECTIONS)
def test_document_has_its_sections(name: str) -> None:
    assert headings(DOCUMENTS / name) == SECTIONS[name]


def test_configuration_is_shown_for_each_storage() -> None:
    shown = headings(DOCUMENTS / "OBJECT_STORAGE_INTEGRATION.md", 3)
    assert [name for name in INTEGRATION_CONFIGURATIONS if name not in shown] == []
    assert headings(PROVIDERS) == README_SECTIONS


def run_page(page: Path, directory: Path) -> int:
    """Every bash and Python block, in order, each in a process of its own; how many."""
    require_tool("openssl")
    kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = kept | {"PATH": path, "PYTHONPATH": f"{REPOSITORY}:{directory}", "PYTHONDONTWRITEBYTECODE": "1"}
    ran = blocks(page, "bash", "python")
    for block in ran:
        command = ["bash", "-euo", "pipefail", "-c"] if block.language == "bash" else [sys.executable, "-c"]
        done = subprocess.run(
            [*command, block.text], cwd=directory, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{page.name} line {block.line}:\n{done.stdout}{done.stderr}"
    return len(ran)


@pytest.mark.ci
@pytest.mark.parametrize("name", SECTIONS)
def test_code_of_the_document_runs(name: str, tmp_path: Path) -> None:
    copy = tmp_path / "backend"
    shutil.copytree(HOME, copy, ignore=shutil.ignore_patterns("__pycache__", "*.db*", "uploads", ".env", "*.pem"))
    assert run_page(DOCUMENTS / name, copy) >= 2


def test_code_of_the_providers_readme_runs(tmp_path: Path) -> None:
    assert run_page(PROVIDERS, tmp_path) >= 5


@pytest.mark.parametrize("name", SECTIONS)
def test_every_configuration_shown_is_one_the_backend_takes(name: str, backend: Backend) -> None:
    known = backend.module("core.config").Settings.model_fields
    shown = blocks(DOCUMENTS / name, "env")
    assert len(shown) >= 3
    for block in shown:
        lines = [line for line in block.text.splitlines() if line and not line.startswith("#")]
        settings = dict(line.split("=", 1) for line in lines)
        assert settings.keys() <= known.keys()
        backend.start(
            **{"LOCAL_STORAGE_PATH": str(backend.files), **settings} | {"LOCAL_STORAGE_PATH": str(backend.files)}
        )


def test_schema_shown_is_what_the_revision_makes(
    settings: dict[str, str], postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (shown,) = blocks(DOCUMENTS / "OBJECT_STORAGE_INTEGRATION.md", "sql")
    with backend_of(settings | {"DATABASE_URL": postgres_url}) as backend:
        command.upgrade(backend.alembic, "create_document_tables:head", sql=True)
    made = {" ".join(line.split()) for line in capsys.readouterr().out.splitlines()}
    assert [line for line in shown.text.splitlines() if line not in made] == []


def test_links_of_the_documents_lead_somewhere() -> None:
    for page in [*DOCUMENTS.glob("*.md"), HOME / "README.md"]:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
