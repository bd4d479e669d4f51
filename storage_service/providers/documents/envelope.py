"""The format of a stored document: one JSON text, at any size.

Members but `ciphertext`, `tag` and `frames` are its header. The header's canonical JSON (sorted names, no spaces,
ASCII) is the associated data of every AES-256-GCM call, so nothing of it can be altered.

- Up to 16 MiB: `nonce` (12 bytes), `ciphertext`, `tag`; base64.
- Above: `nonce` (7 bytes) and `frames`, base64 of ciphertext and tag, each of `frame_bytes` of plaintext but the last.
  The nonce of frame i is `nonce`, i in 4 bytes big-endian, and 1 for the last frame, else 0: no frame can be left out,
  added or moved. One frame a line, so that it is read as a stream. Source: Hoang et al., "Online
  Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", §5 (STREAM).
"""

import json
import os
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from storage_service.providers.documents.cipher import DocumentCipher
from storage_service.providers.documents.lines import Lines, joined_to
from storage_service.providers.errors import DecryptionFailed

FORMAT = "storage-service-document"
FORMAT_START = b'{"format":"storage-service-document"'
FRAME_BYTES = 1024 * 1024
NONCE_BYTES, PREFIX_BYTES, TAG_BYTES = 12, 7, 16
MAX_WHOLE_BYTES = 32 * 1024 * 1024  # of an envelope without frames: 16 MiB in base64, and its header
PAYLOAD = frozenset({"ciphertext", "tag", "frames"})
CIPHERTEXT, TAG, FRAMES = b',"ciphertext":"', b'","tag":"', b',"frames":['
SAMPLE_BYTES = 64 * 1024
WORTH_IT = 0.9  # compressing starts where a sample shrinks to less


@dataclass(frozen=True, slots=True)
class Document:
    """What is said of a document, in the clear but protected. `size` of its plaintext in bytes."""

    id: str
    user_id: str | None
    filename: str
    content_type: str
    size: int
    created_at: str


def is_envelope(first_bytes: bytes) -> bool:
    return first_bytes.startswith(FORMAT_START)


def seal(document: Document, content: bytes, cipher: DocumentCipher, *, compress: bool) -> bytes:
    """The envelope of a document that is in memory."""
    packed = compress and _shrinks(content[:SAMPLE_BYTES])
    header, key = _header(document, cipher, os.urandom(NONCE_BYTES), packed)
    plain = zlib.compress(content) if packed else content
    sealed = AESGCM(key).encrypt(b64decode(header["nonce"]), plain, canonical(header))
    # Put together by hand: base64 needs no escaping, and to look for what does takes longer than to encrypt.
    parts = (_opened(header), CIPHERTEXT, b64encode(sealed[:-TAG_BYTES]), TAG, b64encode(sealed[-TAG_BYTES:]), b'"}')
    return b"".join(parts)


def seal_frames(
    document: Document, chunks: Iterable[bytes], cipher: DocumentCipher, *, compress: bool
) -> Iterator[bytes]:
    """The envelope of a document that comes in chunks, in chunks."""
    first, chunks = _first(iter(chunks))
    packed = compress and _shrinks(first[:SAMPLE_BYTES])
    header, key = _header(document, cipher, os.urandom(PREFIX_BYTES), packed)
    header["frame_bytes"] = FRAME_BYTES
    aead, associated, prefix = AESGCM(key), canonical(header), b64decode(header["nonce"])
    yield _opened(header) + FRAMES
    frames = joined_to(FRAME_BYTES, _packed(chunks) if packed else chunks)
    plain: bytes | None = next(frames, b"")
    index = 0
    while plain is not None:
        following = next(frames, None)
        sealed = aead.encrypt(_nonce(prefix, index, last=following is None), plain, associated)
        yield b'%s\n"%s"' % (b"," if index else b"", b64encode(sealed))
        plain, index = following, index + 1
    yield b"\n]}"


def open_envelope(chunks: Iterable[bytes], cipher: DocumentCipher) -> tuple[Document, Iterator[bytes]]:
    """The document and its content in chunks, each of which is authentic.

    Raises: DecryptionFailed: of a wrong key or header at once, of altered content when it is reached.
    """
    lines = Lines(chunks, MAX_WHOLE_BYTES)
    first = next(lines, b"")
    if first.endswith(FRAMES):
        header = _parsed(first[: -len(FRAMES)] + b"}")
        frames = _lines_of_frames(lines)
    else:
        header = _parsed_whole(first)
        frames = iter(())
    document = _document(header)
    return document, _content(header, document, frames, cipher)


def canonical(envelope: dict[str, Any]) -> bytes:
    """The associated data."""
    header = {name: value for name, value in envelope.items() if name not in PAYLOAD}
    return json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _header(document: Document, cipher: DocumentCipher, nonce: bytes, packed: bool) -> tuple[dict[str, Any], bytes]:
    wrapped = cipher.new_key()
    header = {
        "format": FORMAT,
        "version": 1,
        "algorithm": "AES-256-GCM",
        "key_algorithm": "RSA-OAEP-SHA256",
        "key_id": wrapped.key_id,
        "encrypted_key": _text(wrapped.encrypted),
        "nonce": _text(nonce),
        "compression": "zlib" if packed else None,
        "document": asdict(document),
    }
    return header, wrapped.key


