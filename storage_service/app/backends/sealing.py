"""Secrets at rest: AES-256-GCM under a key file of the store, so that SECRET_KEY may change and backups hold no secret.

Source: NIST SP 800-38D. A nonce is random: of 2^32 secrets under one key no two are likely to share one.
"""

import base64
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from storage_service.app.backends.disk import Disk, published

KEY_BYTES, NONCE_BYTES = 32, 12
MODE = 0o600
VERSION = "v1."


class SealBroken(Exception):
    """Not sealed with this store's key file, or for another place, or changed since."""


class Sealer:
    """Seals short texts. The key file is read when it is first needed."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self._path = path
        self._disk = disk
        self._cipher: AESGCM | None = None

    def seal(self, text: str, place: str) -> str:
        """Printable; opens only for the same `place`. Whoever calls holds the lock of the records."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._key(make=True).encrypt(nonce, text.encode(), place.encode())
        return VERSION + base64.b64encode(nonce + sealed).decode()

    def open(self, sealed: str, place: str) -> str:
        """Raises: SealBroken, OSError."""
        if not sealed.startswith(VERSION):
            raise SealBroken("it was sealed by another version")
        try:
            data = base64.b64decode(sealed.removeprefix(VERSION), validate=True)
            return self._key(make=False).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], place.encode()).decode()
        except FileNotFoundError:
            raise SealBroken(f"{self._path.name} is missing: put it back from a backup") from None
        except (ValueError, InvalidTag):
            raise SealBroken(f"it was not sealed with this {self._path.name}") from None

    def _key(self, *, make: bool) -> AESGCM:
        if self._cipher is None:
            try:
                text = self._path.read_text(encoding="ascii")
            except FileNotFoundError:
                if not make:
                    raise
                text = self._make()
            self._cipher = AESGCM(base64.b64decode(text, validate=False))
        return self._cipher

    def _make(self) -> str:
        text = base64.b64encode(AESGCM.generate_key(KEY_BYTES * 8)).decode() + "\n"
        with published(self._disk, str(self._path), MODE) as fd:
            self._disk.write(fd, text.encode())
        self._disk.sync_dir(str(self._path.parent))  # before anything is sealed with it
        return text
