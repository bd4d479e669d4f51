"""The examples keep the repository's own rules for types."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.service import REPOSITORY

OPTIONS = ("--config-file", str(REPOSITORY / "pyproject.toml"))
CACHE = REPOSITORY / ".mypy_cache" / "examples"
UNTYPED = {"django_uploads", "upload_page"}  # Django has no types of its own; a page has no Python
EXAMPLES = sorted(path for path in (REPOSITORY / "examples").iterdir() if path.is_dir() and path.name not in UNTYPED)


@pytest.mark.ci
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: str(path.name))
def test_example_is_fully_typed(example: Path) -> None:
    sources = [path.name for path in example.iterdir() if path.suffix == ".py" or any(path.rglob("*.py"))]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *OPTIONS, f"--cache-dir={CACHE / example.name}", *sources],
        cwd=example,
        env=os.environ | {"MYPYPATH": f"{example}:{REPOSITORY}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
