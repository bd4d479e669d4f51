"""The framing of an aws-chunked body: sizes, signatures, trailers. Pure: bytes in, bytes out.

Every length is known to be small before a byte of it is kept, and no chunk may pass the announced length of the whole.
Source: AWS "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks", "Trailing
Headers".
"""

import re
from hashlib import sha256

from storage_service.app.core.errors import (
    IncompleteBody,
    InvalidRequest,
    MalformedTrailerError,
    SignatureDoesNotMatch,
)
from storage_service.app.s3.auth.caller import ChunkSeed, Payload
from storage_service.app.s3.auth.canonical import digest
from storage_service.app.s3.auth.signing import matches, sign

HEAD = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;chunk-signature=([0-9a-f]{64}))?")
TRAILER = re.compile(rb"([A-Za-z0-9-]{1,64})[ \t]*:([ -~]{0,256})")
MOST_HEAD_BYTES = 16 + len(";chunk-signature=") + 64 + 2
MOST_TRAILER_BYTES = 4096
MOST_END_BYTES = 4  # some clients end with one line break too many
TRAILER_SIGNATURE = "x-amz-trailer-signature"
EMPTY = sha256(b"").hexdigest().encode()
BAD_CHUNK = "A chunk's signature does not match its bytes and its predecessor's signature"


class ChunkReader:
    """Takes the framing off, in order. `trailers` are complete once `ended` is true."""

    __slots__ = ("_buffer", "_chain", "_inside", "_left", "_payload", "_read", "_state", "trailers")

    def __init__(self, payload: Payload) -> None:
        """Of a `chunked` payload."""
        self._payload = payload
        self._chain = None if payload.seed is None else Chain(payload.seed)
        self._buffer = b""
        self._left = payload.decoded_length or 0  # bytes of the object still to come
        self._inside = 0  # bytes of this chunk still to come
        self._read = self._head
        self._state = True  # False: what is buffered does not suffice
        self.trailers: dict[str, str] = {}

    @property
    def ended(self) -> bool:
        return self._read == self._beyond

    def feed(self, data: bytes) -> bytes:
        """The object's bytes in `data`. They are worth nothing before `finish` returned.

        Raises: SignatureDoesNotMatch, InvalidRequest, IncompleteBody, MalformedTrailerError.
        """
        self._buffer = self._buffer + data if self._buffer else data
        found: list[bytes] = []
        self._state = True
        while self._buffer and self._state:
            piece = self._read()
            if piece:
                found.append(piece)
        return found[0] if len(found) == 1 else b"".join(found)

    def finish(self) -> None:
        """The body is over. Raises: IncompleteBody if its last chunk or some of the object is missing."""
        if self._read == self._trailer and not self._buffer:
            self._end()  # without the last empty line
        if not self.ended or self._left:
            raise IncompleteBody("The body ended before its last chunk, or is shorter than announced")

    def _line(self, most: int) -> bytes | None:
        """The next line without its end. None if it is not there yet."""
        end = self._buffer.find(b"\n", 0, most)
        if end < 0:
            if len(self._buffer) >= most:
                raise InvalidRequest("The chunk framing is malformed: a line is too long")
            self._state = False
            return None
        line, self._buffer = self._buffer[:end], self._buffer[end + 1 :]
        return line.removesuffix(b"\r")

    def _head(self) -> bytes:
        line = self._line(MOST_HEAD_BYTES)
        if line is None:
            return b""
        found = HEAD.fullmatch(line)
        if found is None or (found[2] is None) != (self._chain is None):
            raise InvalidRequest("The chunk framing is malformed: no size and signature where a chunk begins")
        size = int(found[1], 16)
        if size > self._left:
            raise InvalidRequest("The chunks are longer than x-amz-decoded-content-length")
        if self._chain is not None:
            self._chain.begin(found[2].decode())
        self._inside = size
        if size:
            self._read = self._data
        else:
            self._last()
        return b""

    def _last(self) -> None:
        if self._left:
            raise IncompleteBody("The chunks are shorter than x-amz-decoded-content-length")
        if self._chain is not None:
            self._chain.check()
        self._read = self._trailer

    def _data(self) -> bytes:
        piece = self._buffer[: self._inside]
        self._buffer = self._buffer[self._inside :]
        self._inside -= len(piece)
        self._left -= len(piece)
        if self._chain is not None:
            self._chain.update(piece)
        if not self._inside:
            self._read = self._data_end
        return piece

    def _data_end(self) -> bytes:
        if len(self._buffer) == 1 and self._buffer == b"\r":
            self._state = False
            return b""
        if self._buffer[:2] != b"\r\n":
            raise InvalidRequest("The chunk framing is malformed: a chunk is longer than its size")
        self._buffer = self._buffer[2:]
        if self._chain is not None:
            self._chain.check()
        self._read = self._head
        return b""

    def _trailer(self) -> bytes:
        line = self._line(MOST_TRAILER_BYTES)
        if line:
            self._add(line)
        elif line is not None and (self.trailers or not self._payload.trailers):
            self._end()
        return b""

    def _add(self, line: bytes) -> None:
        found = TRAILER.fullmatch(line)
        if found is None:
            raise MalformedTrailerError("A trailer is no name and value")
        name, value = found[1].decode().lower(), found[2].decode().strip()
        known = name in self._payload.trailers or (name == TRAILER_SIGNATURE and self._payload.signed_trailers)
        if not known or name in self.trailers:
            raise MalformedTrailerError("A trailer was not announced by x-amz-trailer, or stands twice")
        self.trailers[name] = value

    def _end(self) -> None:
        signature = self.trailers.pop(TRAILER_SIGNATURE, "")
        if self.trailers.keys() != self._payload.trailers:
            raise MalformedTrailerError("A trailer that x-amz-trailer announced is missing")
        if self._payload.signed_trailers and self._chain is not None:
            self._chain.check_trailers(self.trailers, signature)
        self._read = self._beyond

    def _beyond(self) -> bytes:
        if len(self._buffer) > MOST_END_BYTES or self._buffer.strip(b"\r\n"):
            raise InvalidRequest("Something follows the last chunk")
        self._state = False
        return b""


class Chain:
    """Signatures of chunks, each made over its predecessor's: none can be left out or change places."""

    __slots__ = ("_given", "_hash", "_previous", "_seed")

    def __init__(self, seed: ChunkSeed) -> None:
        self._seed = seed
        self._previous = seed.signature
        self._given = ""
        self._hash = sha256()

    def begin(self, signature: str) -> None:
        self._given = signature
        self._hash = sha256()

    def update(self, piece: bytes) -> None:
        self._hash.update(piece)

    def check(self) -> None:
        """Raises: SignatureDoesNotMatch."""
        rest = (self._previous.encode(), EMPTY, self._hash.hexdigest().encode())
        if not matches(self._given, self._sign(b"AWS4-HMAC-SHA256-PAYLOAD", *rest)):
            raise SignatureDoesNotMatch(BAD_CHUNK)
        self._previous = self._given

    def check_trailers(self, trailers: dict[str, str], signature: str) -> None:
        """Raises: SignatureDoesNotMatch."""
        text = "".join(f"{name}:{value}\n" for name, value in trailers.items()).encode()
        if not matches(signature, self._sign(b"AWS4-HMAC-SHA256-TRAILER", self._previous.encode(), digest(text))):
            raise SignatureDoesNotMatch("The signature of the trailers does not match them")

    def _sign(self, algorithm: bytes, *rest: bytes) -> str:
        return sign(self._seed.key, b"\n".join((algorithm, self._seed.stamp, self._seed.scope, *rest)))
