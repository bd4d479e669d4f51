"""The canonical request of signature version 4, from raw bytes. Pure.

Source: AWS "Authenticating Requests (AWS Signature Version 4)", S3's form: names are encoded once and not normalised.
"""

import re
from collections.abc import Iterable
from hashlib import sha256
from urllib.parse import quote_from_bytes, unquote_to_bytes

Pair = tuple[bytes, bytes]

# Possessive quantifiers: nothing is tried twice, whatever is sent.
# An escape that must be one: of a byte outside A-Z a-z 0-9 - . _ ~, in capitals.
ESCAPE = rb"%(?:[0189A-F][0-9A-F]|2[0-9ABCF]|3[A-F]|40|5[B-E]|60|7[B-DF])"
CANONICAL_PATH = re.compile(rb"(?:[A-Za-z0-9._~/-]++|%s)*+" % ESCAPE)
TEXT = rb"(?:[A-Za-z0-9._~-]++|%s)" % ESCAPE
CANONICAL_QUERY = re.compile(rb"%(t)s++=%(t)s*+(?:&%(t)s++=%(t)s*+)*+" % {b"t": TEXT})


def canonical_path(raw: bytes) -> bytes:
    """The path decoded once and encoded as AWS does; most clients send it so."""
    if CANONICAL_PATH.fullmatch(raw):
        return raw or b"/"
    return quote_from_bytes(unquote_to_bytes(raw), safe="/~").encode()


def parse_pairs(raw: bytes) -> list[Pair]:
    """The query's names and values, encoded as AWS does, sorted; `+` is a space and `a` is `a=`."""
    if not raw:
        return []
    if CANONICAL_QUERY.fullmatch(raw):
        pairs = [(name, value) for name, _, value in [piece.partition(b"=") for piece in raw.split(b"&")]]
    else:
        parts = [piece.partition(b"=") for piece in raw.split(b"&") if piece]
        pairs = [(_recode(name), _recode(value)) for name, _, value in parts]
    pairs.sort()
    return pairs


def _recode(text: bytes) -> bytes:
    return quote_from_bytes(unquote_to_bytes(text.replace(b"+", b" ")), safe="~").encode()


def render_pairs(pairs: Iterable[Pair], without: bytes = b"") -> bytes:
    """The canonical query string; the parameter `without` is left out."""
    return b"&".join([name + b"=" + value for name, value in pairs if name != without])


def trimmed(value: bytes) -> bytes:
    """A header's value without outer spaces, inner ones single."""
    return b" ".join(value.split()) if b"  " in value or b"\t" in value else value.strip()


def canonical_request(method: bytes, path: bytes, query: bytes, headers: list[Pair], payload_hash: bytes) -> bytes:
    """`headers`: the signed ones with their values, by name."""
    lines = b"".join([b"%s:%s\n" % header for header in headers])
    names = b";".join([name for name, _ in headers])
    return b"\n".join((method, path, query, lines, names, payload_hash))


def digest(text: bytes) -> bytes:
    """SHA-256 in hex."""
    return sha256(text).hexdigest().encode()
