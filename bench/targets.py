"""What is measured. A further target is one more entry of TARGETS: how to start it, and for what it stands."""

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
import shutil
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
S3_KEY = "benchkey"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server may write, and the secrets of one run."""

    store: Path
    logs: Path
    secret_key: str = field(default_factory=lambda: secrets.token_hex(32))
    service_key: str = field(default_factory=lambda: secrets.token_hex(32))
    behind_nginx: bool = False  # it may send files itself
    s3_secret: str = field(default_factory=lambda: secrets.token_hex(20))


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
        "S3_ROOT_ACCESS_KEY": S3_KEY,
        "S3_ROOT_SECRET_KEY": place.s3_secret,
        "WORKERS": str(workers),
        "DURABILITY": MODE,
        **({"TRUSTED_PROXIES": "127.0.0.1"} if place.behind_nginx else {}),
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


def nginx(workers: int, place: Place) -> Server:
    """nginx alone: files of `place.store` as they lie there, kept open; PUT and DELETE by its WebDAV module."""
    location = (
        f"location / {{ root {place.store}; dav_methods PUT DELETE; create_full_put_path on;"
        " client_body_buffer_size 64k; open_file_cache max=20000 inactive=300s; open_file_cache_valid 300s; }"
    )
    return _nginx("nginx", workers, place, location)


def gateway(workers: int, place: Place, port: int) -> Server:
    """nginx with the shipped files, in front of the service on `port`."""
    words = {
        "storage_service:8001": f"127.0.0.1:{port}",
        "/data/storage": str(place.store),
        "/var/log/nginx/access.log": "/dev/null",
    }
    run = _run_directory("gateway", place)
    shutil.copytree(REPOSITORY / "nginx", run, dirs_exist_ok=True)
    for path in run.rglob("*.conf"):
        text = path.read_text()
        for word, instead in words.items():
            text = text.replace(word, instead)
        path.write_text(text)
    text = (run / "gateway.conf").read_text()
    server = _nginx("gateway", workers, place, "")
    listen = f"listen 127.0.0.1:{server.port} "
    (run / "gateway.conf").write_text(re.sub(r"listen 80 ", listen, re.sub(r"\n *listen \[::\]:80 [^;]*;", "", text)))
    _write_main(run, workers, f"include {run}/gateway.conf;")
    return server


def _nginx(name: str, workers: int, place: Place, location: str) -> Server:
    port, run = free_port(), _run_directory(name, place)
    content = f"server {{ listen 127.0.0.1:{port}; client_max_body_size 0; {location} }}"
    _write_main(run, workers, content)
    command = ["nginx", "-c", str(run / "nginx.conf"), "-p", str(run)]
    environment = _environment()
    environment["PATH"] += ":/usr/sbin:/sbin"  # where Debian keeps it
    return Server(name, workers, command, environment, port, "", place.logs / f"{name}.log")


def _run_directory(name: str, place: Place) -> Path:
    run = place.logs / f"run-{name}"
    run.mkdir(exist_ok=True)
    return run


def _write_main(run: Path, workers: int, content: str) -> None:
    """As distributions ship it: sendfile on, no log of requests."""
    temporary = " ".join(f"{kind}_temp_path {run}/{kind};" for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
    (run / "nginx.conf").write_text(
        f"daemon off; pid {run}/nginx.pid; error_log {run}/error.log; worker_processes {workers};"
        f" {'user root;' if os.geteuid() == 0 else ''} events {{ worker_connections 8192; }}"
        f" http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;"
        f" client_body_temp_path {run}/body; {temporary} {content} }}\n"
    )


Maker = Callable[[int, Place], Server]
TARGETS: dict[str, Maker] = {"ours": ours, "bare": bare, "nginx": nginx}


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
