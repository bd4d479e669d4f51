"""The files of the console.

Their address holds a hash of them all: browsers may keep them for good, and modules name each other by relative paths.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

STATIC = Path(__file__).parent / "static"
PAGE = "index.html"
BASE = b"{{base}}"  # stands in the page where the files' address belongs
HASH_CHARS = 16
TYPES = {
    ".css": b"text/css; charset=utf-8",
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
}


@dataclass(frozen=True)
class Asset:
    """A file as it is sent."""

    body: bytes
    media_type: bytes

    @cached_property
    def packed(self) -> bytes:
        """The body in gzip; empty where that would not be smaller. Made when it is first asked for: most workers never
        are, and all of them want to start soon."""
        packed = gzip.compress(self.body, 9, mtime=0)
        return packed if len(packed) < len(self.body) else b""


class Assets(NamedTuple):
    """The page, and every other file under `base` by its path."""

    base: str
    page: Asset
    files: Mapping[str, Asset]


def load_assets(root: Path = STATIC) -> Assets:
    """All that ships in the package; blocking. Raises: OSError."""
    found = {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if _ships(path)}
    page = found.pop(PAGE)
    digest = hashlib.sha256(b"".join(name.encode() + b"\0" + hashlib.sha256(found[name]).digest() for name in found))
    base = f"static/{digest.hexdigest()[:HASH_CHARS]}"
    files = {name: Asset(body, TYPES[Path(name).suffix]) for name, body in found.items()}
    return Assets(base, Asset(page.replace(BASE, base.encode()), TYPES[".html"]), files)


def _ships(path: Path) -> bool:
    return path.is_file() and path.suffix in TYPES  # the lock file and licences are for people
