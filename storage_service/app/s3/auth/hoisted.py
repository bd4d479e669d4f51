"""Headers that a presigned URL holds as parameters: SDKs move them there, S3 takes them as headers. Pure."""

import re
from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

from storage_service.app.core.errors import InvalidArgument
from storage_service.app.s3.auth.canonical import Pair

OWN = frozenset(
    b"x-amz-algorithm x-amz-credential x-amz-date x-amz-expires x-amz-signedheaders x-amz-signature"
    b" x-amz-security-token x-amz-user-agent".split()
)
CONTROLS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def hoisted_headers(pairs: Iterable[Pair], also: frozenset[bytes] = frozenset()) -> list[Pair]:
    """The x-amz-* headers among a query's canonical pairs, and those named by `also`; decoded, names in lower case.

    Raises: InvalidArgument for a value that no header may have.
    """
    found = []
    for name, value in pairs:
        lower = name.lower()
        if (lower.startswith(b"x-amz-") and lower not in OWN) or lower in also:
            text = unquote_to_bytes(value)
            if CONTROLS.search(text):
                raise InvalidArgument(f"The parameter {lower.decode('latin-1')} holds control characters")
            found.append((lower, text))
    return found
