"""S5: keys that would lead elsewhere as paths, or that a careless store takes for one another.

Each is an object of its own, by both doors; nothing outside the bucket is read or changed, whatever its name.
"""

import unicodedata
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.support.service import SERVICE_KEY, Service

BUCKET, OTHER = "nasty", "nasty-neighbour"
CANARY = b"a file of somebody else's"
HEADERS = {"authorization": f"Bearer {SERVICE_KEY}"}
ACCENTED = "café"
KEYS = [
    "..",
    ".",
    "../canary",
    "../../canary",
    "a/../../canary",
    "/etc/passwd",
    "//double",
    "trailing/",
    "trailing",
    "%2e%2e/canary",
    "%252e%252e%252fcanary",
    "..%2fcanary",
    "..\\canary",
    "back\\slash",
    "dot.",
    "dot",
    " space ",
    "CON",
    "aux.txt",
    "nul",
    "a:stream",
    "Case",
    "case",
    "CASE",
    unicodedata.normalize("NFC", ACCENTED),
    unicodedata.normalize("NFD", ACCENTED),
    "a",
    "a/b",
    "a/b/c",
    ".bucket.json",
    ".blobs/00/x",
    ".storage",
    ".storage/secrets.key",
    ".metadata.json",
    "x" * 1024,
    "é" * 512,
    "s/" * 500 + "deep",
    "\u202egnp.exe",
    "line\nbreak",
    "tab\tkey",
    "\x01",
    "?query=1",
    "#fragment",
    "a&b=c;d",
    "~root",
    "$(id)",
    "'\"<script>",
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    place = tmp_path_factory.mktemp("keys")
    (place / "canary").write_bytes(CANARY)
    with Service(place / "data", place, environment={"DURABILITY": "scratch"}) as running:
        (running.data / "canary").write_bytes(CANARY)
        yield running


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, headers=HEADERS, timeout=60.0) as client:
        for bucket in (BUCKET, OTHER):
            client.post("/buckets", json={"name": bucket, "is_public": False}).raise_for_status()
        yield client


def address(service: Service, verb: str, key: str) -> httpx.URL:
    """The key as it stands, with every letter that is not plain encoded: dots, too, or the client would walk."""
    path = quote(key, safe="").replace(".", "%2E")
    return httpx.URL(f"{service.url}/").copy_with(raw_path=f"/files/{verb}/{BUCKET}/{path}".encode())


def body_of(key: str) -> bytes:
    return b"the body of " + key.encode()


def store_all(service: Service, client: httpx.Client) -> None:
    for key in KEYS:
        stored = client.put(address(service, "upload-direct", key), content=body_of(key))
        assert stored.status_code in {200, 201}, (key, stored.text)


def test_every_key_is_an_object_of_its_own(service: Service, client: httpx.Client) -> None:
    store_all(service, client)
    for key in KEYS:
        assert client.get(address(service, "download", key)).content == body_of(key), key
    listed = client.get(f"/files/list/{BUCKET}").raise_for_status().json()
    assert [file["object_name"] for file in listed] == sorted(KEYS, key=str.encode)


def test_nothing_outside_the_bucket_was_read_or_changed(service: Service, client: httpx.Client) -> None:
    store_all(service, client)
    assert service.run("settle", "--wait").returncode == 0
    place = service.data.parent
    assert ((place / "canary").read_bytes(), (service.data / "canary").read_bytes()) == (CANARY, CANARY)
    assert {path.name for path in service.data.iterdir()} == {BUCKET, OTHER, ".storage", "canary"}
    assert client.get(f"/files/list/{OTHER}").json() == []
    done = service.run("check", "--json", "--deep")
    assert done.returncode == 0, done.stdout


def test_copy_and_move_take_them_too(service: Service, client: httpx.Client) -> None:
    store_all(service, client)
    for key in KEYS:
        source, target = {"bucket": BUCKET, "key": key}, {"bucket": OTHER, "key": key}
        for verb in ("copy", "move"):
            order = {"source": source, "target": target, "overwrite": True}
            answer = client.post(f"/files/{verb}", json=order)
            assert answer.is_success, (key, verb, answer.text)
    names = [file["object_name"] for file in client.get(f"/files/list/{OTHER}").json()]
    assert names == sorted(KEYS, key=str.encode)
    assert client.get(f"/files/list/{BUCKET}").json() == []


@pytest.mark.parametrize("name", ["photos", "link"])
def test_planted_link_leads_nowhere(service: Service, client: httpx.Client, tmp_path: Path, name: str) -> None:
    """A link among the names of the view, where an object's directory would be."""
    outside = tmp_path / "outside"
    outside.mkdir()
    assert service.run("settle", "--wait").returncode == 0  # the bucket's directory is there
    (service.data / OTHER / name).symlink_to(outside)
    client.put(f"/files/upload-direct/{OTHER}/{name}/inside", content=b"inside").raise_for_status()
    assert service.run("settle", "--wait").returncode == 0
    assert client.get(f"/files/download/{OTHER}/{name}/inside").content == b"inside"
    assert list(outside.iterdir()) == []
    (service.data / OTHER / name).unlink()
