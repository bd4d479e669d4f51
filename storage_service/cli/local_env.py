"""What run.sh adds for a start on one machine: secrets in `.env`, local values for the rest.

`python -m storage_service.cli.local_env` prints a line `NAME=value` for every default that neither the
environment nor `.env` sets; run.sh exports them. Secrets are written to `.env` only. A name that is set,
even to nothing, is the owner's word and stays. `storage keys generate` adds the same secrets.

A new `.env` gets STORAGE_PATH too, so that `storage` commands beside it find the store. One that is there
may be shared with a container, where another path is meant: it does not.
"""

import os
import secrets
import string
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from dotenv import dotenv_values

ENV_FILE = Path(".env")
HEADER = "# Made by run.sh. SECRET_KEY signs tokens and links: keep it, and keep it secret.\n"
MODE = 0o600
LOCAL_PATH = "./data"
ID_LETTERS = string.ascii_uppercase + string.digits

# Each secret with the other name under which a shared .env may already carry it.
SECRETS: dict[tuple[str, ...], Callable[[], str]] = {
    ("SECRET_KEY", "JWT_SECRET_KEY"): lambda: secrets.token_urlsafe(48),
    ("ANON_KEY",): lambda: secrets.token_hex(32),
    ("STORAGE_SERVICE_API_KEY", "API_KEY"): lambda: secrets.token_hex(32),
    ("S3_ROOT_ACCESS_KEY", "MINIO_ROOT_USER"): lambda: "".join(secrets.choice(ID_LETTERS) for _ in range(20)),
    ("S3_ROOT_SECRET_KEY", "MINIO_ROOT_PASSWORD"): lambda: secrets.token_hex(20),
    ("CONSOLE_PASSWORD",): lambda: secrets.token_urlsafe(15),
}


def present(env_file: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Every setting that has a value, by upper-case name; the environment wins over the file."""
    written = dotenv_values(env_file, encoding="utf-8") if env_file.exists() else {}
    found = {name.upper(): value or "" for name, value in written.items()}
    return found | {name.upper(): value for name, value in environ.items()}


def add_secrets(env_file: Path, settings: Mapping[str, str]) -> list[str]:
    """Append the missing secrets; present lines are not touched. The names of what was added.

    Raises: OSError when the file cannot be written.
    """
    missing = {names[0]: make() for names, make in SECRETS.items() if not settings.keys() & {*names}}
    if missing:
        append(env_file, missing)
    return [*missing]


def append(env_file: Path, values: Mapping[str, str]) -> None:
    """Lines at the end, synced. Raises: OSError."""
    new = not env_file.exists()
    before = HEADER.encode() if new else env_file.read_bytes()
    gap = "\n" if before and not before.endswith(b"\n") else ""
    # Appended in place: .env may be a link to a shared file, or belong to somebody else.
    descriptor = os.open(env_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, MODE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write((HEADER if new else gap) + "".join(f"{name}={value}\n" for name, value in values.items()))
        file.flush()
        os.fsync(file.fileno())  # a key that is lost takes every link signed with it along


def local_defaults(settings: Mapping[str, str]) -> dict[str, str]:
    """The values of a service on this machine alone, without those already set."""
    port = settings.get("PORT") or settings.get("STORAGE_PORT") or "8001"
    defaults = {
        ("PORT", "STORAGE_PORT"): port,
        ("HOST",): "127.0.0.1",
        ("STORAGE_PATH",): LOCAL_PATH,
        ("STORAGE_SERVICE_PUBLIC_URL", "STORAGE_SERVICE_EXTERNAL_URL"): f"http://localhost:{port}",
    }
    return {names[0]: value for names, value in defaults.items() if not settings.keys() & {*names}}


def main() -> None:
    settings = present(ENV_FILE, os.environ)
    try:
        if not ENV_FILE.exists() and "STORAGE_PATH" not in settings:
            append(ENV_FILE, {"STORAGE_PATH": LOCAL_PATH})
        add_secrets(ENV_FILE, settings)
    except OSError as error:
        sys.exit(
            f"Cannot write {ENV_FILE.absolute()}: {error.strerror}. Make it writable, or export"
            " SECRET_KEY, ANON_KEY, STORAGE_SERVICE_API_KEY, S3_ROOT_ACCESS_KEY, S3_ROOT_SECRET_KEY and"
            " CONSOLE_PASSWORD yourself."
        )
    if ENV_FILE.exists() and ENV_FILE.stat().st_mode & 0o077:
        print("Warning: .env can be read by others; `chmod 600 .env` closes it.", file=sys.stderr)
    for name, value in local_defaults(settings).items():
        print(f"{name}={value}")


if __name__ == "__main__":
    main()
