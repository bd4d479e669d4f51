"""Requests from plain values, and a client that records what was sent to it."""

from collections.abc import Iterable

from storage_service.app.edge.request import Message, Request

LEAVES = object()  # in a list of chunks: the client closes the connection


class Client:
    """Receives the given chunks as a body and keeps what is sent."""

    def __init__(self, chunks: Iterable[bytes | object] = ()) -> None:
        self._chunks = list(chunks)
        self._over = False
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        assert not self._over, "receive after the body's end would wait for ever"
        chunk = self._chunks.pop(0) if self._chunks else b""
        if chunk is LEAVES:
            return {"type": "http.disconnect"}
        self._over = not self._chunks
        return {"type": "http.request", "body": chunk, "more_body": bool(self._chunks)}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.sent[1:])


def request(
    method: str = "GET",
    target: bytes = b"/",
    headers: Iterable[tuple[str, str]] = (),
    client: Client | None = None,
) -> Request:
    client = client or Client()
    path, _, query = target.partition(b"?")
    scope = {
        "type": "http",
        "method": method,
        "raw_path": path,
        "query_string": query,
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }
    return Request(scope, client.receive, client.send)
