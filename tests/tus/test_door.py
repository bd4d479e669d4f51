"""tus 1.0 against the running service, spoken by hand: every extension, every refusal."""

from __future__ import annotations

import hashlib
import time
from base64 import b64encode
from email.utils import parsedate_to_datetime

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

from tests.support.service import ANON_KEY, SERVICE_KEY, Service
from tests.tus.conftest import OFFSET_TYPE, ROOT, Tus


def test_options_tells_what_the_door_can(tus: Tus) -> None:
    found = tus.client.options("/files/resumable")
    assert found.status_code == 204
    assert found.headers["tus-version"] == "1.0.0"
    assert set(found.headers["tus-extension"].split(",")) == {
        "creation",
        "creation-with-upload",
        "creation-defer-length",
        "termination",
        "checksum",
        "expiration",
        "concatenation",
    }
    assert "sha1" in found.headers["tus-checksum-algorithm"].split(",")
    assert int(found.headers["tus-max-size"]) == 5 << 40


def test_connection_ends_where_a_client_still_holds_its_body_back(tus: Tus) -> None:
    """Else the server would take the next request on it for the body."""
    waits = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": OFFSET_TYPE, "Expect": "100-continue"}
    refused = tus.client.patch("/files/resumable/nobody", content=b"never sent", headers=waits)
    assert (refused.status_code, refused.headers.get("connection")) == (404, "close")
    url = tus.begin(3)
    taken = tus.client.patch(url, content=b"abc", headers=waits)
    assert (taken.status_code, taken.headers.get("connection")) == (204, None)


def test_preflight_of_a_browser_is_answered(service: Service) -> None:
    asked = {
        "origin": "https://app.example",
        "access-control-request-method": "PATCH",
        "access-control-request-headers": "tus-resumable,upload-offset,content-type",
    }
    found = httpx.options(f"{service.url}/files/resumable", headers=asked)
    assert found.status_code == 204
    assert "PATCH" in found.headers["access-control-allow-methods"]


def test_upload_in_pieces_becomes_the_object(tus: Tus) -> None:
    url = tus.begin(11, key="a/ü.txt", metadata='{"who":"me"}', cacheControl="3600")
    first = tus.patch(url, 0, b"hello ")
    assert (first.status_code, first.headers["upload-offset"]) == (204, "6")
    assert parsedate_to_datetime(first.headers["upload-expires"]).timestamp() > time.time() + 86_400
    found = tus.head(url)
    assert (found.headers["upload-offset"], found.headers["upload-length"]) == ("6", "11")
    assert found.headers["cache-control"] == "no-store"
    assert "key " in found.headers["upload-metadata"]
    assert tus.upload_bytes() == 6
    last = tus.patch(url, 6, b"world")
    assert (last.status_code, last.headers["upload-offset"]) == (204, "11")
    assert tus.read("a/ü.txt") == b"hello world"
    got = tus.client.get("/files/download/films/a/ü.txt")
    assert got.headers["content-type"].startswith("text/plain")
    assert got.headers["cache-control"] == "max-age=3600"
    assert got.headers["etag"] == last.headers["etag"]
    assert tus.upload_bytes() == 0
    assert tus.offset(url) == 11
    assert tus.patch(url, 11, b"").status_code == 204


def test_creation_with_upload(tus: Tus) -> None:
    made = tus.client.post(
        "/files/resumable",
        content=b"all of it",
        headers={
            "Tus-Resumable": "1.0.0",
            "Upload-Length": "9",
            "Content-Type": OFFSET_TYPE,
            "Upload-Metadata": "bucketName ZmlsbXM=,objectName d2l0aA==,contentType dGV4dC9jc3Y=",
        },
    )
    assert (made.status_code, made.headers["upload-offset"]) == (201, "9")
    assert tus.read("with") == b"all of it"
    assert tus.client.get("/files/download/films/with").headers["content-type"] == "text/csv"


def test_length_may_be_deferred(tus: Tus) -> None:
    url = tus.begin(None)
    assert tus.head(url).headers["upload-defer-length"] == "1"
    assert tus.patch(url, 0, b"123").status_code == 204
    assert tus.patch(url, 3, b"45", {"Upload-Length": "5"}).status_code == 204
    assert tus.read("film") == b"12345"


