"""Chunked bodies as clients frame and sign them, and how they are read."""

from collections.abc import AsyncIterator, Sequence
from hashlib import sha256

from storage_service.app.s3.auth.body import Body
from storage_service.app.s3.auth.caller import ChunkSeed, Payload
from storage_service.app.s3.auth.signing import sign, signing_key
from tests.s3.auth.signed import SECRET

STAMP, SCOPE = b"20260524T120000Z", b"20260524/us-east-1/s3/aws4_request"
SEED = ChunkSeed(signing_key(SECRET, b"20260524", b"us-east-1"), STAMP, SCOPE, "0" * 64)


def unsigned(data: Sequence[bytes], trailers: bytes = b"") -> bytes:
    """One frame a piece, then the last, empty one and the trailers' lines."""
    frames = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in data]
    return b"".join(frames) + b"0\r\n" + trailers + b"\r\n"


def signed(data: Sequence[bytes], trailers: str | None = None, seed: ChunkSeed = SEED) -> bytes:
    """The same with signatures; `trailers` are lines, signed too."""
    previous, frames = seed.signature, []
    for piece in (*data, b""):
        text = (b"AWS4-HMAC-SHA256-PAYLOAD", seed.stamp, seed.scope, previous.encode(), _hash(b""), _hash(piece))
        previous = sign(seed.key, b"\n".join(text))
        end = b"\r\n" if piece else b""
        frames.append(b"%x;chunk-signature=%s\r\n%s%s" % (len(piece), previous.encode(), piece, end))
    if trailers is not None:
        parts = (b"AWS4-HMAC-SHA256-TRAILER", seed.stamp, seed.scope, previous.encode(), _hash(trailers.encode()))
        signature = sign(seed.key, b"\n".join(parts))
        frames.append(trailers.replace("\n", "\r\n").encode() + b"x-amz-trailer-signature:%s\r\n" % signature.encode())
    return b"".join(frames) + b"\r\n"


def _hash(text: bytes) -> bytes:
    return sha256(text).hexdigest().encode()


def payload(length: int, *, seed: bool = True, trailers: Sequence[str] = (), signed_trailers: bool = False) -> Payload:
    return Payload(
        "chunked",
        decoded_length=length,
        trailers=frozenset(trailers),
        signed_trailers=signed_trailers,
        seed=SEED if seed else None,
    )


async def pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def read(about: Payload, body: bytes, size: int = 1 << 16) -> tuple[bytes, Body]:
    """All that it holds; raises what `Body` raises."""
    stream = pieces(body, size)

    async def source() -> bytes:
        return await anext(stream, b"")

    decoded = Body(about, source)
    return b"".join([piece async for piece in decoded]), decoded
