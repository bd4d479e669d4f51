"""One worker: `python -m storage_service.app.process.worker`, with the supervisor's socket."""

import logging
import os
import socket
import sys

import uvicorn

from storage_service.app.core.config import load
from storage_service.app.process.agreement import DRAIN_SECONDS, SOCKET_VARIABLE
from storage_service.app.process.system import die_with_parent


def main() -> int:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    die_with_parent()
    settings = load()
    proxies = [str(network) for network in settings.trusted_proxies]
    config = uvicorn.Config(
        "storage_service.app.main:app",
        loop="uvloop",
        http="httptools",
        ws="none",  # no door speaks it yet
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        timeout_graceful_shutdown=DRAIN_SECONDS - 3,
    )
    listener = socket.socket(fileno=int(os.environ[SOCKET_VARIABLE]))
    uvicorn.Server(config).run(sockets=[listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
