"""A client of SelfDB's WebSocket, on the websockets library."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

WAIT_SECONDS = 60.0


class Talk:
    """One connection; it says and hears JSON."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def say(self, **message: Any) -> None:
        self.connection.send(json.dumps(message))

    def hear(self) -> Any:
        return json.loads(self.connection.recv(timeout=WAIT_SECONDS))

    def ask(self, **message: Any) -> Any:
        self.say(**message)
        return self.hear()

    def subscribe(self, table: str, subscription_id: str = "s", **more: Any) -> None:
        answer = self.ask(type="subscribe", subscription_id=subscription_id, data={"table": table, **more})
        assert answer == {"type": "subscribed", "subscription_id": subscription_id}

    def closed(self) -> int:
        """The code of the end, after whatever was said before it."""
        try:
            while True:
                self.hear()
        except ConnectionClosed as over:
            assert over.rcvd is not None
            return over.rcvd.code


@contextmanager
def talking_to(url: str, token: str | None = None, **options: Any) -> Iterator[Talk]:
    """`url` as for HTTP; `token` None = nothing has been said yet."""
    with connect(url.replace("http", "ws", 1), proxy=None, **options) as connection:
        talk = Talk(connection)
        if token is not None:
            assert talk.ask(type="authenticate", token=token)["type"] == "connected"
        yield talk
