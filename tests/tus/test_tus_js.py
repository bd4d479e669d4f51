"""tus-js-client, which browsers have, with the service killed in the middle; and again through the shipped nginx."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.nginx.conftest import shared_group
from tests.nginx.gateway import Gateway
from tests.support.places import open_place
from tests.support.service import REPOSITORY, Service
from tests.support.tools import missing, require_tool

MODULES = REPOSITORY / ".venv-clients" / "js" / "node_modules"
DRIVER = Path(__file__).parent / "tus_js.mjs"
BYTES = 6 << 20
TIMEOUT_SECONDS = 120

pytestmark = [pytest.mark.full, pytest.mark.timeout(TIMEOUT_SECONDS + 60)]


@contextmanager
def fronted(kind: str, place: Path, service: Service) -> Iterator[str]:
    """The address of the service: its own, or a gateway's."""
    if kind == "direct":
        yield service.url
        return
    run = place / "nginx"
    run.mkdir()
    run.chmod(0o755)
    gateway = Gateway(run, kind, service.port, service.data)
    with gateway.running():
        path = "/objects" if kind == "path.conf" else ""
        yield f"http://127.0.0.1:{gateway.http}{path}"


@pytest.mark.parametrize("kind", ["direct", "gateway.conf", "path.conf"])
def test_tus_js_client_goes_on_after_the_service_was_killed(kind: str) -> None:
    node = require_tool("node")
    if not (MODULES / "tus-js-client").exists():
        missing("tus-js-client is not installed (scripts/install-test-clients.sh full)")
    settings = {} if kind == "direct" else {"TRUSTED_PROXIES": "127.0.0.1", **shared_group()}
    with (
        open_place() as place,
        Service(place / "data", place, environment=settings) as service,
        fronted(kind, place, service) as url,
    ):
        with service.client() as client:
            client.post("/buckets", json={"name": "films"}).raise_for_status()
        body = os.urandom(BYTES)
        (place / "film.mp4").write_bytes(body)
        said = [f"{url}/files/resumable", service.token(), "films", "a/film.mp4", str(place / "film.mp4")]
        plain = {"PATH": os.environ["PATH"], "HOME": str(place), "CLIENTS_MODULES": str(MODULES.parent)}
        with subprocess.Popen(
            [node, str(DRIVER), *said],
            env=plain,
            cwd=place,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "half", process.communicate()[1]
            service.kill_all()
            process.stdin.write("\n")
            process.stdin.flush()
            service.start()
            out, error = process.communicate(timeout=TIMEOUT_SECONDS)
        assert process.returncode == 0, error[-3000:]
        sent = int(out.strip().removeprefix("done "))
        assert sent <= BYTES // 2 + (1 << 20)
        with service.client() as client:
            found = client.get("/files/download/films/a/film.mp4")
            assert found.content == body
            assert found.headers["content-type"] == "video/mp4"
