"""One worker: `python -m storage_service.app.process.worker`, with the supervisor's sockets."""

import asyncio
import logging
import os
import socket
import sys
from typing import Any, Final, cast

import uvicorn

from storage_service.app.core.config import load
from storage_service.app.process.accepting import Server
from storage_service.app.process.agreement import DRAIN_SECONDS, SOCKETS_VARIABLE
from storage_service.app.process.heads import Protocol
from storage_service.app.process.system import die_with_parent, keep_memory
from storage_service.app.process.tls import Renewal, make_context

MAX_MESSAGE_BYTES: Final = 256 << 10  # more ends the connection; the door takes less


def websocket(**given: Any) -> asyncio.Protocol:
    """uvicorn's own WebSocket, imported with the first connection: a worker nobody talks to need not hold it."""
    from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol  # noqa: PLC0415

    return WebSocketsSansIOProtocol(**given)


def main() -> int:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    die_with_parent()
    keep_memory()
    settings = load()
    pair, context = settings.tls_pair, None
    if pair is not None:
        context = make_context(*pair)
        Renewal(context, *pair).start()
    config = uvicorn.Config(
        "storage_service.app.main:app",
        loop="uvloop",
        http=Protocol,
        ws=cast("type[asyncio.Protocol]", websocket),  # it is called with what a class would be
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_per_message_deflate=False,  # a window for each connection costs more than short messages save
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # the app does it: TRUSTED_PROXIES
        timeout_graceful_shutdown=DRAIN_SECONDS - 3,
        ssl_context_factory=None if context is None else lambda *_: context,
    )
    listeners = [socket.socket(fileno=int(number)) for number in os.environ[SOCKETS_VARIABLE].split(",")]
    server = uvicorn.Server(config) if settings.workers == 1 else Server(config)
    server.run(sockets=listeners)
    return 0


if __name__ == "__main__":
    sys.exit(main())
