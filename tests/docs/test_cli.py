"""docs/cli.md: its bash blocks run in order, in one directory beside a real service, and print what it shows."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from storage_service.cli.main import app
from storage_service.cli.parameters import OBJECTS
from tests.support.documents import blocks
from tests.support.service import REPOSITORY, SERVICE_KEY, Service
from tests.support.tools import require_tool

pytestmark = [pytest.mark.ci, pytest.mark.timeout(600)]

PAGE = REPOSITORY / "docs" / "cli.md"
SHOWN_URL = "http://localhost:8001"


def fits(shown: str, printed: str) -> bool:
    return re.fullmatch(".*".join(re.escape(part) for part in shown.split("...")), printed) is not None


def test_blocks_of_the_page_do_what_it_shows(tmp_path: Path) -> None:
    for tool in ("bash", "curl"):
        require_tool(tool)
    here, programs = tmp_path / "here", tmp_path / "bin"
    here.mkdir()
    programs.mkdir()
    command = programs / "storage"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m storage_service.cli.main "$@"\n')
    command.chmod(0o755)
    with Service(tmp_path / "data", tmp_path / "logs", environment={"DURABILITY": "scratch"}) as service:
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        known = {"PATH": path, "STORAGE_URL": service.url, "STORAGE_TOKEN": SERVICE_KEY}
        for commands, shown in shown_after(PAGE):
            done = subprocess.run(
                ["bash", "-eu", "-o", "pipefail", "-c", commands],
                cwd=here,
                env=service.environment | known,
                capture_output=True,
                text=True,
                check=False,
            )
            printed = done.stdout.replace(service.url, SHOWN_URL)
            where = f"{commands}\nprinted:\n{printed}{done.stderr}"
            assert done.returncode == 0, where
            lines = printed.splitlines()
            assert [pair for pair in zip(shown, lines, strict=False) if not fits(*pair)] == [], where
            assert len(lines) == len(shown), where


def shown_after(page: Path) -> list[tuple[str, list[str]]]:
    """Commands, and the lines that they print."""
    found: list[tuple[str, list[str]]] = []
    for block in blocks(page, "bash", "output"):
        if block.language == "bash":
            found.append((block.text, []))
        else:
            found[-1] = (found[-1][0], block.text.splitlines())
    return found


def test_page_shows_every_command() -> None:
    """Of those that speak with a service; what operators do besides stands elsewhere."""
    named = set(re.findall(r"storage ([a-z-]+)", PAGE.read_text(encoding="utf-8")))
    commands = [one for one in app.registered_commands if one.rich_help_panel == OBJECTS]
    names = {str(one.name or getattr(one.callback, "__name__", "")) for one in commands}
    names |= {str(one.name) for one in app.registered_groups if one.rich_help_panel == OBJECTS}
    assert len(names) > 12
    assert names - named == set()