@pytest.mark.parametrize("algorithm", ["sha1", "md5", "sha256"])
def test_checksum_of_a_piece_is_compared(tus: Tus, algorithm: str) -> None:
    url = tus.begin(3)
    wrong = b64encode(hashlib.new(algorithm, b"other").digest()).decode()
    assert tus.patch(url, 0, b"abc", {"Upload-Checksum": f"{algorithm} {wrong}"}).status_code == 460
    assert tus.offset(url) == 0
    right = b64encode(hashlib.new(algorithm, b"abc").digest()).decode()
    assert tus.patch(url, 0, b"abc", {"Upload-Checksum": f"{algorithm} {right}"}).status_code == 204
    assert tus.patch(tus.begin(3), 0, b"abc", {"Upload-Checksum": "none AAAA"}).status_code == 400


def test_terminated_upload_is_gone(tus: Tus, service: Service) -> None:
    url = tus.begin(10)
    tus.patch(url, 0, b"12345")
    assert tus.delete(url).status_code == 204
    assert tus.head(url).status_code == 404
    assert tus.patch(url, 5, b"67890").status_code == 404
    assert tus.delete(url).status_code == 404
    assert tus.upload_bytes() == 0
    directory, deadline = service.data / ".storage/uploads" / url.rpartition("/")[2], time.monotonic() + 10
    while directory.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not directory.exists()


def test_unfinished_upload_is_listed_with_those_of_s3_and_ended_as_they_are(tus: Tus, service: Service) -> None:
    s3 = boto3.client(
        "s3",
        endpoint_url=service.url,
        aws_access_key_id=ROOT[0],
        aws_secret_access_key=ROOT[1],
        region_name="us-east-1",
    )
    url = tus.begin(10, key="listed")
    tus.patch(url, 0, b"12345")
    tus.begin(3, {"Upload-Concat": "partial"})  # has no key to be listed under
    mine = {"Key": "listed", "UploadId": url.rpartition("/")[2]}
    found = s3.list_multipart_uploads(Bucket="films", Prefix="listed")["Uploads"]
    assert [(one["Key"], one["UploadId"]) for one in found] == [tuple(mine.values())]
    assert all(one["Key"] for one in s3.list_multipart_uploads(Bucket="films")["Uploads"])
    with pytest.raises(ClientError, match="NoSuchUpload"):
        s3.upload_part(Bucket="films", PartNumber=1, Body=b"x", **mine)
    assert tus.offset(url) == 5
    s3.abort_multipart_upload(Bucket="films", **mine)
    assert tus.head(url).status_code == 404


def test_pieces_are_concatenated(tus: Tus) -> None:
    pieces = [tus.begin(3, {"Upload-Concat": "partial"}) for _ in range(2)]
    for url, data in zip(pieces, (b"abc", b"def"), strict=True):
        assert tus.patch(url, 0, data).status_code == 204
    assert tus.head(pieces[0]).headers["upload-concat"] == "partial"
    headers = {"Tus-Resumable": "1.0.0", "Upload-Concat": f"final;{pieces[1]} {pieces[0]}"}
    said = "bucket ZmlsbXM=,key am9pbmVk"
    made = tus.client.post("/files/resumable", headers={**headers, "Upload-Metadata": said})
    assert made.status_code == 201, made.text
    assert tus.read("joined") == b"defabc"
    found = tus.head(made.headers["location"])
    assert (found.headers["upload-offset"], found.headers["upload-length"]) == ("6", "6")
    assert tus.patch(made.headers["location"], 6, b"").status_code == 403
    unfinished = tus.begin(3, {"Upload-Concat": "partial"})
    headers["Upload-Concat"] = f"final;{unfinished}"
    refused = tus.client.post("/files/resumable", headers={**headers, "Upload-Metadata": said})
    assert refused.status_code == 400


def test_wrong_requests_get_tus_codes_and_leave_the_offset(tus: Tus) -> None:
    url = tus.begin(10)
    tus.patch(url, 0, b"12345")
    client = tus.client
    good = {"Tus-Resumable": "1.0.0", "Upload-Offset": "5", "Content-Type": OFFSET_TYPE}
    stale = client.patch(url, content=b"x", headers={**good, "Upload-Offset": "4"})
    assert (stale.status_code, stale.headers["upload-offset"]) == (409, "5")
    assert client.patch(url, content=b"x", headers={**good, "Content-Type": "text/plain"}).status_code == 415
    assert client.patch(url, content=b"x", headers={**good, "Upload-Offset": "five"}).status_code == 400
    old = client.patch(url, content=b"x", headers={**good, "Tus-Resumable": "0.2.2"})
    assert (old.status_code, old.headers["tus-version"]) == (412, "1.0.0")
    assert client.patch(url, content=b"x" * 6, headers=good).status_code == 413
    assert client.get(url, headers=good).status_code == 405
    other = url[:-1] + ("0" if url[-1] != "0" else "1")
    assert client.patch(other, content=b"x", headers=good).status_code == 404
    assert client.post("/files/resumable", headers={"Tus-Resumable": "1.0.0"}).status_code == 400
    assert tus.create(None, {"Upload-Length": "1"}, bucket="films", key="x").status_code == 400
    assert tus.create(1, bucket="films").status_code == 400
    assert tus.create(1, key="x").status_code == 400
    assert tus.create(1, bucket="missing-bucket", key="x").status_code == 404
    assert tus.create(2**60, bucket="films", key="x").status_code == 413
    assert tus.offset(url) == 5


