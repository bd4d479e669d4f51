"""Addresses of uploads that are not finished, so that the next run goes on with them: a small file for each."""

import os
import re
import time
from collections.abc import Iterator, MutableMapping
from pathlib import Path

KEPT_SECONDS = 14 * 24 * 3600  # a service ends them sooner, by its UPLOAD_EXPIRY_DAYS
MARK = re.compile(r"[0-9a-f]{64}", re.ASCII)


def default_place() -> Path:
    """Source: XDG Base Directory Specification, $XDG_STATE_HOME."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "storage-service" / "uploads"


class Unfinished(MutableMapping[str, str]):
    """By fingerprint. Where nothing can be written an interrupted upload just begins anew."""

    def __init__(self, place: Path) -> None:
        self._place = place
        for mark in self:
            self._forget_old(place / mark)

    def __getitem__(self, mark: str) -> str:
        try:
            return (self._place / mark).read_text(encoding="ascii")
        except OSError:
            raise KeyError(mark) from None

    def __setitem__(self, mark: str, path: str) -> None:
        try:
            self._place.mkdir(parents=True, exist_ok=True, mode=0o700)
            (self._place / mark).write_text(path, encoding="ascii")
        except OSError:
            return

    def __delitem__(self, mark: str) -> None:
        try:
            (self._place / mark).unlink()
        except OSError:
            raise KeyError(mark) from None

    def __iter__(self) -> Iterator[str]:
        try:
            return iter([path.name for path in self._place.iterdir() if MARK.fullmatch(path.name)])
        except OSError:
            return iter(())

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @staticmethod
    def _forget_old(file: Path) -> None:
        try:
            if time.time() - file.stat().st_mtime > KEPT_SECONDS:
                file.unlink()
        except OSError:
            return
