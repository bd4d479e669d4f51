"""What authentication hands on: who sent an S3 request, and how its body is protected."""

from typing import Literal, NamedTuple

from storage_service.app.core.security import ANONYMOUS, Principal

PayloadKind = Literal["plain", "unsigned", "chunked"]


class ChunkSeed(NamedTuple):
    """What the signatures of chunks are made with. `signature` is the head's: the first chunk's predecessor."""

    key: bytes
    stamp: bytes  # 20130524T000000Z
    scope: bytes  # 20130524/us-east-1/s3/aws4_request
    signature: str


class Payload(NamedTuple):
    """How a body is protected. `chunked`: aws-chunked, and `decoded_length` is the object's; `seed` None: unsigned.

    `sha256` is what the client declared and signed, in hex: compare it before the commit. `trailers` are the names
    announced, in lower case. `least_bytes` and `most_bytes` are a POST policy's.
    """

    kind: PayloadKind = "plain"
    sha256: str | None = None
    decoded_length: int | None = None
    trailers: frozenset[str] = frozenset()
    signed_trailers: bool = False
    seed: ChunkSeed | None = None
    least_bytes: int = 0
    most_bytes: int | None = None


class Caller(NamedTuple):
    """Who sent an S3 request. `access_key` is empty if nothing was signed. `hoisted`: its URL held headers, which are
    the request's by now.
    """

    principal: Principal = ANONYMOUS
    access_key: str = ""
    payload: Payload = Payload()
    hoisted: bool = False
