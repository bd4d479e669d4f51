"""Chunks cut again: into lines, into pieces of one size."""

from collections.abc import Iterable, Iterator

from storage_service.providers.errors import DecryptionFailed


class Lines:
    """Lines without their line feed; the last may lack one. Raises: DecryptionFailed for one that is too long."""

    def __init__(self, chunks: Iterable[bytes], longest: int) -> None:
        self._chunks = iter(chunks)
        self._longest = longest
        self._rest = b""

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        parts, length = [], 0
        while True:
            line, found, self._rest = self._rest.partition(b"\n")
            parts.append(line)
            length += len(line)
            if length > self._longest:
                raise DecryptionFailed("a line of the document is too long")
            if found:
                return b"".join(parts)
            chunk = next(self._chunks, None)
            if chunk is None:
                if length:
                    return b"".join(parts)
                raise StopIteration
            self._rest = chunk


def joined_to(size: int, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Pieces of exactly this size; the last is shorter, never empty."""
    parts: list[bytes] = []
    have = 0
    for chunk in chunks:
        parts.append(chunk)
        have += len(chunk)
        if have >= size:
            joined = b"".join(parts)
            whole = have - have % size
            yield from (joined[start : start + size] for start in range(0, whole, size))
            parts, have = [joined[whole:]], have - whole
    if have:
        yield b"".join(parts)
