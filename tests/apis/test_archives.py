"""Archives over HTTP: ranges, conditions, links, and who may."""

from __future__ import annotations

import io
import time
import zipfile
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio

from tests.apis.asking import NOBODY, OTHER, OWN, post, put, refused
from tests.apis.callers import Bucket, make_bucket


def unzipped(answer: httpx.Response) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(answer.content)) as found:
        return {name: found.read(name) for name in found.namelist()}


@pytest_asyncio.fixture(loop_scope="session")
async def filled(client: httpx.AsyncClient, private: Bucket) -> Bucket:
    for key in ("docs/a.txt", "docs/deep/b.txt", "docs/c.txt", "other"):
        await put(client, private, key, key.encode())
    return private


async def test_a_prefix_is_a_zip_of_its_own_names(client: httpx.AsyncClient, filled: Bucket) -> None:
    answer = await client.get(f"/files/zip/{filled.name}?prefix=docs/", headers=OWN)
    assert answer.status_code == 200
    assert unzipped(answer) == {name: f"docs/{name}".encode() for name in ("a.txt", "c.txt", "deep/b.txt")}
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == 'attachment; filename="docs.zip"'
    assert answer.headers["accept-ranges"] == "bytes"
    assert int(answer.headers["content-length"]) == len(answer.content)
    named = await client.get(f"/files/zip/{filled.id}?name=all/of%20it", headers=OWN)
    assert named.headers["content-disposition"] == 'attachment; filename="all_of it.zip"'
    assert set(unzipped(named)) == {"docs/a.txt", "docs/deep/b.txt", "docs/c.txt", "other"}


async def test_head_says_what_get_would(client: httpx.AsyncClient, filled: Bucket) -> None:
    path = f"/files/zip/{filled.name}"
    got, head = await client.get(path, headers=OWN), await client.head(path, headers=OWN)
    assert head.content == b""
    for name in ("content-length", "etag", "last-modified", "content-type", "content-disposition"):
        assert head.headers[name] == got.headers[name]


async def test_a_broken_download_goes_on_where_it_stopped(client: httpx.AsyncClient, filled: Bucket) -> None:
    path = f"/files/zip/{filled.name}"
    whole = await client.get(path, headers=OWN)
    half = len(whole.content) // 2
    resume = {**OWN, "range": f"bytes={half}-", "if-range": whole.headers["etag"]}
    rest = await client.get(path, headers=resume)
    assert rest.status_code == 206
    assert rest.headers["content-range"] == f"bytes {half}-{len(whole.content) - 1}/{len(whole.content)}"
    assert whole.content[:half] + rest.content == whole.content
    assert len(refused(await client.get(path, headers={**OWN, "range": "bytes=99999999-"}), 416)) > 1


async def test_a_resume_of_changed_files_begins_anew(client: httpx.AsyncClient, filled: Bucket) -> None:
    path = f"/files/zip/{filled.name}"
    before = await client.get(path, headers=OWN)
    await put(client, filled, "other", b"changed")
    after = await client.get(path, headers={**OWN, "range": "bytes=10-", "if-range": before.headers["etag"]})
    assert after.status_code == 200
    assert unzipped(after)["other"] == b"changed"
    refused(await client.get(path, headers={**OWN, "if-match": before.headers["etag"]}), 412)


async def test_what_a_client_has_already_is_not_sent(client: httpx.AsyncClient, filled: Bucket) -> None:
    path = f"/files/zip/{filled.name}"
    etag = (await client.get(path, headers=OWN)).headers["etag"]
    same = await client.get(path, headers={**OWN, "if-none-match": etag})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)


async def test_a_link_to_a_list_holds_for_whoever_has_it(client: httpx.AsyncClient, filled: Bucket) -> None:
    keys = ["docs/a.txt", "docs/deep/"]
    wish = {"bucket": filled.name, "prefix": "docs/", "keys": keys, "name": "some files"}
    made = await post(client, "/files/zip", wish, status=200)
    assert (made["files"], made["method"]) == (2, "GET")
    path = urlsplit(made["url"]).path
    assert path.endswith("/some%20files.zip")
    for headers in (NOBODY, {"authorization": "Bearer stale"}):
        answer = await client.get(path, headers=headers)
        assert unzipped(answer) == {"a.txt": b"docs/a.txt", "deep/b.txt": b"docs/deep/b.txt"}
        assert len(answer.content) == made["size"]
    resumed = await client.get(path, headers={"range": "bytes=50-"})
    assert resumed.content == answer.content[50:]
    await client.delete(f"/files/{filled.name}/docs/a.txt", headers=OWN)
    refused(await client.get(path), 404)


async def test_a_link_to_a_prefix_shows_what_is_there_then(client: httpx.AsyncClient, filled: Bucket) -> None:
    made = await post(client, "/files/zip", {"bucket": filled.id, "prefix": "docs/"}, status=200)
    await put(client, filled, "docs/new", b"new")
    assert unzipped(await client.get(urlsplit(made["url"]).path))["new"] == b"new"


async def test_links_end_and_cannot_be_changed(client: httpx.AsyncClient, filled: Bucket) -> None:
    wish = {"bucket": filled.name, "keys": ["other"], "expires_in_seconds": 1}
    path = urlsplit((await post(client, "/files/zip", wish, status=200))["url"]).path
    parts = path.split("/")
    changed = parts[3][:-1] + ("A" if parts[3][-1] != "A" else "B")
    refused(await client.get(path.replace(parts[3], changed)), 403)
    deadline = time.time() + 30
    while (await client.get(path)).status_code == 200:
        assert time.time() < deadline
        time.sleep(0.1)
    assert refused(await client.get(path), 403)["code"] == "link_expired"


async def test_a_link_of_another_kind_is_no_link_to_an_archive(client: httpx.AsyncClient, filled: Bucket) -> None:
    link = await post(client, f"/files/presigned-url/download/{filled.name}/other", status=200)
    token = urlsplit(link["download_url"]).path.split("/")[3]
    refused(await client.get(f"/files/zip-signed/{token}/x.zip"), 403)
    made = await post(client, "/files/zip", {"bucket": filled.name}, status=200)
    token = urlsplit(made["url"]).path.split("/")[3]
    refused(await client.get(f"/files/download-signed/{token}/{filled.name}/other"), 403)


async def test_who_may_not_list_gets_no_archive(client: httpx.AsyncClient, filled: Bucket) -> None:
    for headers in (NOBODY, OTHER):
        refused(await client.get(f"/files/zip/{filled.name}", headers=headers), 403)
    answer = await client.post("/files/zip", json={"bucket": filled.name}, headers=OTHER)
    refused(answer, 403)
    public = await make_bucket(client, public=True)
    await put(client, public, "a", b"a")
    assert (await client.get(f"/files/zip/{public.name}")).status_code == 200


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({"keys": []}, 422),
        ({"keys": ["nothing"]}, 404),
        ({"prefix": "docs/", "keys": ["other"]}, 400),
        ({"expires_in_seconds": 0}, 422),
        ({"keys": [""]}, 422),
        ({"keys": ["a\0"]}, 400),
        ({"prefix": "none/"}, 404),
    ],
)
async def test_wrong_wishes_are_refused(
    client: httpx.AsyncClient, filled: Bucket, wish: dict[str, object], status: int
) -> None:
    refused(await client.post("/files/zip", json={"bucket": filled.name, **wish}, headers=OWN), status)
