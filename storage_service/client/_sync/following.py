"""The stream of changes, taken up again wherever it breaks."""

import json
from collections.abc import Iterator, Mapping

import httpx

from storage_service.client._sync import io
from storage_service.client._sync.connection import Connection
from storage_service.client.errors import ConnectionFailed
from storage_service.client.models import Event
from storage_service.client.sse import Reader
from storage_service.client.wire import Call, pause_seconds

PATH = "/events"


class Following:
    """One listener. `last_id`: the last event it knows; empty = from now on."""

    def __init__(self, connection: Connection, params: Mapping[str, str], last_id: str) -> None:
        self._connection = connection
        self._params = params
        self._reader = Reader(last_id)
        self._failures = 0

    def events(self) -> Iterator[Event]:
        """Without end. Raises: ClientError."""
        while True:
            try:
                for event in self._stream():
                    yield event
            except httpx.TransportError as error:
                self._failures += 1
                if self._failures > self._connection.retries:
                    raise ConnectionFailed(f"{PATH}: {error or type(error).__name__}") from error
            io.pause(pause_seconds(self._failures, ConnectionFailed("")))

    def _stream(self) -> Iterator[Event]:
        """Until the service ends it, as it does every hour. An event that came in part comes again."""
        reader = self._reader = Reader(self._reader.last_id)
        known = {"last-event-id": reader.last_id} if reader.last_id else {}
        call = Call("GET", PATH, self._params, {"accept": "text/event-stream", **known})
        response = self._connection.open(call)
        try:
            for chunk in response.iter_raw():
                self._failures = 0
                for message in reader.feed(chunk):
                    yield Event.parse(json.loads(message.data))
        finally:
            response.close()
