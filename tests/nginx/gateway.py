"""A real nginx with the files of nginx/. Only addresses and directories are replaced: the machine's own are in use."""

import http.client
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support.service import REPOSITORY
from tests.support.tools import require_tool

FILES = REPOSITORY / "nginx"
START_SECONDS = 10.0
LAST = "/_storage_blobs/last"  # nothing is there
# What nginx says of itself and of the connection; the rest of an answer is the service's word.
OWN = frozenset({"date", "server", "connection", "keep-alive"})
MAIN = """daemon off;
pid {run}/nginx.pid;
error_log {run}/error.log info;
worker_processes 1;
{user}
events {{ worker_connections 512; }}
http {{
    client_body_temp_path {run}/body;
    proxy_temp_path {run}/proxy;
    fastcgi_temp_path {run}/fastcgi;
    uwsgi_temp_path {run}/uwsgi;
    scgi_temp_path {run}/scgi;
    {content}
}}
"""
SITE = """
    include storage/http.conf;
    server {{
        listen 127.0.0.1:{http};
        location / {{ return 200 "the site itself"; }}
        include path.conf;
    }}
"""


class Answer(NamedTuple):
    """`headers` without nginx's own, in lower case, sorted."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)


class Gateway:
    """One nginx in front of a service. `kind` is a file of nginx/: gateway.conf, gateway-tls.conf or path.conf."""

    def __init__(self, run: Path, kind: str, port: int, data: Path, replace: Mapping[str, str] | None = None) -> None:
        self.run = run
        self.kind = kind
        self.http, self.https = free_port(), free_port()
        self._words = {
            "storage_service:8001": f"127.0.0.1:{port}",
            "/data/storage": str(data),
            "/var/log/nginx/access.log": str(run / "access.log"),
            "listen 80 ": f"listen 127.0.0.1:{self.http} ",
            "listen [::]:80 ": f"listen [::1]:{self.http} ",
            "listen 443 ": f"listen 127.0.0.1:{self.https} ",
            "listen [::]:443 ": f"listen [::1]:{self.https} ",
            **(replace or {}),
        }

    def write(self) -> Path:
        """Lay the shipped files down; the main file that includes them."""
        shutil.copytree(FILES, self.run, dirs_exist_ok=True)
        for path in self.run.rglob("*.conf"):
            text = path.read_text(encoding="utf-8")
            for word, instead in self._words.items():
                text = text.replace(word, instead)
            path.write_text(text, encoding="utf-8")
        content = SITE.format(http=self.http) if self.kind == "path.conf" else f"include {self.kind};"
        # As distributions do: the master is root, workers are not.
        user = "user www-data;" if os.geteuid() == 0 else ""
        main = self.run / "nginx.conf"
        main.write_text(MAIN.format(run=self.run, user=user, content=content), encoding="utf-8")
        return main

    @contextmanager
    def running(self) -> Iterator["Gateway"]:
        nginx = require_tool("nginx")
        main = self.write()
        process = subprocess.Popen([nginx, "-c", main, "-p", self.run], stderr=subprocess.PIPE, text=True)
        try:
            self._wait(process)
            yield self
        finally:
            process.terminate()
            process.communicate(timeout=START_SECONDS)

    def _wait(self, process: "subprocess.Popen[str]") -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise AssertionError(f"nginx did not start: {process.communicate()[1]}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.http)) == 0:
                    return
            time.sleep(0.02)
        raise TimeoutError("nginx")

    def handed_over(self) -> list[str]:
        """For each logged request, the blob it was answered with; `-` = by the service itself."""
        return [line.rpartition("blob=")[2] for line in self.logged()]

    def logged(self) -> list[str]:
        """Lines of the log, complete: nginx has written of all it answered before it answers one request more."""
        ask(self.http, LAST)
        return [line for line in (self.run / "access.log").read_text().splitlines() if LAST not in line]


def ask(
    port: int, path: str, method: str = "GET", headers: Mapping[str, str] | None = None, trust: Path | None = None
) -> Answer:
    """One request, its path sent as it stands. `trust`: by HTTPS, with this certificate."""
    connection: http.client.HTTPConnection
    if trust is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    else:
        context = ssl.create_default_context(cafile=trust)
        connection = http.client.HTTPSConnection("localhost", port, timeout=30, context=context)
    try:
        connection.request(method, path, headers=dict(headers or {}))
        answer = connection.getresponse()
        body = answer.read()
        named = [(name.lower(), value) for name, value in answer.getheaders()]
        return Answer(answer.status, sorted(pair for pair in named if pair[0] not in OWN), body)
    finally:
        connection.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
