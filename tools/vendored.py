"""What the lock file of vendored files says, against what lies there. For the tools beside it."""

import gzip
import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def digest(path: Path) -> str:
    """SHA-256 of the content; of a packed file unpacked, since zlib versions pack differently."""
    data = path.read_bytes()
    return hashlib.sha256(gzip.decompress(data) if path.suffix == ".gz" else data).hexdigest()


def digests(files: Mapping[str, Path]) -> dict[str, str]:
    return {name: digest(path) for name, path in files.items()}


def differences(lock: Mapping[str, Any], files: Mapping[str, Path]) -> list[str]:
    """Files that are not as the lock file has them, or that it does not know."""
    said: dict[str, str] = lock.get("sha256", {})
    there = {name: path for name, path in files.items() if path.exists()}
    missing = [f"{name} is not locked" for name in files if name not in said]
    changed = [f"{name} differs" for name, sha in said.items() if name not in there or digest(there[name]) != sha]
    return missing + changed


def report(faults: list[str]) -> int:
    """The exit code."""
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0
