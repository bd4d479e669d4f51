"""Objects of every kind that is sent in its own way, and who asks for them how."""

import hashlib
import json
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from tests.support.service import Service

PUBLIC, PRIVATE = "pictures", "letters"
LARGE = 300 * 1024  # nginx sends it
HUGE = 3 * 1024 * 1024 + 17
MEDIUM = 100 * 1024  # a file, and still sent by the service


class Kind(NamedTuple):
    """`path` has no host; `large`: nginx sends the whole of it."""

    path: str
    headers: Mapping[str, str]
    size: int
    large: bool


# Key, size, headers of the upload.
OBJECTS: dict[str, tuple[str, int, dict[str, str]]] = {
    "empty": ("empty", 0, {}),
    "small": ("small.txt", 10, {"content-type": "text/plain"}),
    "medium": ("medium.bin", MEDIUM, {}),
    "least that nginx sends": ("least.bin", 256 * 1024, {}),
    "one byte less": ("less.bin", 256 * 1024 - 1, {}),
    "large": ("large.bin", LARGE, {}),
    "huge": ("sub/dir/huge.bin", HUGE, {}),
    "picture": ("cat.png", LARGE, {"content-type": "image/png"}),
    "document": ("paper.pdf", LARGE, {"content-type": "application/pdf"}),
    "page": ("page.html", LARGE, {"content-type": "text/html; charset=utf-8"}),
    "drawing": ("drawing.svg", LARGE, {"content-type": "image/svg+xml"}),
    "text with a charset": ("text.txt", LARGE, {"content-type": "text/plain; charset=iso-8859-1"}),
    "script": ("app.js", LARGE, {"content-type": "text/javascript"}),
    "encoded": ("packed.json", LARGE, {"content-type": "application/json", "content-encoding": "gzip"}),
    "in a language": ("brief.txt", LARGE, {"content-type": "text/plain", "content-language": "de-AT"}),
    "with caching of its own": ("logo.webp", LARGE, {"content-type": "image/webp", "cache-control": "max-age=7, x"}),
    "with a name of its own": (
        "named.bin",
        LARGE,
        {"content-disposition": "attachment; filename=\"b.bin\"; filename*=UTF-8''%C3%A4.bin"},
    ),
    "with metadata": ("meta.bin", LARGE, {"x-metadata": '{"colour": "red"}'}),
    "in another script": ("日本/ключ ä.bin", LARGE, {}),
    "with signs": ("a+b%25&c=d;e'f\"g#h?i.bin", LARGE, {}),
    "with an encoded slash": ("a%2Fb.bin", LARGE, {}),
    "with dots": ("a/../b.bin", LARGE, {}),
    "with two slashes": ("a//b.bin", LARGE, {}),
    "like a directory": ("folder/", LARGE, {}),
}


def body_of(key: str, size: int) -> bytes:
    """Other bytes for every key."""
    block = hashlib.sha256(key.encode()).digest() * 1024
    return (block * (size // len(block) + 1))[:size]


def quoted(key: str) -> str:
    return quote(key, safe="")


def store_kinds(service: Service) -> dict[str, Kind]:
    """Upload them all into a public and a private bucket, and make links."""
    owner = {"Authorization": f"Bearer {service.token()}"}
    kinds: dict[str, Kind] = {}
    with service.client() as client:
        for bucket, public in ((PUBLIC, True), (PRIVATE, False)):
            client.post("/buckets", json={"name": bucket, "is_public": public}).raise_for_status()
        for name, (key, size, headers) in OBJECTS.items():
            for bucket in (PUBLIC, PRIVATE):
                path = f"/files/upload-direct/{bucket}/{quoted(key)}"
                answer = client.put(path, content=body_of(key, size), headers=headers)
                assert answer.status_code == 201, answer.text
            large = size >= 256 * 1024
            for route in ("/storage", "/files/download", "/files/view"):
                kinds[f"{name}, public, {route}"] = Kind(f"{route}/{PUBLIC}/{quoted(key)}", {}, size, large)
            kinds[f"{name}, private"] = Kind(f"/files/download/{PRIVATE}/{quoted(key)}", owner, size, large)
            for form in ("inline", "attachment"):
                link = _link(service, f"{PRIVATE}/{quoted(key)}", disposition=form)
                kinds[f"{name}, link, {form}"] = Kind(link, {}, size, large)
    assert service.run("settle", "--wait").returncode == 0
    return kinds


def _link(service: Service, place: str, **options: object) -> str:
    with service.client() as client:
        answer = client.post(f"/files/presigned-url/download/{place}", content=json.dumps(options))
        assert answer.status_code < 300, answer.text
        parts = urlsplit(answer.json()["download_url"])
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
