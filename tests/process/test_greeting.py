"""What a start prints can be copied line by line."""

import subprocess
from pathlib import Path

import pytest

from storage_service.app.core.config import Settings, load
from storage_service.app.process.greeting import render, to_try
from tests.support.service import SECRET_KEY, Service
from tests.support.tools import require_tool


def settings(tmp_path: Path, **values: object) -> Settings:
    return load(_env_file=None, secret_key=SECRET_KEY, storage_path=tmp_path, **values)


def test_secrets_stay_hidden_and_the_public_key_is_shown(tmp_path: Path) -> None:
    root = {"s3_root_access_key": "ROOTKEY", "s3_root_secret_key": "c2" * 20}
    text = render(settings(tmp_path, anon_key="a0" * 32, storage_service_api_key="b1" * 32, **root), None)
    assert "a0" * 32 in text
    assert "ROOTKEY" in text
    assert "c2" * 20 not in text
    assert "b1" * 32 not in text
    assert SECRET_KEY not in text


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://localhost:9000"),
        ("127.0.0.1", "http://localhost:9000"),
        ("192.0.2.1", "http://192.0.2.1:9000"),
        ("2001:db8::1", "http://[2001:db8::1]:9000"),
    ],
)
def test_address_can_be_opened(tmp_path: Path, host: str, url: str) -> None:
    assert f"ready at {url} " in render(settings(tmp_path, host=host, port=9000), None)


def test_warning_comes_first(tmp_path: Path) -> None:
    assert render(settings(tmp_path), "SECRET_KEY is weak").splitlines()[1] == "WARNING: SECRET_KEY is weak"


@pytest.mark.ci
def test_lines_to_try_do_what_they_say(tmp_path: Path) -> None:
    require_tool("curl")
    with Service(tmp_path / "data", tmp_path) as service:
        token, *lines = to_try(f"http://localhost:{service.port}")
        token = f"TOKEN={service.token()}" if token.startswith("TOKEN=$(") else token
        script = "\n".join(["set -e", token, *(line.replace("curl", "curl -sS") for line in lines)])
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, timeout=30)
        assert '"name":"photos"' in done.stdout
        assert done.stdout.endswith("hello\n")
        assert all(line in service.log.read_text() for line in lines)
