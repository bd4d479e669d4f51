"""One worker: `python -m storage_service.app.process.worker`, with the supervisor's sockets."""

import logging
import os
import socket
import sys

import uvicorn

from storage_service.app.core.config import load
from storage_service.app.process.agreement import DRAIN_SECONDS, SOCKETS_VARIABLE
from storage_service.app.process.http import JoiningProtocol
from storage_service.app.process.system import die_with_parent
from storage_service.app.process.tls import Renewal, make_context


def main() -> int:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    die_with_parent()
    settings = load()
    pair, context = settings.tls_pair, None
    if pair is not None:
        context = make_context(*pair)
        Renewal(context, *pair).start()
    config = uvicorn.Config(
        "storage_service.app.main:app",
        loop="uvloop",
        http=JoiningProtocol,
        ws="none",  # no door speaks it yet
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # the app does it: TRUSTED_PROXIES
        timeout_graceful_shutdown=DRAIN_SECONDS - 3,
        ssl_context_factory=None if context is None else lambda *_: context,
    )
    listeners = [socket.socket(fileno=int(number)) for number in os.environ[SOCKETS_VARIABLE].split(",")]
    uvicorn.Server(config).run(sockets=listeners)
    return 0


if __name__ == "__main__":
    sys.exit(main())
