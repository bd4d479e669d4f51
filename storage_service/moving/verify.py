"""Bytes on their way, compared with the digest they must have before the last of them leaves."""

import base64
import hashlib
from collections.abc import Iterator, Sequence

from storage_service.moving.layouts import composite, is_md5
from storage_service.moving.model import CannotMove


class Mismatch(CannotMove):
    """The source's bytes are not those its ETag tells of."""


class Passing:
    """The pieces of a body that is sent whole. The last is held back until size and digest are right: what is wrong is
    never whole at the target. `etag`: the MD5 of what passed, in the end."""

    def __init__(self, pieces: Iterator[bytes], size: int, etag: str, layout: Sequence[int] = ()) -> None:
        """`layout`: the parts of a multipart ETag. An ETag that is neither is not compared."""
        self._pieces = pieces
        self._size = size
        self._wanted = etag
        self._layout = layout
        self.etag = ""

    def __iter__(self) -> Iterator[bytes]:
        whole, parts = hashlib.md5(usedforsecurity=False), _Parts(self._layout)
        held, seen = b"", 0
        for piece in self._pieces:
            if held:
                yield held
            held, seen = piece, seen + len(piece)
            whole.update(piece)
            parts.update(piece)
        self.etag = whole.hexdigest()
        if seen != self._size:
            raise Mismatch(f"{seen} bytes came of {self._size}")
        if is_md5(self._wanted) and self.etag != self._wanted:
            raise Mismatch("the bytes are not those of its ETag")
        if self._layout and parts.etag() != self._wanted:
            raise Mismatch("the bytes are not those of its multipart ETag")
        if held:
            yield held


class _Parts:
    """MD5 of each part of a layout."""

    def __init__(self, layout: Sequence[int]) -> None:
        self._left = list(reversed(layout))
        self._hash = hashlib.md5(usedforsecurity=False)
        self._found: list[str] = []

    def update(self, piece: bytes) -> None:
        view = memoryview(piece)
        while self._left and view:
            take = min(len(view), self._left[-1])
            self._hash.update(view[:take])
            view = view[take:]
            self._left[-1] -= take
            if not self._left[-1]:
                self._left.pop()
                self._found.append(self._hash.hexdigest())
                self._hash = hashlib.md5(usedforsecurity=False)

    def etag(self) -> str:
        return composite(self._found) if self._found else ""


class Cut:
    """Pieces of a body, cut into parts of given sizes without keeping more than one piece."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def part(self, size: int) -> Iterator[bytes]:
        """Exactly so many bytes. Raises: Mismatch where the body ends earlier."""
        left = size
        while left:
            piece = self._rest or next(self._pieces, b"")
            if not piece:
                raise Mismatch("the body ends early")
            self._rest = piece[left:]
            left -= min(left, len(piece))
            yield piece[: len(piece) - len(self._rest)] if self._rest else piece


def content_md5(etag: str) -> str:
    """The header of that name, of an MD5 in hexadecimal."""
    return base64.b64encode(bytes.fromhex(etag)).decode()


def md5_of(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
