"""Real S3 clients, each with its default settings: what they need is what S3 is.

They run in an environment of their own, made by scripts/install-test-clients.sh.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.documents import blocks
from tests.support.service import REPOSITORY, Service
from tests.support.tools import missing, require_tool

ENVIRONMENT = REPOSITORY / ".venv-clients"
DRIVERS = Path(__file__).parent / "drivers"
MODULES = ENVIRONMENT / "js" / "node_modules"
NEEDED = {"rclone_cli": "rclone", "restic_cli": "restic"}
APART = {"exercise", "mc_cli"}
CLIENTS = sorted(path.stem for path in DRIVERS.glob("*.py") if path.stem not in APART)
KEY, SECRET = "clientskey", "secret-of-the-clients"
MEGABYTES = {"small": 24, "medium": 100}  # larger sizes too: the parts are what matters
TIMEOUT_SECONDS = 300

pytestmark = [pytest.mark.ci, pytest.mark.timeout(TIMEOUT_SECONDS + 30)]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    place = tmp_path_factory.mktemp("clients")
    settings = {"STORAGE_KEYS": f"{KEY}:{SECRET}:clients:rw"}
    with Service(place / "data", place / "logs", environment=settings) as running:
        yield running


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_does_all_it_does_elsewhere(service: Service, tmp_path: Path, client: str) -> None:
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        missing("the S3 clients are not installed (scripts/install-test-clients.sh)")
    if client in NEEDED:
        require_tool(NEEDED[client])
    drive(service, tmp_path, str(python), str(DRIVERS / f"{client}.py"))


def test_recipe_for_fsspec_runs_as_it_stands(service: Service, tmp_path: Path) -> None:
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        missing("the S3 clients are not installed (scripts/install-test-clients.sh)")
    (recipe,) = blocks(REPOSITORY / "docs" / "client.md", "py")
    with service.client("clients") as owner:
        owner.post("/buckets", json={"name": "photos"}).raise_for_status()
    text = recipe.text.replace("http://localhost:8001", service.url)
    text = text.replace('key="..."', f"key={KEY!r}").replace('secret="..."', f"secret={SECRET!r}")
    command = [str(python), "-c", text]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    assert done.stdout == "['photos/table.csv'] b'town'\n", done.stderr[-3000:]


@pytest.mark.full
def test_the_sdk_for_javascript_does_all_it_does_elsewhere(service: Service, tmp_path: Path) -> None:
    node = require_tool("node")
    if not MODULES.exists():
        missing("the SDK for JavaScript is not installed (scripts/install-test-clients.sh)")
    drive(service, tmp_path, node, str(DRIVERS / "aws_sdk_js.mjs"))


@pytest.mark.full
def test_mc_does_all_of_it_that_is_s3(service: Service, tmp_path: Path) -> None:
    program = require_tool("mc")
    if b"MinIO" not in subprocess.run([program, "--version"], capture_output=True, check=False, timeout=60).stdout:
        missing("mc is another program here, not MinIO's client (scripts/install-test-clients.sh full)")
    drive(service, tmp_path, sys.executable, str(DRIVERS / "mc_cli.py"), programs=Path(program).parent)


def drive(service: Service, place: Path, *command: str, programs: Path = ENVIRONMENT / "bin") -> None:
    """Run a driver, which finds its `programs` there; it fails with what it said."""
    megabytes = MEGABYTES.get(os.environ.get("STORAGE_TEST_SIZE", "small"), 100)
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    plain = {"PATH": path, "HOME": str(place), "TMPDIR": str(place), "AWS_EC2_METADATA_DISABLED": "true"}
    done = subprocess.run(
        [*command, service.url, KEY, SECRET, str(megabytes)],
        env={**plain, "CLIENTS_MODULES": str(MODULES.parent)},
        cwd=place,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-3000:]}"
