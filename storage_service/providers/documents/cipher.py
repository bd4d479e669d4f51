"""Keys of documents: each has one of its own, wrapped by an RSA key that stays with the app."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from storage_service.providers.errors import ConfigurationError, DecryptionFailed

MIN_RSA_BITS = 2048
KEY_BYTES = 32  # AES-256
OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)


class WrappedKey(NamedTuple):
    """A document's key, and what is stored of it: encrypted, with the name of the RSA key that opens it."""

    key: bytes
    encrypted: bytes
    key_id: str


class DocumentCipher:
    """Wraps with the first RSA key, opens with any of them: so keys can be exchanged.

    RSA-OAEP says who may read, not who wrote: with the public key and a way to write there, anybody makes documents.
    """

    def __init__(self, keys: Sequence[rsa.RSAPrivateKey]) -> None:
        if not keys or any(key.key_size < MIN_RSA_BITS for key in keys):
            raise ConfigurationError(f"documents need an RSA key of {MIN_RSA_BITS} bits or more")
        self._keys = {key_id_of(key.public_key()): key for key in keys}
        self.key_id = next(iter(self._keys))

    @classmethod
    def load(cls, *paths: os.PathLike[str] | str) -> Self:
        """From PEM files, the key to encrypt with first. Raises: ConfigurationError."""
        return cls([_load(Path(path)) for path in paths])

    def new_key(self) -> WrappedKey:
        key = os.urandom(KEY_BYTES)
        return WrappedKey(key, self._keys[self.key_id].public_key().encrypt(key, OAEP), self.key_id)

    def unwrap(self, encrypted: bytes, key_id: str) -> bytes:
        """The document's key. Raises: DecryptionFailed."""
        private = self._keys.get(key_id)
        if private is None:
            raise DecryptionFailed(f"this document needs the RSA key {key_id}")
        try:
            key = private.decrypt(encrypted, OAEP)
        except ValueError:
            raise DecryptionFailed("the document's key cannot be opened") from None
        if len(key) != KEY_BYTES:
            raise DecryptionFailed("the document's key has a wrong length")
        return key


def key_id_of(key: rsa.RSAPublicKey) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of its SubjectPublicKeyInfo."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()[:16]


def make_key_file(path: os.PathLike[str] | str) -> None:
    """A new RSA-2048 key in a PEM file only its owner reads. Raises: FileExistsError."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=MIN_RSA_BITS)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)


def _load(path: Path) -> rsa.RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigurationError(f"no usable RSA key in {path}: {error}") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigurationError(f"{path} holds no RSA key")
    return key
