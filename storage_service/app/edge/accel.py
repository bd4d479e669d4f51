"""Handing a body to the proxy in front: nginx sends the blob itself, from the same disk, by `X-Accel-Redirect`.

The gateway announces itself in a header that it sets and that it strips from clients; it counts only from an address
in TRUSTED_PROXIES. Whatever nginx would answer otherwise than we do stays here: preconditions, several ranges,
headers that the shipped configuration does not give back.
"""

import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from storage_service.app.core.downloads import Download
from storage_service.app.core.objects import Span
from storage_service.app.edge.conditions import NAMES as CONDITIONS
from storage_service.app.edge.request import Request
from storage_service.app.edge.respond import Header

ANNOUNCED = b"x-storage-accel"
# The header's one value, and nginx's location of the blobs. Fixed: where a proxy forgets to strip the header, a client
# must not choose among that proxy's internal locations.
LOCATION = b"/_storage_blobs/"
PLACE = "storage.accel"  # of the scope: the same, once it is believed
MIN_BYTES = 256 * 1024  # below that the second round through nginx costs more than it saves

# What nginx reads as we do. It knows no tabs, and refuses larger numbers than a file can have.
ONE_RANGE = re.compile(r"bytes=(?:[0-9]{1,18}-[0-9]{0,18}|-[0-9]{1,18})")
STAYS = CONDITIONS | {b"if-range"}
# nginx keeps Content-Type of our answer when it turns to the file, and these too: where it then cannot read the file
# and asks again, they would stand twice. So they travel under other names.
RENAMED = {
    b"cache-control": b"x-storage-cache-control",
    b"content-disposition": b"x-storage-content-disposition",
}
# It drops all others; nginx/storage/blobs.conf adds these again. A test compares.
GIVEN_BACK = frozenset(
    {
        b"etag",
        b"last-modified",
        b"content-encoding",
        b"content-language",
        b"content-security-policy",
        b"x-content-type-options",
        b"x-version-id",
        b"x-checksum-crc64nvme",
        b"x-checksum-sha256",
        b"x-request-id",
        b"access-control-allow-origin",
        b"access-control-expose-headers",
        b"vary",
        b"x-amz-request-id",
        b"x-amz-id-2",
        b"x-amz-version-id",
        b"x-amz-checksum-type",
        b"x-amz-checksum-crc32",
        b"x-amz-checksum-crc32c",
        b"x-amz-checksum-crc64nvme",
        b"x-amz-checksum-sha1",
        b"x-amz-checksum-sha256",
    }
)
ITS_OWN = frozenset({b"content-length", b"content-range", b"accept-ranges"})  # nginx knows them from the file
# nginx drops it too. A cache that gets this head by somebody's mistake must not keep an empty body.
UNCACHED = (b"cdn-cache-control", b"no-store")
KNOWN = GIVEN_BACK | ITS_OWN | RENAMED.keys() | {b"content-type"}


def keep(request: Request) -> None:
    """This answer is ours to send, whatever it is. For what must not be asked twice: nginx asks again if it fails."""
    request.scope.pop(PLACE, None)


def place_of(request: Request, headers: Sequence[Header], download: Download, span: Span) -> str | None:
    """What `X-Accel-Redirect` should say; None = the body is ours to send."""
    place: bytes | None = request.scope.get(PLACE)
    if place is None or download.location is None or span.end - span.start < MIN_BYTES:
        return None
    names = [name for name, _ in headers]
    if len(set(names)) < len(names) or not KNOWN.issuperset(names):  # metadata, or a header said twice
        return None
    if not STAYS.isdisjoint(request.headers) or not _same_part(request, names):
        return None
    return place.decode("ascii") + quote(download.location)


def _same_part(request: Request, names: Sequence[bytes]) -> bool:
    """Whether nginx would send what we would: the whole to whom asked for it, the part to whom asked for one."""
    asked = request.headers_all(b"range")
    if not asked:
        return True
    return b"content-range" in names and len(asked) == 1 and ONE_RANGE.fullmatch(asked[0]) is not None


async def hand_over(request: Request, place: str, headers: Iterable[Header]) -> None:
    """The head alone: nginx adds status, length and range of the file it finds there."""
    own = [(RENAMED.get(name, name), value) for name, value in headers if name not in ITS_OWN]
    said = [(b"content-length", b"0"), (b"x-accel-redirect", place.encode("ascii")), UNCACHED, *own]
    await request.send({"type": "http.response.start", "status": 200, "headers": said})
    await request.send({"type": "http.response.body", "body": b""})
