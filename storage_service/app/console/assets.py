"""The files of the console, packed once.

Their address holds a hash of them all: browsers may keep them for good, and modules name each other by relative paths.
"""

import gzip
import hashlib
from collections.abc import Mapping
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


class Asset(NamedTuple):
    """`packed` is the body in gzip; empty where that would not be smaller."""

    body: bytes
    packed: bytes
    media_type: bytes


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
    files = {name: _asset(body, Path(name).suffix) for name, body in found.items()}
    return Assets(base, _asset(page.replace(BASE, base.encode()), ".html"), files)


def _ships(path: Path) -> bool:
    return path.is_file() and path.suffix in TYPES  # the lock file and licences are for people


def _asset(body: bytes, suffix: str) -> Asset:
    packed = gzip.compress(body, 9, mtime=0)
    return Asset(body, packed if len(packed) < len(body) else b"", TYPES[suffix])
