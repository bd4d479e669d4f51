"""The unit for systemd: it says what systemd understands, and leaves the service little beyond its directory."""

import re
import subprocess
from pathlib import Path

import pytest

from storage_service.app.process.agreement import DRAIN_SECONDS, JOBS_SECONDS, REFUSED
from tests.support.service import REPOSITORY
from tests.support.tools import require_tool

UNIT = REPOSITORY / "deploy/storage.service"
MOST_EXPOSED = 20  # of 100, as `systemd-analyze security` counts; services without hardening have over 90


def value(name: str) -> str:
    found = re.search(rf"^{name}=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)
    assert found, name
    return found[1]


def test_systemd_understands_every_line(tmp_path: Path) -> None:
    """With a program that is there in the place of the installed one."""
    unit = tmp_path / "storage.service"
    text = UNIT.read_text(encoding="utf-8").replace("/opt/storage-service/.venv/bin/storage", "/bin/true")
    unit.write_text(text, encoding="utf-8")
    command = [require_tool("systemd-analyze"), "verify", "--man=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_unit_is_closed_to_the_rest_of_the_machine() -> None:
    command = [require_tool("systemd-analyze"), "security", "--offline=true", f"--threshold={MOST_EXPOSED}", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_stop_waits_for_the_drain() -> None:
    assert int(value("TimeoutStopSec")) > DRAIN_SECONDS + JOBS_SECONDS
    assert value("KillMode") == "mixed"  # the supervisor ends its workers itself


def test_refused_start_is_not_repeated() -> None:
    assert value("RestartPreventExitStatus") == str(REFUSED)


@pytest.mark.parametrize("name", ["User", "Group"])
def test_service_is_not_root(name: str) -> None:
    assert value(name) == "storage"
