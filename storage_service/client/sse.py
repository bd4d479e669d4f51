"""Server-sent events, read as they come. Pure. Source: HTML Standard, "Server-sent events", 9.2.6."""

from collections.abc import Iterator
from typing import NamedTuple


class Message(NamedTuple):
    """One event. `id` is what to send as Last-Event-ID to hear what follows it."""

    name: str
    data: str
    id: str


class Reader:
    """Bytes in whatever pieces, events out. `last_id` grows too by what has no data: nobody hears of that."""

    def __init__(self, last_id: str = "") -> None:
        self.last_id = last_id
        self._left = b""
        self._id = last_id
        self._name = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> Iterator[Message]:
        """What the chunk completes. `last_id` follows each event as it is taken."""
        *lines, self._left = (self._left + chunk).split(b"\n")
        for line in lines:
            text = line.removesuffix(b"\r").decode("utf-8", "replace")
            if text:
                self._field(text)
                continue
            self.last_id = self._id
            if self._data:
                yield Message(self._name or "message", "\n".join(self._data), self._id)
            self._name, self._data = "", []

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._name = value
        elif name == "id" and "\0" not in value:
            self._id = value
