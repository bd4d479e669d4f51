"""The load generator against a server of a few lines: numbers are filled in, nothing is sent twice."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from bench.load import HEADER, Drive, Play, arguments, render_head

SOURCE = Path(__file__).parents[2] / "bench/s3load.c"


class Recorder(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[tuple[str, bytes]]] = []

    def do_PUT(self) -> None:
        self.seen.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(201)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def port() -> Iterator[int]:
    Recorder.seen.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_numbered_puts_have_distinct_keys_and_bodies(tmp_path: Path, port: int) -> None:
    program = tmp_path / "s3load"
    subprocess.run(["gcc", "-O1", "-o", program, SOURCE], check=True)
    head = render_head(Play("PUT", "/b/@@/@@@@@", 600), port)
    requests = tmp_path / "requests"
    requests.write_bytes(HEADER.pack(len(head), 600, 0) + head)
    words = arguments(port, Drive(4, 20.0, most=250, numbered=True, base=1000))
    done = subprocess.run([program, *words, requests], capture_output=True, text=True, check=True)
    assert '"ok":250' in done.stdout
    assert {path for path, _ in Recorder.seen} == {f"/b/{n % 100:02d}/{n:05d}" for n in range(1000, 1250)}
    assert len({body for _, body in Recorder.seen}) == 250
    assert {len(body) for _, body in Recorder.seen} == {600}
