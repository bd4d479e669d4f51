"""What already stands at the target, read beside the source's list: one page for a thousand keys."""

from collections.abc import Iterator
from itertools import groupby

from storage_service.remote import Listed, S3Server


class Present:
    """Asked for keys in the byte order of keys."""

    def __init__(self, listed: Iterator[Listed]) -> None:
        """`listed` by key, the newest version first."""
        self._groups = groupby(listed, key=lambda one: one.key)
        self._next: tuple[bytes, tuple[Listed, ...]] | None = None
        self._advance()

    def _advance(self) -> None:
        found = next(self._groups, None)
        if found is None:
            self._next = None
        else:
            self._next = (_order(found[0]), tuple(reversed(list(found[1]))))

    def of(self, key: str) -> tuple[Listed, ...]:
        """Versions of the key, the oldest first; none where it is not there."""
        wanted = _order(key)
        while self._next is not None and self._next[0] < wanted:
            self._advance()
        return self._next[1] if self._next is not None and self._next[0] == wanted else ()


def present_in(server: S3Server, bucket: str, prefix: str, *, versions: bool) -> Present:
    return Present(server.list_versions(bucket, prefix) if versions else server.list(bucket, prefix))


def _order(key: str) -> bytes:
    return key.encode(errors="surrogateescape")
