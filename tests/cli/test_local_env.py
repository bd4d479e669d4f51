"""Secrets in `.env`: made once, strong, private; what is there stays."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from storage_service.cli.local_env import add_secrets, local_defaults, present
from tests.support.service import REPOSITORY, Service

NAMES = [
    "SECRET_KEY",
    "ANON_KEY",
    "STORAGE_SERVICE_API_KEY",
    "S3_ROOT_ACCESS_KEY",
    "S3_ROOT_SECRET_KEY",
    "CONSOLE_PASSWORD",
]


def lines_of(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_missing_file_gets_strong_secrets_that_only_its_owner_reads(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    assert add_secrets(env, present(env, {})) == NAMES
    assert env.stat().st_mode & 0o777 == 0o600
    values = lines_of(env)
    assert list(values) == NAMES
    assert all(len(value) >= 64 for value in list(values.values())[:3])
    assert re.fullmatch(r"[A-Z0-9]{20}", values["S3_ROOT_ACCESS_KEY"]), "as AWS's: forms expect no other"
    assert len(values["S3_ROOT_SECRET_KEY"]) == 40
    assert len(set(values.values())) == len(NAMES)


def test_second_run_changes_nothing(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    add_secrets(env, present(env, {}))
    before = env.read_bytes()
    assert add_secrets(env, present(env, {})) == []
    assert env.read_bytes() == before


def test_present_lines_stay_and_other_names_count(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("# ours\nJWT_SECRET_KEY=given\nMINIO_ROOT_USER=root\nexport ANON_KEY=")
    assert (
        add_secrets(env, present(env, {"api_key": "given", "MINIO_ROOT_PASSWORD": "given", "CONSOLE_PASSWORD": ""}))
        == []
    )
    assert env.read_text() == "# ours\nJWT_SECRET_KEY=given\nMINIO_ROOT_USER=root\nexport ANON_KEY="


def test_line_without_an_end_is_not_run_into(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("SECRET_KEY=given")
    add_secrets(env, present(env, {}))
    assert env.read_text().startswith("SECRET_KEY=given\nANON_KEY=")


def test_linked_file_stays_a_link(tmp_path: Path) -> None:
    shared, env = tmp_path / "shared.env", tmp_path / ".env"
    shared.write_text("OTHER=1\n")
    env.symlink_to(shared)
    add_secrets(env, present(env, {}))
    assert env.is_symlink()
    assert "SECRET_KEY=" in shared.read_text()


@pytest.mark.parametrize(
    ("given", "added"),
    [
        ({}, {"PORT": "8001", "HOST": "127.0.0.1", "STORAGE_PATH": "./data"}),
        ({"PORT": "9000", "HOST": "0.0.0.0", "STORAGE_PATH": "/srv"}, {}),
        ({"STORAGE_PORT": "9000"}, {"HOST": "127.0.0.1", "STORAGE_PATH": "./data"}),
    ],
)
def test_local_defaults_fill_gaps_only(given: dict[str, str], added: dict[str, str]) -> None:
    port = given.get("PORT") or given.get("STORAGE_PORT") or "8001"
    expected = added | {"STORAGE_SERVICE_PUBLIC_URL": f"http://localhost:{port}"}
    assert local_defaults(given) == expected


def test_command_generates_into_a_file_it_is_told(tmp_path: Path) -> None:
    empty = dict.fromkeys(
        ("ANON_KEY", "SECRET_KEY", "S3_ROOT_ACCESS_KEY", "S3_ROOT_SECRET_KEY", "CONSOLE_PASSWORD"), ""
    )
    service = Service(tmp_path / "data", tmp_path, environment=empty)
    env = tmp_path / "new.env"
    done = service.run("keys", "generate", "--env", str(env))
    assert (done.returncode, done.stdout) == (0, f"{env}: nothing is missing\n"), "an empty word is the owner's word"
    assert not env.exists()


def run_twice(directory: Path) -> list[str]:
    """What the module prints, run by run.sh in a directory without settings."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "storage_service.cli.local_env"]
    runs = [
        subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    return [run.stdout for run in runs]


def test_new_file_names_the_store_for_other_commands(tmp_path: Path) -> None:
    first, second = run_twice(tmp_path)
    assert first == "PORT=8001\nHOST=127.0.0.1\nSTORAGE_PATH=./data\nSTORAGE_SERVICE_PUBLIC_URL=http://localhost:8001\n"
    assert second == first.replace("STORAGE_PATH=./data\n", "")
    assert lines_of(tmp_path / ".env")["STORAGE_PATH"] == "./data"


def test_file_of_others_gets_secrets_only(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("POSTGRES_USER=x\n")
    first, second = run_twice(tmp_path)
    assert first == second
    assert list(lines_of(tmp_path / ".env")) == ["POSTGRES_USER", *NAMES]
