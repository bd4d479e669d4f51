"""Of which parts an object may be made, told by its multipart ETag `<md5 of md5s>-<number of parts>`. Pure."""

import hashlib
from collections.abc import Sequence

MIB = 1 << 20
# Part sizes of usual clients in MiB: aws 8, MinIO's mc 16 (128 above 640 GiB), rclone 5, s3cmd 15, SDKs 5 to 64.
USUAL = (8, 16, 5, 64, 10, 15, 32, 128, 20, 25, 50, 100, 256, 512, 1024)
LEAST_PART = 5 * MIB  # but the last. Source: AWS "Amazon S3 multipart upload limits"
MOST_TRIES = 4


def parts_in(etag: str) -> int:
    """How many parts the ETag tells of; 0 where it is no multipart ETag."""
    digest, dash, count = etag.partition("-")
    is_one = dash and count.isdigit() and len(digest) == 32  # noqa: PLR2004 - hex digits of an MD5
    return int(count) if is_one else 0


def is_md5(etag: str) -> bool:
    return len(etag) == 32 and set(etag) <= set("0123456789abcdef")  # noqa: PLR2004


def equal_parts(size: int, part: int) -> list[int]:
    """So many bytes in parts of this size, the last with what is left."""
    whole, rest = divmod(size, part)
    return [part] * whole + ([rest] if rest or not whole else [])


def likely_layouts(size: int, count: int) -> list[list[int]]:
    """Layouts of equal parts that give this number of parts, the usual ones first, at most four."""
    if count <= 1:
        return [[size]] if count else []
    usual = [equal_parts(size, mib * MIB) for mib in USUAL]
    least = -(-size // count)
    rounded = -(-least // MIB) * MIB
    found = [layout for layout in [*usual, equal_parts(size, rounded)] if len(layout) == count]
    return [layout for at, layout in enumerate(found) if layout not in found[:at]][:MOST_TRIES]


def is_storable(layout: Sequence[int]) -> bool:
    """Whether S3 takes parts of these sizes."""
    return all(size >= LEAST_PART for size in layout[:-1])


def composite(etags: Sequence[str]) -> str:
    """The ETag of an object made of parts with these."""
    joined = hashlib.md5(b"".join(map(bytes.fromhex, etags)), usedforsecurity=False)
    return f"{joined.hexdigest()}-{len(etags)}"
