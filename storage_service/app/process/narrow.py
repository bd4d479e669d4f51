"""Reading little at once while bodies fill the memory they may take together.

uvloop reads up to 256 kB into memory of its own for each connection that has so much: with a thousand clients that send
faster than the disk takes, that is 250 MB of pieces that wait. A protocol that brings its own buffer decides.
"""

import asyncio

from storage_service.app.edge.body import SHARED as BODIES

AREA = memoryview(bytearray(256 * 1024))  # one for all connections: what is read is taken before anybody else reads
NARROW = AREA[: 64 * 1024]


class Narrow(asyncio.BufferedProtocol):
    """Stands before a connection's protocol, which gets its bytes as ever."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        self._protocol = protocol
        self.connection_lost = protocol.connection_lost  # type: ignore[method-assign] # a call less
        self.eof_received = protocol.eof_received  # type: ignore[method-assign]
        self.pause_writing = protocol.pause_writing  # type: ignore[method-assign]
        self.resume_writing = protocol.resume_writing  # type: ignore[method-assign]

    def get_buffer(self, sizehint: int) -> memoryview:
        return NARROW if BODIES.is_full() else AREA

    def buffer_updated(self, nbytes: int) -> None:
        self._protocol.data_received(bytes(AREA[:nbytes]))
