"""A listener to server-sent events, as browsers are: it reads in a thread, and keeps the last id."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx

WAIT_SECONDS = 60.0  # far more than anything takes
ENDED = "ended"


class Listener:
    """`with Listener(client, "/events") as heard:` connects and returns once the head is there."""

    def __init__(self, client: httpx.Client, path: str, headers: Mapping[str, str] | None = None) -> None:
        self.last_id: str | None = None
        self.status = 0
        self.local_port = 0
        self.headers = httpx.Headers()
        self._client = client
        self._path = path
        self._sent = dict(headers or {})
        self._heard: queue.Queue[Any] = queue.Queue()
        self._begun = threading.Event()
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._begun.wait(WAIT_SECONDS), "no answer"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave.set()

    def next(self) -> Any:
        """The next event's data; ENDED at the end."""
        return self._heard.get(timeout=WAIT_SECONDS)

    def until(self, **said: Any) -> Any:
        """The first event that says all this."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            event = self.next()
            assert event != ENDED, f"ended before {said}"
            if said.items() <= event.items():
                return event
        raise AssertionError(f"nothing like {said}")

    def _listen(self) -> None:
        try:
            with self._client.stream("GET", self._path, headers=self._sent, timeout=WAIT_SECONDS) as answer:
                self.status, self.headers = answer.status_code, answer.headers
                self.local_port = answer.extensions["network_stream"].get_extra_info("client_addr")[1]
                for line in answer.iter_lines():
                    self._take(line)
                    if self._leave.is_set():
                        return
        except httpx.TransportError:
            pass  # the service was killed
        finally:
            self._begun.set()
            self._heard.put(ENDED)

    def _take(self, line: str) -> None:
        name, _, value = line.partition(": ")
        if name == "id":
            self.last_id = value
            self._begun.set()  # from here on nothing is missed
        elif name == "data":
            self._heard.put(json.loads(value))
