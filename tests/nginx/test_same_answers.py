"""Whoever sends the bytes, the answer is the same, header by header: the service alone, nginx in front of it, and
nginx sending the blobs itself."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.nginx.gateway import Answer, Gateway, ask
from tests.nginx.kinds import LARGE, OBJECTS, PRIVATE, PUBLIC, Kind, body_of, quoted
from tests.support.service import ANON_KEY, Service

pytestmark = pytest.mark.ci

FIXED = {"X-Request-ID": "same-for-all", "Accept-Encoding": "identity"}
ONE_PART = ("bytes=0-0", "bytes=5-", "bytes=-7", "bytes=1000-299999", "bytes=0-99999999")
PYTHON_ONLY = ("bytes=0-1,5-9", "bytes=9-2", "pages=1", "BYTES=0-270000", "bytes=\t0-270000", f"bytes=0-{'9' * 40}")
OLD, FUTURE = "Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"


@pytest.fixture(scope="module")
def ways(
    service: Service, gateway: Gateway, without_accel: Gateway, site: Gateway, tls: Gateway, certificate: Path
) -> Iterator["Ways"]:
    yield Ways(service, gateway, without_accel, site, tls, certificate)


class Ways:
    """All the ways to the service."""

    def __init__(
        self, service: Service, gateway: Gateway, without: Gateway, site: Gateway, tls: Gateway, trust: Path
    ) -> None:
        self._service = service
        self._gateways = (gateway, without, site, tls)
        self._trust = trust

    def ask(self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
        """The service's own answer, after all others were found to be the same."""
        gateway, without, site, tls = self._gateways
        sent = {**FIXED, **(headers or {})}
        direct = ask(self._service.port, path, method, sent)
        assert ask(gateway.http, path, method, sent) == direct, "nginx sends blobs"
        assert ask(without.http, path, method, sent) == direct, "the service sends blobs"
        assert ask(site.http, f"/objects{path}", method, sent) == direct, "under a path"
        assert ask(tls.https, path, method, sent, self._trust) == direct, "by HTTPS"
        return direct


def of_one(kinds: dict[str, Kind], name: str) -> list[Kind]:
    return [kind for title, kind in kinds.items() if title.startswith(f"{name}, ")]


@pytest.mark.parametrize("name", OBJECTS)
def test_whole_objects(ways: Ways, kinds: dict[str, Kind], gateway: Gateway, name: str) -> None:
    key, size, _ = OBJECTS[name]
    for kind in of_one(kinds, name):
        before = len(gateway.handed_over())
        answer = ways.ask(kind.path, headers=kind.headers)
        assert (answer.status, answer.body == body_of(key, size)) == (200, True)
        assert [blob != "-" for blob in gateway.handed_over()[before:]] == [kind.large]
        assert ways.ask(kind.path, "HEAD", kind.headers).headers == answer.headers


@pytest.mark.parametrize("name", ["empty", "small", "medium", "large", "huge", "page", "encoded"])
def test_parts(ways: Ways, kinds: dict[str, Kind], name: str) -> None:
    key, size, _ = OBJECTS[name]
    for kind in of_one(kinds, name):
        for asked in (*ONE_PART, *PYTHON_ONLY, f"bytes={size}-", "bytes=-0"):
            answer = ways.ask(kind.path, headers={**kind.headers, "Range": asked})
            assert answer.status in {200, 206, 416}
            if answer.status == 206:
                whole = body_of(key, size)
                first, last = answer.header("content-range").split()[1].split("/")[0].split("-")  # type: ignore[union-attr]
                assert answer.body == whole[int(first) : int(last) + 1]
            ways.ask(kind.path, "HEAD", {**kind.headers, "Range": asked})


@pytest.mark.parametrize("name", ["small", "large"])
@pytest.mark.parametrize("part", [{}, {"Range": "bytes=0-270000"}], ids=["whole", "part"])
def test_preconditions(ways: Ways, kinds: dict[str, Kind], name: str, part: dict[str, str]) -> None:
    kind = kinds[f"{name}, public, /storage"]
    etag = ways.ask(kind.path, "HEAD").header("etag") or ""
    found = {
        ways.ask(kind.path, method, {**part, **asked}).status
        for method in ("GET", "HEAD")
        for asked in (
            {"If-None-Match": etag},
            {"If-None-Match": f"W/{etag}"},
            {"If-None-Match": '"other"'},
            {"If-Match": etag},
            {"If-Match": '"other"'},
            {"If-Modified-Since": FUTURE},
            {"If-Modified-Since": OLD},
            {"If-Unmodified-Since": OLD},
            {"If-Range": etag},
            {"If-Range": '"other"'},
            {"If-Range": f"W/{etag}"},
            {"If-None-Match": 'nonsense, "'},
        )
    }
    assert found == {200, 304, 400, 412} | ({206} if part else set())


@pytest.mark.parametrize("name", ["small", "large", "page", "picture"])
@pytest.mark.parametrize(
    "query",
    ["download", "download=m%C3%A4h.bin", "download=a%0D%0Ab", "content_type=image/png", "content_type=text/html"],
)
def test_other_names_and_types(ways: Ways, kinds: dict[str, Kind], name: str, query: str) -> None:
    for route in ("/storage", "/files/view", "/files/download"):
        path = kinds[f"{name}, public, {route}"].path
        assert ways.ask(f"{path}?{query}").status == 200
        assert ways.ask(f"{path}?{query}", headers={"Range": "bytes=0-262143"}).status == 206


@pytest.mark.parametrize("key", ["large.bin", "small.txt", "no-such-key", "a/../b.bin"])
def test_refusals(ways: Ways, service: Service, kinds: dict[str, Kind], key: str) -> None:
    place = quoted(key)
    stranger = {"Authorization": f"Bearer {service.token('stranger@example.org')}"}
    for headers in ({}, {"apikey": ANON_KEY}, stranger):
        assert ways.ask(f"/files/download/{PRIVATE}/{place}", headers=headers).status == 403
    for headers in ({"apikey": "wrong"}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic eDp5"}):
        assert ways.ask(f"/files/download/{PUBLIC}/{place}", headers=headers).status == 401
    assert ways.ask(f"/files/download/no-such-bucket/{place}").status == 404
    assert ways.ask(f"/files/download-signed/nonsense/{PRIVATE}/{place}").status in {401, 403}
    assert ways.ask(f"/files/download/{PUBLIC}/{place}", "PUT").status == 405
    assert ways.ask(f"/files/download/{PUBLIC}/{place}?version_id=no").status == 404


def test_copies_keep_their_own_date(ways: Ways, service: Service, kinds: dict[str, Kind], gateway: Gateway) -> None:
    """A copy is linked: its file bears the time of the source, its answer must not."""
    with service.client() as client:
        body = {"source": {"bucket": PUBLIC, "key": "large.bin"}, "target": {"bucket": PUBLIC, "key": "copy.bin"}}
        assert client.post("/files/copy", json=body).status_code == 201
    answer = ways.ask(f"/storage/{PUBLIC}/copy.bin")
    assert answer.body == body_of("large.bin", LARGE)
    assert gateway.handed_over()[-1] != "-"


def test_page_of_another_origin_reads_them(ways: Ways, kinds: dict[str, Kind]) -> None:
    answer = ways.ask(kinds["large, public, /storage"].path, headers={"Origin": "https://app.example.org"})
    assert answer.header("access-control-allow-origin") == "*"
