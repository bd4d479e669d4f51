"""The format of stored documents, opened here by another library than the one that wrote it."""

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from Crypto.Cipher import AES, PKCS1_OAEP
from Crypto.Hash import SHA256
from Crypto.PublicKey import RSA

from storage_service.providers import ConfigurationError, DecryptionFailed, DocumentCipher
from storage_service.providers.documents.cipher import make_key_file
from storage_service.providers.documents.envelope import FRAME_BYTES, Document, open_envelope, seal, seal_frames
from storage_service.providers.documents.lines import joined_to

BASE64 = ("nonce", "encrypted_key", "ciphertext", "tag")
TEXT = b"the same words again and again, " * 100
NOISE = Random(1).randbytes(5 * FRAME_BYTES // 2)


def document(size: int) -> Document:
    return Document("1", "123", "päss.pdf", "application/pdf", size, "2024-01-15T10:00:00+00:00")


def independent(stored: bytes, key_path: Path) -> bytes:
    """The content, by the description of the format and another library alone."""
    envelope = json.loads(stored)
    payload = {"ciphertext", "tag", "frames"}
    header = {name: value for name, value in envelope.items() if name not in payload}
    associated = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
    rsa = RSA.import_key(key_path.read_bytes())
    assert rsa.size_in_bits() == 2048
    key = PKCS1_OAEP.new(rsa, SHA256).decrypt(b64decode(envelope["encrypted_key"]))
    assert len(key) == 32
    nonce = b64decode(envelope["nonce"])
    if "frames" in envelope:
        count = len(envelope["frames"])
        plain = b"".join(
            opened(key, nonce + index.to_bytes(4, "big") + bytes([index == count - 1]), b64decode(frame), associated)
            for index, frame in enumerate(envelope["frames"])
        )
    else:
        sealed = b64decode(envelope["ciphertext"]) + b64decode(envelope["tag"])
        plain = opened(key, nonce, sealed, associated)
    return zlib.decompress(plain) if envelope["compression"] == "zlib" else plain


def opened(key: bytes, nonce: bytes, sealed: bytes, associated: bytes) -> bytes:
    assert len(nonce) == 12
    cipher = AES.new(key, AES.MODE_GCM, nonce=nonce)
    cipher.update(associated)
    return cipher.decrypt_and_verify(sealed[:-16], sealed[-16:])


def sealed(content: bytes, cipher: DocumentCipher, *, framed: bool, compress: bool = True) -> bytes:
    if framed:
        chunks = (content[start : start + 70_000] for start in range(0, len(content), 70_000))
        return b"".join(seal_frames(document(len(content)), chunks, cipher, compress=compress))
    return seal(document(len(content)), content, cipher, compress=compress)


def read(stored: bytes, cipher: DocumentCipher, step: int = 1000) -> bytes:
    pieces = (stored[start : start + step] for start in range(0, len(stored), step))
    return b"".join(open_envelope(pieces, cipher)[1])


@pytest.mark.parametrize("framed", [False, True])
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize(
    "content",
    [b"", b"x", TEXT, NOISE[:FRAME_BYTES], NOISE[: FRAME_BYTES + 1], NOISE],
    ids=["empty", "byte", "text", "frame", "frame and a byte", "frames"],
)
def test_another_library_decrypts_it(
    cipher: DocumentCipher, key_path: Path, content: bytes, compress: bool, framed: bool
) -> None:
    stored = sealed(content, cipher, framed=framed, compress=compress)
    assert independent(stored, key_path) == content
    assert read(stored, cipher) == content
    assert content not in stored or not content.strip(b"x")
    if framed and not (compress and json.loads(stored)["compression"]):
        assert len(json.loads(stored)["frames"]) == max(1, -(-len(content) // FRAME_BYTES))


def test_header_says_who_and_what(cipher: DocumentCipher) -> None:
    found, _ = open_envelope([sealed(TEXT, cipher, framed=False)], cipher)
    assert found == document(len(TEXT))
    envelope = json.loads(sealed(TEXT, cipher, framed=False))
    assert (envelope["algorithm"], envelope["key_algorithm"]) == ("AES-256-GCM", "RSA-OAEP-SHA256")


def test_each_document_has_its_own_key_and_nonce(cipher: DocumentCipher) -> None:
    envelopes = [json.loads(sealed(TEXT, cipher, framed=False)) for _ in range(20)]
    for member in ("encrypted_key", "nonce", "ciphertext", "tag"):
        assert len({envelope[member] for envelope in envelopes}) == 20


def test_compression_is_used_where_it_helps(cipher: DocumentCipher) -> None:
    for framed in (False, True):
        assert json.loads(sealed(TEXT, cipher, framed=framed))["compression"] == "zlib"
        assert json.loads(sealed(NOISE, cipher, framed=framed))["compression"] is None
        assert len(sealed(TEXT, cipher, framed=framed)) < len(sealed(TEXT, cipher, framed=framed, compress=False))


def altered(value: Any) -> Any:
    """The same with one bit, letter or number changed."""
    if isinstance(value, dict):
        return {**value, "id": "2"}
    if isinstance(value, list):
        return [altered(value[0]), *value[1:]]
    if isinstance(value, int):
        return value + 1
    if value is None:
        return "zlib"
    try:
        raw = b64decode(value, validate=True)
        return b64encode(bytes([raw[0] ^ 1]) + raw[1:]).decode()
    except ValueError:
        return f"{value}x"


@pytest.mark.parametrize("framed", [False, True])
def test_no_member_can_be_altered_or_left_out(cipher: DocumentCipher, framed: bool) -> None:
    envelope = json.loads(sealed(NOISE, cipher, framed=framed))
    for name in envelope:
        for wrong in ({**envelope, name: altered(envelope[name])}, {k: v for k, v in envelope.items() if k != name}):
            with pytest.raises(DecryptionFailed):
                read(rendered(wrong), cipher)


@pytest.mark.parametrize("field", ["id", "user_id", "filename", "content_type", "size", "created_at"])
def test_what_is_said_of_it_cannot_be_altered(cipher: DocumentCipher, field: str) -> None:
    envelope = json.loads(sealed(TEXT, cipher, framed=False))
    envelope["document"][field] = 1 if field == "size" else "other"
    with pytest.raises(DecryptionFailed):
        read(rendered(envelope), cipher)


def test_frames_cannot_be_moved_repeated_or_cut_off(cipher: DocumentCipher) -> None:
    envelope = json.loads(sealed(NOISE, cipher, framed=True))
    frames = envelope["frames"]
    assert len(frames) == 3
    other = json.loads(sealed(NOISE, cipher, framed=True))["frames"]
    for wrong in (
        frames[::-1],
        [frames[1], frames[0], frames[2]],
        frames[:2],
        frames[1:],
        [*frames, frames[2]],
        [frames[0], frames[1], other[2]],
        [],
    ):
        with pytest.raises(DecryptionFailed):
            read(rendered({**envelope, "frames": wrong}), cipher)


def test_document_cut_off_anywhere_is_refused(cipher: DocumentCipher) -> None:
    for framed in (False, True):
        stored = sealed(TEXT, cipher, framed=framed)
        for length in range(0, len(stored) - 1, 7):
            with pytest.raises(DecryptionFailed):
                read(stored[:length], cipher)


def test_every_flipped_byte_is_refused(cipher: DocumentCipher) -> None:
    for framed in (False, True):
        stored = sealed(b"secret", cipher, framed=framed)
        for position in range(len(stored)):
            if stored[position : position + 1] in b' \n"=':
                continue  # white space, and what base64 reads alike
            wrong = stored[:position] + bytes([stored[position] ^ 1]) + stored[position + 1 :]
            if json_of(wrong) == json_of(stored):
                continue
            with pytest.raises(DecryptionFailed):
                read(wrong, cipher)


def json_of(stored: bytes) -> Any:
    """What a JSON reader sees, with base64 decoded: `aa==` and `ab==` are the same byte."""
    try:
        found = json.loads(stored)
        return {
            **found,
            **{
                name: b64decode(found[name])
                for name in ("nonce", "encrypted_key", "ciphertext", "tag")
                if name in found
            },
            "frames": [b64decode(frame) for frame in found.get("frames", [])],
        }
    except (ValueError, TypeError, AttributeError):
        return None


def test_wrong_key_is_told_before_anything_is_read(cipher: DocumentCipher, tmp_path: Path) -> None:
    make_key_file(tmp_path / "other.pem")
    other = DocumentCipher.load(tmp_path / "other.pem")
    for framed in (False, True):
        with pytest.raises(DecryptionFailed, match="needs the RSA key"):
            open_envelope([sealed(TEXT, cipher, framed=framed)], other)


def test_older_keys_still_read_and_the_first_writes(cipher: DocumentCipher, key_path: Path, tmp_path: Path) -> None:
    make_key_file(tmp_path / "new.pem")
    both = DocumentCipher.load(tmp_path / "new.pem", key_path)
    assert read(sealed(TEXT, cipher, framed=False), both) == TEXT
    with pytest.raises(DecryptionFailed):
        read(sealed(TEXT, both, framed=False), cipher)


def test_packed_content_bursts_no_memory(cipher: DocumentCipher) -> None:
    """Whoever has the public key can make such a document."""
    lying = document(10)
    bomb = zlib.compress(b"\0" * 50_000_000)
    chunks: Iterator[bytes] = iter([b"\0" * 50_000_000])
    stored = b"".join(seal_frames(lying, chunks, cipher, compress=True))
    assert len(bomb) < 100_000
    with pytest.raises(DecryptionFailed, match="another length"):
        read(stored, cipher, 100_000)


def test_key_files_are_private_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    make_key_file(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        make_key_file(path)
    (tmp_path / "short.pem").write_bytes(RSA.generate(1024).export_key())
    (tmp_path / "text.pem").write_text("no key")
    for name in ("short.pem", "text.pem", "nowhere.pem"):
        with pytest.raises(ConfigurationError):
            DocumentCipher.load(tmp_path / name)


@pytest.mark.parametrize("sizes", [[], [0], [5], [4, 1], [10], [3, 9], [1] * 11, [25]])
def test_pieces_have_one_size(sizes: list[int]) -> None:
    whole = bytes(range(sum(sizes)))
    chunks, start = [], 0
    for size in sizes:
        chunks.append(whole[start : start + size])
        start += size
    pieces = list(joined_to(5, chunks))
    assert b"".join(pieces) == whole
    assert [len(piece) for piece in pieces[:-1]] == [5] * (len(pieces) - 1)
    assert all(pieces)


def rendered(envelope: dict[str, Any]) -> bytes:
    """As it is stored: frames one a line."""
    if "frames" not in envelope:
        return json.dumps(envelope, separators=(",", ":")).encode()
    header = {name: value for name, value in envelope.items() if name != "frames"}
    frames = ",\n".join(f'"{frame}"' for frame in envelope["frames"])
    return f'{json.dumps(header, separators=(",", ":"))[:-1]},"frames":[\n{frames}\n]}}'.encode()
