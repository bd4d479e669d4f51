"""A PUT whose body is a stream of signed chunks, signed now: as SDKs send it, to be changed on the way."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from storage_service.app.s3.auth.caller import ChunkSeed
from storage_service.app.s3.auth.canonical import canonical_request
from storage_service.app.s3.auth.signing import sign, signing_key, string_to_sign
from tests.s3.auth.chunking import signed

KIND = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"


class Stream(NamedTuple):
    """`headers` are signed, and say the decoded length; `body` is framed."""

    headers: dict[str, str]
    body: bytes


def signed_stream(url: str, pair: tuple[str, str], data: Sequence[bytes], length: int | None = None) -> Stream:
    """`length`: the decoded one that is said; None = the true one."""
    parts, stamp = urlsplit(url), datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/us-east-1/s3/aws4_request"
    size = sum(map(len, data)) if length is None else length
    headers = {
        "host": parts.netloc,
        "x-amz-content-sha256": KIND,
        "x-amz-date": stamp,
        "x-amz-decoded-content-length": str(size),
    }
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    key = signing_key(pair[1], stamp[:8].encode(), b"us-east-1")
    canonical = canonical_request(b"PUT", parts.path.encode(), b"", pairs, KIND.encode())
    signature = sign(key, string_to_sign(stamp.encode(), scope.encode(), canonical))
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={pair[0]}/{scope}, SignedHeaders={';'.join(headers)}, Signature={signature}"
    )
    return Stream(headers, signed(data, seed=ChunkSeed(key, stamp.encode(), scope.encode(), signature)))
