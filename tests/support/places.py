"""Directories that other users may pass through. Pytest closes its own to them, again at every start of a session."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def open_place() -> Iterator[Path]:
    """A new directory; gone with all it holds when the block ends."""
    place = Path(tempfile.mkdtemp(prefix="storage-test-"))
    place.chmod(0o755)
    try:
        yield place
    finally:
        shutil.rmtree(place)
