"""Connections shared among workers: each takes two and lets the others have theirs, where libuv takes all there are.

With that, whoever wakes first has most of a burst, and keeps it while connections live: two workers work as one. To
look again at once is not enough either: with as many busy processes as cores the others do not run before all is taken.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable

import uvicorn

from storage_service.app.process.heads import Protocol

OUT_OF_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
PAUSE_SECONDS = 0.1  # until descriptors may be free again; what waits stays in the kernel's queue
TAKEN_IN_A_ROW = 2
YIELD_SECONDS = 0.001  # then: the least that an event loop waits. A worker takes 2,000 a second, more than it serves


class Acceptor:
    """A listening socket that others accept from, too. Runs from now on until `close`."""

    def __init__(
        self, listener: socket.socket, make: Callable[[], asyncio.Protocol], context: ssl.SSLContext | None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._make = make
        self._context = context
        self._opening: set[asyncio.Task[None]] = set()
        self._again: asyncio.TimerHandle | None = None
        self._taken = 0
        listener.setblocking(False)
        self._watch()

    def _watch(self) -> None:
        self._loop.add_reader(self._listener.fileno(), self._accept)

    def _accept(self) -> None:
        try:
            accepted, _ = self._listener.accept()
        except OSError as error:  # another worker was quicker, or the client has left
            if error.errno in OUT_OF_ROOM:
                self._pause(PAUSE_SECONDS)
            return
        self._taken += 1
        if self._taken % TAKEN_IN_A_ROW == 0:
            self._pause(YIELD_SECONDS)
        opening = self._loop.create_task(self._open(accepted))
        self._opening.add(opening)  # the loop itself holds tasks but weakly
        opening.add_done_callback(self._opening.discard)

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener.fileno())
        self._again = self._loop.call_later(seconds, self._watch)

    async def _open(self, accepted: socket.socket) -> None:
        try:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(self._make, accepted, ssl=self._context)
        except OSError:  # left during its handshake, or spoke no TLS
            accepted.close()

    def close(self) -> None:
        """Accept no more; connections go on."""
        if self._again is not None:
            self._again.cancel()
        self._loop.remove_reader(self._listener.fileno())


class Server(uvicorn.Server):
    """uvicorn's, with connections shared evenly."""

    servers: list[Acceptor]  # type: ignore[assignment] # of them it wants nothing but `close`

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's: on return connections are taken."""
        await super().startup(sockets=[])
        self.servers = [Acceptor(one, self._protocol, self.config.ssl) for one in sockets or ()]

    def _protocol(self) -> asyncio.Protocol:
        return Protocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)
