"""What is measured. A further target is one more entry of TARGETS: how to start it, and for what it stands."""

import base64
import hashlib
import hmac
import json
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.processes import Server

REPOSITORY = Path(__file__).resolve().parents[1]
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL")  # nothing that changes a server's speed or memory
MODE = "power-safe"
OWNER = "owner@example.org"
BUCKET = "bench"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server may write, and the secrets of one run."""

    store: Path
    logs: Path
    secret_key: str = field(default_factory=lambda: secrets.token_hex(32))
    service_key: str = field(default_factory=lambda: secrets.token_hex(32))


def ours(workers: int, place: Place) -> Server:
    """The service as `storage serve` runs it."""
    port = free_port()
    environment = _environment() | {
        "STORAGE_PATH": str(place.store),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "STORAGE_SERVICE_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "SECRET_KEY": place.secret_key,
        "ANON_KEY": secrets.token_hex(32),
        "STORAGE_SERVICE_API_KEY": place.service_key,
        "WORKERS": str(workers),
        "DURABILITY": MODE,
    }
    command = [sys.executable, "-m", "storage_service.cli.main", "serve"]
    log = place.logs / f"ours-{workers}.log"
    return Server("ours", workers, command, environment, port, "/readyz", log)


def bare(workers: int, place: Place) -> Server:
    """Plain uvicorn with an app that does nothing."""
    port = free_port()
    words = ["--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)]
    quiet = ["--no-access-log", "--log-level", "error"]
    fast = ["--loop", "uvloop", "--http", "httptools", "--backlog", "2048"]
    command = [sys.executable, "-m", "uvicorn", *words, *quiet, *fast, "bench.bare:app"]
    log = place.logs / f"bare-{workers}.log"
    return Server("bare", workers, command, _environment(), port, "/", log)


Maker = Callable[[int, Place], Server]
TARGETS: dict[str, Maker] = {"ours": ours, "bare": bare}


def tokens(secret_key: str, count: int, ttl_seconds: int = 7200) -> list[str]:
    """Different tokens of one user, as several clients of an app bear them (HS256)."""
    head = _part({"alg": "HS256", "typ": "JWT"})
    made = []
    for number in range(count):
        claims = {"sub": OWNER, "exp": int(time.time()) + ttl_seconds, "jti": f"client-{number}"}
        text = f"{head}.{_part(claims)}"
        digest = hmac.digest(secret_key.encode(), text.encode(), hashlib.sha256)
        made.append(f"{text}.{_base64(digest)}")
    return made


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment() -> dict[str, str]:
    found = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return found | {"PYTHONPATH": str(REPOSITORY)}


def _part(value: object) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
