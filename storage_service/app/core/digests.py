"""Digests of a body, computed while it passes, and their comparison with what the client said."""

import base64
import hashlib
from dataclasses import dataclass

from awscrt.checksums import crc64nvme
from isal.isal_zlib import crc32

from storage_service.app.core.checksums import KINDS, Algorithm, checksum
from storage_service.app.core.errors import BadDigest
from storage_service.app.core.objects import Digests

KEEPS_GIL_BYTES = 2047  # one less than HASHLIB_GIL_MINSIZE in CPython's hashlib.h


@dataclass(frozen=True, slots=True)
class Wanted:
    """Digests a client announced, as raw bytes (16, 8 and 32 long); None = not announced."""

    md5: bytes | None = None
    crc64nvme: bytes | None = None
    sha256: bytes | None = None


class Hasher:
    """Hashes chunks in order.

    `update` of a large chunk lets other threads run, so it may be called in one.
    """

    __slots__ = ("_algorithm", "_chosen", "_crc", "_crc32", "_md5", "_sha256")

    def __init__(self, *, sha256: bool = True, algorithm: Algorithm | None = None) -> None:
        """`algorithm`: one more checksum, of the writer's choice."""
        self._algorithm: Algorithm | None = algorithm
        self._chosen = None if algorithm is None else KINDS[algorithm].begin()
        self._md5 = hashlib.md5(usedforsecurity=False)  # the ETag; not a proof against forgery
        self._sha256 = hashlib.sha256() if sha256 else None
        self._crc = self._crc32 = 0

    def update(self, chunk: bytes) -> None:
        self._md5.update(chunk)
        self._crc = crc64nvme(chunk, self._crc)
        self._crc32 = crc32(chunk, self._crc32)
        if self._sha256 is not None:
            self._sha256.update(chunk)
        if self._chosen is not None:
            self._chosen.update(chunk)

    def finish(self) -> Digests:
        """Of all chunks so far; more may follow."""
        sha256 = None if self._sha256 is None else self._sha256.hexdigest()
        digests = Digests(self._md5.hexdigest(), render_crc64nvme(self._crc), sha256, crc32=self._crc32)
        if self._algorithm is None or self._chosen is None:
            return digests
        return digests._replace(checksums={self._algorithm: base64.b64encode(self._chosen.digest()).decode()})


def digest_small(body: bytes, sha256: bool = True, algorithm: Algorithm | None = None) -> Digests:
    """Digests of a small body that is in memory whole, for the event loop's thread.

    In pieces for which hashlib keeps the GIL: to give it up and win it back takes four times as long as hashing 4 KiB.
    """
    md5 = hashlib.md5(usedforsecurity=False)
    sha = hashlib.sha256() if sha256 else None
    for start in range(0, len(body), KEEPS_GIL_BYTES):
        piece = body[start : start + KEEPS_GIL_BYTES]
        md5.update(piece)
        if sha is not None:
            sha.update(piece)
    hexdigest = None if sha is None else sha.hexdigest()
    digests = Digests(md5.hexdigest(), render_crc64nvme(crc64nvme(body)), hexdigest, crc32=crc32(body))
    if algorithm is None:
        return digests
    return digests._replace(checksums={algorithm: base64.b64encode(checksum(algorithm, body)).decode()})


def render_crc64nvme(value: int) -> str:
    """Base64 of the eight bytes, big-endian. Source: AWS "Checking object integrity"."""
    return base64.b64encode(value.to_bytes(8, "big")).decode()


def check_digests(digests: Digests, wanted: Wanted | None) -> None:
    """Raises: BadDigest naming the first digest that differs.

    ValueError if SHA-256 is wanted and was not computed.
    """
    if wanted is None:
        return
    if wanted.md5 is not None and wanted.md5.hex() != digests.md5:
        raise BadDigest("The body does not match its Content-MD5")
    if wanted.crc64nvme is not None and wanted.crc64nvme != base64.b64decode(digests.crc64nvme):
        raise BadDigest("The body does not match its CRC64NVME checksum")
    if wanted.sha256 is None:
        return
    if digests.sha256 is None:
        raise ValueError("SHA-256 was not computed")
    if wanted.sha256.hex() != digests.sha256:
        raise BadDigest("The body does not match its SHA-256 digest")
