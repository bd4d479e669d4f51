"""Digests of what is sent and of what arrives."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Literal

from storage_service.client.errors import ChecksumMismatch

Algorithm = Literal["sha256", "crc64nvme", "none"]
HEADERS = {"sha256": "x-checksum-sha256", "crc64nvme": "x-checksum-crc64nvme"}


class Digest:
    """Of chunks in order. SHA-256 reads in hexadecimal, CRC64NVME in base64, as the service writes them."""

    def __init__(self, algorithm: Algorithm) -> None:
        self.algorithm = algorithm
        self._sha256 = hashlib.sha256()
        self._crc = 0
        if algorithm == "crc64nvme":
            from awscrt.checksums import crc64nvme  # noqa: PLC0415 - 13 MB that SHA-256 does not need

            self._crc64nvme = crc64nvme

    def update(self, chunk: bytes) -> None:
        if self.algorithm == "sha256":
            self._sha256.update(chunk)
        elif self.algorithm == "crc64nvme":
            self._crc = self._crc64nvme(chunk, self._crc)

    def text(self) -> str:
        if self.algorithm == "sha256":
            return self._sha256.hexdigest()
        return base64.b64encode(self._crc.to_bytes(8, "big")).decode() if self.algorithm == "crc64nvme" else ""

    def check(self, expected: str | None) -> None:
        """Raises: ChecksumMismatch. Where nothing is expected, nothing can differ."""
        if self.algorithm != "none" and expected and self.text() != expected:
            raise ChecksumMismatch(f"{self.algorithm} is {self.text()}, expected {expected}")


def announced(headers: Mapping[str, str]) -> tuple[Digest, str | None]:
    """A digest to compute over a download, and what the service says it will be."""
    if value := headers.get(HEADERS["sha256"]):
        return Digest("sha256"), value
    if value := headers.get(HEADERS["crc64nvme"]):
        return Digest("crc64nvme"), value
    return Digest("none"), None