def _content(
    header: dict[str, Any], document: Document, frames: Iterator[bytes], cipher: DocumentCipher
) -> Iterator[bytes]:
    """The key is opened at once, not when the first chunk is asked for."""
    key = cipher.unwrap(_bytes(header, "encrypted_key"), str(header.get("key_id")))
    plain = _opened_frames(header, key, frames) if "frame_bytes" in header else _opened_whole(header, key)
    if header.get("compression") == "zlib":
        plain = _unpacked(plain, document.size)
    return _counted(plain, document.size)


def _opened_whole(header: dict[str, Any], key: bytes) -> Iterator[bytes]:
    sealed = _bytes(header, "ciphertext") + _bytes(header, "tag")
    yield _decrypted(AESGCM(key), _bytes(header, "nonce"), sealed, canonical(header))


def _opened_frames(header: dict[str, Any], key: bytes, frames: Iterator[bytes]) -> Iterator[bytes]:
    aead, associated, prefix = AESGCM(key), canonical(header), _bytes(header, "nonce")
    sealed = next(frames, None)
    index = 0
    while sealed is not None:
        following = next(frames, None)
        yield _decrypted(aead, _nonce(prefix, index, last=following is None), sealed, associated)
        sealed, index = following, index + 1
    if not index:
        raise DecryptionFailed("the document has no content")


def _decrypted(aead: AESGCM, nonce: bytes, sealed: bytes, associated: bytes) -> bytes:
    try:
        return aead.decrypt(nonce, sealed, associated)
    except (InvalidTag, ValueError):
        raise DecryptionFailed("the document was altered, or encrypted with another key") from None


def _lines_of_frames(lines: Iterator[bytes]) -> Iterator[bytes]:
    for line in lines:
        if line == b"]}":
            return
        try:
            yield b64decode(line.removesuffix(b",").strip(b'"'), validate=True)
        except ValueError:
            raise DecryptionFailed("a frame of the document is not base64") from None
    raise DecryptionFailed("the document is cut off")


def _packed(chunks: Iterator[bytes]) -> Iterator[bytes]:
    packing = zlib.compressobj()
    for chunk in chunks:
        yield packing.compress(chunk)
    yield packing.flush()


def _unpacked(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Never more than one byte beyond the size: what was packed to burst does not."""
    unpacking, left = zlib.decompressobj(), size + 1
    try:
        for chunk in chunks:
            waiting = chunk
            while waiting and left > 0:
                plain = unpacking.decompress(waiting, min(left, FRAME_BYTES))
                left -= len(plain)
                waiting = unpacking.unconsumed_tail
                yield plain
        if left > 0:
            yield unpacking.flush()
    except zlib.error:
        raise DecryptionFailed("the document cannot be decompressed") from None


def _counted(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    seen = 0
    for chunk in chunks:
        seen += len(chunk)
        if seen > size:
            break
        if chunk:
            yield chunk
    if seen != size:
        raise DecryptionFailed("the document has another length than its header says")


def _document(header: dict[str, Any]) -> Document:
    try:
        return Document(**header["document"])
    except (KeyError, TypeError):
        raise DecryptionFailed("the document's header is incomplete") from None


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get("format") != FORMAT or found.get("version") != 1:
        raise DecryptionFailed("this is no encrypted document, or of a newer format")
    return found


def _parsed_whole(text: bytes) -> dict[str, Any]:
    """The ciphertext is cut out first, for the same reason as in `seal`; no quote stands bare in what is before it."""
    start, found, rest = text.partition(CIPHERTEXT)
    ciphertext, _, end = rest.partition(b'"')
    return _parsed(start + end) | {"ciphertext": ciphertext} if found else _parsed(text)


def _opened(header: dict[str, Any]) -> bytes:
    """Its JSON, to be gone on with."""
    return json.dumps(header, separators=(",", ":")).encode()[:-1]


def _bytes(header: dict[str, Any], name: str) -> bytes:
    try:
        return b64decode(header[name], validate=True)
    except (KeyError, ValueError, TypeError):
        raise DecryptionFailed(f"the document's {name} is missing or malformed") from None


def _text(raw: bytes) -> str:
    return b64encode(raw).decode()


def _nonce(prefix: bytes, index: int, *, last: bool) -> bytes:
    return prefix + index.to_bytes(4, "big") + bytes([last])


def _shrinks(sample: bytes) -> bool:
    return bool(sample) and len(zlib.compress(sample, 1)) < WORTH_IT * len(sample)


def _first(chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first chunk, and all of them again."""
    first = next(chunks, b"")

    def again() -> Iterator[bytes]:
        yield first
        yield from chunks

    return first, again()
