"""The closed table of hot routes: what `dispatch` serves without FastAPI, and how paths name them."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from storage_service.app.core.security import Action
from storage_service.app.edge.request import Request, decode_path


class Target(NamedTuple):
    """What a path names, decoded. `key` is empty where the route has none, `token` where it is not signed."""

    bucket: str
    key: str = ""
    token: str = ""


class HotRoute(NamedTuple):
    """One method of one path. `word` is the second segment under /files, or `storage`."""

    method: str
    word: bytes
    operation: str  # of OpenAPI and of metrics
    action: Action


Handler = Callable[[Request, Target], Awaitable[None]]

READS = ("GET", "HEAD")
HOT_ROUTES = (
    HotRoute("POST", b"upload", "files.upload", "write_object"),
    HotRoute("PUT", b"upload-direct", "files.upload_direct", "write_object"),
    HotRoute("PUT", b"upload-signed", "files.upload_signed", "write_object"),
    HotRoute("POST", b"upload-signed", "files.upload_signed", "write_object"),
    *(HotRoute(method, b"download", "files.download", "read_object") for method in READS),
    *(HotRoute(method, b"view", "files.view", "read_object") for method in READS),
    *(HotRoute(method, b"public", "files.public", "read_object") for method in READS),
    *(HotRoute(method, b"storage", "files.permanent", "read_object") for method in READS),
    *(HotRoute(method, b"download-signed", "files.download_signed", "read_object") for method in READS),
)
WORDS = frozenset(route.word for route in HOT_ROUTES)
SIGNED = frozenset({b"upload-signed", b"download-signed"})
WITHOUT_KEY = frozenset({b"upload"})


def parse_target(raw_path: bytes) -> tuple[bytes, Target] | None:
    """The word of a hot path and what it names; None for every other path.

    Split before it is decoded: an encoded slash never ends a bucket's name. Raises: InvalidKey if
    not UTF-8.
    """
    if raw_path.startswith(b"/files/"):
        word, _, rest = raw_path[7:].partition(b"/")
    elif raw_path.startswith(b"/storage/"):
        word, rest = b"storage", raw_path[9:]
    else:
        return None
    if word not in WORDS:
        return None
    token = b""
    if word in SIGNED:
        token, _, rest = rest.partition(b"/")
    bucket, _, key = rest.partition(b"/")
    if not bucket or bool(key) == (word in WITHOUT_KEY):
        return None
    return word, Target(decode_path(bucket), decode_path(key), decode_path(token))
