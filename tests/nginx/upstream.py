"""A stand-in for the service: it tells what nginx sent it, and speaks what no door speaks yet."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EVENT = b"data: 1\n\n"
NAMED_EVENT = b"data: 2\n\n"


class Upstream:
    """`/echo` answers with the headers it got; `/events` and `/realtime` stay open; `/upload` answers when told.

    `begun` is set once the first bytes of a body are there.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.begun = threading.Event()
        self.go_on = threading.Event()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as reader:
            connection.settimeout(10)
            line = reader.readline().decode()
            headers = dict(_headers(reader.readline))
            path = line.split(" ")[1] if line else ""
            if path.startswith("/echo"):
                _reply(connection, json.dumps({"line": line, "headers": headers}).encode())
            elif path.startswith("/events"):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + EVENT)
                self.go_on.wait(10)
                connection.sendall(NAMED_EVENT)
            elif path.startswith("/realtime"):
                head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
                connection.sendall(head)
                connection.sendall(connection.recv(100).upper())
            elif path.startswith("/upload"):
                reader.read1(1)
                self.begun.set()
                self.go_on.wait(10)
                _reply(connection, b"{}")

    def close(self) -> None:
        self.go_on.set()
        self._listener.close()


def _headers(readline: Callable[[], bytes]) -> Iterator[tuple[str, str]]:
    while (line := readline()) not in {b"\r\n", b""}:
        name, _, value = line.decode().partition(":")
        yield name.lower(), value.strip()


def _reply(connection: socket.socket, body: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)


@contextmanager
def listening() -> Iterator[Upstream]:
    upstream = Upstream()
    thread = threading.Thread(target=upstream.serve, daemon=True)
    thread.start()
    try:
        yield upstream
    finally:
        upstream.close()