def test_method_may_be_overridden(tus: Tus) -> None:
    url = tus.begin(3)
    headers = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": OFFSET_TYPE}
    sent = tus.client.post(url, content=b"abc", headers={**headers, "X-HTTP-Method-Override": "PATCH"})
    assert sent.status_code == 204
    assert tus.read("film") == b"abc"


def test_key_that_is_taken_is_refused_at_the_beginning_unless_overwriting_is_asked_for(tus: Tus) -> None:
    tus.patch(tus.begin(3, key="taken"), 0, b"old")
    refused = tus.create(3, bucket="films", key="taken")
    assert (refused.status_code, refused.json()["code"]) == (409, "key_already_exists")
    made = tus.create(3, {"x-upsert": "true"}, bucket="films", key="taken")
    assert made.status_code == 201
    tus.patch(made.headers["location"], 0, b"new")
    assert tus.read("taken") == b"new"


def test_only_who_may_write_the_key_may_touch_its_upload(tus: Tus, service: Service) -> None:
    url = tus.begin(10)
    path = url.removeprefix(service.url)
    with service.client("stranger@example.org") as stranger, httpx.Client(base_url=service.url) as nobody:
        for client, status in ((Tus(stranger), 403), (Tus(nobody), 401)):
            assert client.create(1, bucket="films", key="x").status_code == status
            assert client.head(path).status_code == status
            assert client.patch(path, 0, b"x").status_code == status
            assert client.delete(path).status_code == status
    with httpx.Client(base_url=service.url, headers={"X-API-Key": SERVICE_KEY}) as backend:
        assert Tus(backend).patch(path, 0, b"12345").status_code == 204
    with httpx.Client(base_url=service.url, headers={"apikey": ANON_KEY}) as anon:
        assert Tus(anon).head(path).status_code == 403
    assert tus.offset(url) == 5


def test_signed_upload_link_is_enough_for_its_key(tus: Tus, service: Service) -> None:
    link = tus.client.post("/files/presigned-url/upload/films/linked", json={"once": True, "max_bytes": 10})
    assert link.is_success, link.text
    token = next(text for text in link.json().values() if "/upload-signed/" in str(text))
    token = token.partition("/upload-signed/")[2].partition("/")[0]
    with httpx.Client(base_url=service.url, headers={"X-Signature": token}) as client:
        holder = Tus(client)
        assert holder.create(3, bucket="films", key="other").status_code == 403
        made = holder.create(6, bucket="films", filename="C:\\fakepath\\x.txt")
        assert made.status_code == 201, made.text
        assert holder.create(6, bucket="films").status_code == 403, "a single-use link was used twice"
        assert holder.create(11, bucket="films").status_code == 413
        url = made.headers["location"].removeprefix(service.url)
        assert holder.patch(url, 0, b"abc").status_code == 204
        assert holder.offset(url) == 3
        assert holder.patch(url, 3, b"def").status_code == 204
        forged = {"Tus-Resumable": "1.0.0", "X-Signature": token[:-2] + "xx"}
        assert client.head(url, headers=forged).status_code == 403
    assert tus.read("linked") == b"abcdef"


def test_location_is_right_under_any_name(tus: Tus, service: Service) -> None:
    known = tus.create(1, bucket="films", key="where")
    assert known.headers["location"].startswith(f"{service.url}/files/resumable/")
    behind = tus.create(1, {"host": "behind.example"}, bucket="films", key="where")
    assert behind.headers["location"].startswith("resumable/")
    sent = {"Tus-Resumable": "1.0.0", "Upload-Length": "1", "host": "behind.example"}
    slashed = tus.client.post("/files/resumable/", headers={**sent, "Upload-Metadata": "bucket ZmlsbXM=,key d2hlcmU="})
    assert slashed.headers["location"].count("/") == 0


def test_unfinished_uploads_are_seen_by_every_worker_and_expire_headers_grow(tus: Tus) -> None:
    url = tus.begin(10)
    before = tus.head(url).headers["upload-expires"]
    time.sleep(1.1)
    after = tus.patch(url, 0, b"12345").headers["upload-expires"]
    assert parsedate_to_datetime(after) > parsedate_to_datetime(before)
