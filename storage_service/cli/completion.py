"""What a shell may complete: buckets and keys, asked of the service. Silent where it cannot be reached."""

from storage_service.cli.parameters import Access
from storage_service.cli.places import STORE, Stored, parse_stored

MOST = 200  # more would not help anybody
SECONDS = 3.0  # a shell that waits longer seems to hang


def complete_stored(incomplete: str) -> list[str]:
    """Buckets up to the first slash; then the next level of keys."""
    try:
        return _candidates(incomplete)
    except Exception:  # typer.Exit is one; a traceback in the middle of somebody's line helps nobody
        return []


def complete_bucket(incomplete: str) -> list[str]:
    return [name.rstrip("/") for name in complete_stored(incomplete)] if "/" not in incomplete else []


def _candidates(incomplete: str) -> list[str]:
    import contextlib
    import io
    from itertools import islice

    from storage_service.cli.connect import connected
    from storage_service.client import Prefix

    start = STORE if incomplete.startswith(STORE) else ""
    with contextlib.redirect_stderr(io.StringIO()), connected(Access(), wait_seconds=SECONDS, retries=0) as client:
        if "/" not in incomplete:
            return [
                f"{start}{bucket.name}/" for bucket in client.buckets.list() if _fits(start, bucket.name, incomplete)
            ]
        place: Stored = parse_stored(incomplete)
        entries = islice(client.bucket(place.bucket).list(place.key, delimiter="/"), MOST)
        names = [entry.name if isinstance(entry, Prefix) else entry.key for entry in entries]
        return [f"{start}{place.bucket}/{name}" for name in names if name.isprintable()]


def _fits(start: str, name: str, incomplete: str) -> bool:
    return f"{start}{name}".startswith(incomplete)
