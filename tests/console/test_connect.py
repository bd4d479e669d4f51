"""The lines under Connect are run as they stand there, with a key in the place of the two words in capitals."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.console.conftest import ROOT
from tests.console.walking import keys, open_files, read
from tests.support.service import REPOSITORY, SERVICE_KEY, Service
from tests.support.tools import missing, require_tool

PICTURE = b"not truly a picture"
CLIENTS = REPOSITORY / ".venv-clients" / "bin"
SECONDS = 120


def lines_for(page: Page, bucket: str, client: str) -> str:
    open_files(page, bucket)
    page.get_by_role("button", name="Connect").click()
    page.get_by_role("dialog").get_by_role("tab", name=client, exact=True).click()
    text = page.get_by_role("dialog").get_by_label(f"lines for {client}", exact=True).inner_text()
    expect(page.get_by_role("dialog").get_by_role("button", name=f"Copy lines for {client}")).to_be_visible()
    return text.replace("YOUR_ACCESS_KEY", ROOT[0]).replace("YOUR_SECRET_KEY", ROOT[1])


def run(command: list[str], home: Path, service: Service) -> None:
    """In a home with a picture, a folder and documents."""
    (home / "photo.jpg").write_bytes(PICTURE)
    for folder in ("folder", "documents"):
        (home / folder).mkdir()
        (home / folder / "a.txt").write_text("a")
    environment = {
        "PATH": f"{CLIENTS}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
        "HOME": str(home),
        "TOKEN": SERVICE_KEY,
        "RESTIC_PASSWORD": "password",
    }
    done = subprocess.run(
        command, cwd=home, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def by_shell(text: str, home: Path, service: Service) -> None:
    run(["bash", "-euxc", text], home, service)


def by_python(text: str, home: Path, service: Service) -> None:
    run([sys.executable, "-c", "import os\ntoken = os.environ['TOKEN']\n" + text], home, service)


def by_rclone(text: str, home: Path, service: Service) -> None:
    settings, _, command = text.partition("# then\n")
    place = home / ".config" / "rclone" / "rclone.conf"
    place.parent.mkdir(parents=True)
    place.write_text(settings)
    by_shell(command, home, service)


WAYS: dict[str, tuple[str, Callable[[str, Path, Service], None], str]] = {
    "curl": ("curl", by_shell, "photo.jpg"),
    "Python": ("python", by_python, "photo.jpg"),
    "aws": ("aws", by_shell, "folder/a.txt"),
    "rclone": ("rclone", by_rclone, "folder/a.txt"),
    "restic": ("restic", by_shell, "backup/config"),
}


@pytest.mark.parametrize("client", WAYS)
def test_lines_work_as_they_stand_there(
    page: Page, api: httpx.Client, service: Service, bucket: str, tmp_path: Path, client: str
) -> None:
    program, way, made = WAYS[client]
    if client == "curl":
        require_tool(program)
    elif client != "Python" and shutil.which(program, path=f"{CLIENTS}{os.pathsep}{os.environ['PATH']}") is None:
        missing(f"{program} is not installed (scripts/install-test-clients.sh)")
    way(lines_for(page, bucket, client), tmp_path, service)
    assert made in keys(api, bucket)
    assert made != "photo.jpg" or read(api, bucket, made) == PICTURE
