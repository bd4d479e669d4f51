"""Every operation of the store, for disks that refuse: what has to be there before it, what is there after it."""

from __future__ import annotations

import html
import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NamedTuple

import boto3
import httpx
from botocore.config import Config

from tests.power.door import Door, etag_of
from tests.power.steps import LARGE, SMALL, STEPS, Step
from tests.support.model import ABSENT, Damage, Observed, State, read_body, render_body

ROOT: Final = {"S3_ROOT_ACCESS_KEY": "rootkey", "S3_ROOT_SECRET_KEY": "root-secret-of-the-tests-0123456789"}
OLD, NEW, EMPTY = State("old"), State("new"), State("empty")
WHOLE: Final = render_body("new", LARGE)
HALF: Final = LARGE // 2
PART: Final = 5 << 20  # S3's least for a part that is not the last
IN_PARTS: Final = render_body("new", PART + SMALL)
TIMEOUT_SECONDS: Final = 60.0


@dataclass
class Place:
    """Where one operation is tried: a key of the bench's bucket, or the name of a bucket of its own."""

    door: Door
    key: str
    upload: str = ""  # of one that is under way: its id, or its address

    @property
    def own_bucket(self) -> str:
        return self.key.replace("/", "-")


class Operation(NamedTuple):
    """`look` tells what is there; `done` are the refusals of one that is asked for again after it took effect."""

    run: Callable[[Place], httpx.Response]
    look: Callable[[Place], object]
    before: object
    after: object
    prepare: Callable[[Place], object] = lambda place: None
    done: frozenset[int] = frozenset()


def stored(place: Place) -> Observed:
    """The object, whatever the form of its ETag."""
    answer = place.door.get(place.key)
    if answer.status_code == 404:
        return ABSENT
    if not answer.is_success:
        return Damage(f"{answer.status_code} {answer.text[:200]}")
    stamp = read_body(answer.content)
    return stamp if isinstance(stamp, Damage) else State(stamp)


# By key ------------------------------------------------------------------------------------------------------------


def of_step(step: Step) -> Operation:
    def prepare(place: Place) -> None:
        for suffix, state, length in step.prepared:
            place.door.put(place.key + suffix, render_body(state.body or "", length)).raise_for_status()

    return Operation(
        lambda place: step.run(place.door, place.key),
        lambda place: place.door.observe(place.key, step.after.tag is not None),
        step.before,
        step.after,
        prepare,
        frozenset({404, 412}),
    )


def put_old(place: Place) -> None:
    place.door.put(place.key, render_body("old", SMALL)).raise_for_status()


def describe(place: Place) -> httpx.Response:
    return place.door.http.put(f"/files/metadata/{place.door.bucket}/{place.key}", json={"metadata": {"mark": "m"}})


def described(place: Place) -> str | None:
    found = place.door.http.get(f"/files/info/{place.door.bucket}/{place.key}").raise_for_status().json()
    mark = found["metadata"].get("mark")
    return None if mark is None else str(mark)


# In parts, by S3 ---------------------------------------------------------------------------------------------------

METHODS: Final = {
    "create_multipart_upload": "POST",
    "upload_part": "PUT",
    "list_parts": "GET",
    "complete_multipart_upload": "POST",
    "abort_multipart_upload": "DELETE",
}


@cache
def signer(url: str) -> Any:
    config = Config(signature_version="s3v4", request_checksum_calculation="when_required")
    names = {"aws_access_key_id": ROOT["S3_ROOT_ACCESS_KEY"], "aws_secret_access_key": ROOT["S3_ROOT_SECRET_KEY"]}
    return boto3.client("s3", endpoint_url=url, region_name="us-east-1", config=config, **names)


def s3(place: Place, operation: str, body: bytes = b"", **said: Any) -> httpx.Response:
    named = {"Bucket": place.door.bucket, "Key": place.key, **said}
    if place.upload:
        named["UploadId"] = place.upload
    client = signer(str(place.door.http.base_url).rstrip("/"))
    url = client.generate_presigned_url(operation, Params=named)
    return httpx.request(METHODS[operation], url, content=body, timeout=TIMEOUT_SECONDS)


def begin(place: Place) -> httpx.Response:
    return s3(place, "create_multipart_upload")


def put_part(place: Place, body: bytes = WHOLE, number: int = 1) -> httpx.Response:
    return s3(place, "upload_part", body, PartNumber=number)


def first_part(place: Place) -> str | None:
    """The ETag of part 1."""
    listed = s3(place, "list_parts").raise_for_status().text
    found = re.search(r"<PartNumber>1</PartNumber>.*?<ETag>(.*?)</ETag>", listed, re.DOTALL)
    return html.unescape(found[1]) if found else None


def complete(place: Place, *parts: bytes) -> httpx.Response:
    listed = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>{etag_of(part)}</ETag></Part>"
        for number, part in enumerate(parts, 1)
    )
    body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>"
    return s3(place, "complete_multipart_upload", body.encode())


def with_parts(place: Place, *parts: bytes) -> None:
    found = re.search(r"<UploadId>(.*?)</UploadId>", begin(place).raise_for_status().text)
    assert found
    place.upload = found[1]
    for number, part in enumerate(parts, 1):
        put_part(place, part, number).raise_for_status()


def two_parts_over_old(place: Place) -> None:
    put_old(place)
    with_parts(place, IN_PARTS[:PART], IN_PARTS[PART:])


def is_under_way(place: Place) -> bool:
    """Whether anybody's list of unfinished uploads has one of this key."""
    listed = place.door.http.get(f"/api/v1/uploads/{place.door.bucket}", params={"prefix": place.key})
    return any(upload["key"] == place.key for upload in listed.raise_for_status().json()["uploads"])


def abort(place: Place) -> httpx.Response:
    return s3(place, "abort_multipart_upload")


# Growing, by tus ---------------------------------------------------------------------------------------------------

TUS: Final = {"Tus-Resumable": "1.0.0"}
OFFSET_TYPE: Final = {"Content-Type": "application/offset+octet-stream"}


def tus_create(place: Place, length: int, body: bytes = b"") -> httpx.Response:
    said = {"bucket": place.door.bucket, "key": place.key, "overwrite": "true"}
    metadata = ",".join(f"{name} {b64encode(value.encode()).decode()}" for name, value in said.items())
    headers = {**TUS, "Upload-Length": str(length), "Upload-Metadata": metadata, **(OFFSET_TYPE if body else {})}
    return place.door.http.post("/files/resumable", content=body, headers=headers)


def tus_begun(place: Place, length: int = LARGE) -> None:
    place.upload = tus_create(place, length).raise_for_status().headers["location"]


def tus_offset(place: Place) -> int:
    found = place.door.http.head(place.upload, headers=TUS)
    return int(found.raise_for_status().headers["upload-offset"])


def tus_go_on(place: Place, until: int = LARGE) -> httpx.Response:
    """As clients take an upload up again: they ask how far it is."""
    offset = tus_offset(place)
    headers = {**TUS, **OFFSET_TYPE, "Upload-Offset": str(offset)}
    return place.door.http.patch(place.upload, content=WHOLE[offset:until], headers=headers)


def tus_half_done(place: Place) -> None:
    tus_begun(place)
    tus_go_on(place, HALF).raise_for_status()


def tus_end(place: Place) -> httpx.Response:
    return place.door.http.delete(place.upload, headers=TUS)


# Buckets and records -----------------------------------------------------------------------------------------------


def bucket_create(place: Place) -> httpx.Response:
    return place.door.http.post("/buckets", json={"name": place.own_bucket, "is_public": False})


def bucket_made(place: Place) -> None:
    bucket_create(place).raise_for_status()


def bucket_open(place: Place) -> httpx.Response:
    return place.door.http.put(f"/buckets/{place.own_bucket}", json={"is_public": True})


def bucket_delete(place: Place) -> httpx.Response:
    return place.door.http.delete(f"/buckets/{place.own_bucket}")


def bucket_seen(place: Place) -> bool | None:
    """Whether it is public; None if there is none."""
    found = place.door.http.get(f"/buckets/{place.own_bucket}")
    return None if found.status_code == 404 else bool(found.raise_for_status().json()["is_public"])


def make_key(place: Place) -> httpx.Response:
    answer = place.door.http.post("/api/v1/keys", json={"description": place.key})
    place.upload = answer.json()["access_key"] if answer.is_success else ""
    return answer


def has_key(place: Place) -> bool:
    listed = place.door.http.get("/api/v1/keys").raise_for_status().json()["keys"]
    return any(key["description"] == place.key for key in listed)


def revoke_key(place: Place) -> httpx.Response:
    return place.door.http.delete(f"/api/v1/keys/{place.upload}")


def link_archive(place: Place) -> httpx.Response:
    return place.door.http.post("/files/zip", json={"bucket": place.door.bucket, "keys": [place.key]})


def sign_in(place: Place) -> httpx.Response:
    token = place.door.http.headers["authorization"].removeprefix("Bearer ")
    url = place.door.http.base_url.join("/console/session")
    return httpx.post(url, json={"token": token}, timeout=TIMEOUT_SECONDS)


def nothing(place: Place) -> None:
    """It leaves nothing that can be looked at."""


GONE: Final = frozenset({404})
OPERATIONS: Final[dict[str, Operation]] = {
    **{name: of_step(step) for name, step in STEPS.items()},
    "metadata": Operation(describe, described, None, "m", put_old),
    "multipart create": Operation(begin, is_under_way, False, True),
    "part": Operation(put_part, first_part, None, etag_of(WHOLE), with_parts),
    "part again": Operation(
        put_part, first_part, etag_of(b"first"), etag_of(WHOLE), lambda place: with_parts(place, b"first")
    ),
    "complete of one part": Operation(
        lambda place: complete(place, WHOLE), stored, ABSENT, NEW, lambda place: with_parts(place, WHOLE)
    ),
    "complete of two parts over an object": Operation(
        lambda place: complete(place, IN_PARTS[:PART], IN_PARTS[PART:]),
        stored,
        OLD,
        NEW,
        two_parts_over_old,
    ),
    "multipart abort": Operation(abort, is_under_way, True, False, lambda place: with_parts(place, WHOLE), GONE),
    "tus create": Operation(lambda place: tus_create(place, LARGE), is_under_way, False, True),
    "tus create of nothing": Operation(lambda place: tus_create(place, 0), stored, ABSENT, EMPTY),
    "tus create with its bytes": Operation(lambda place: tus_create(place, LARGE, WHOLE), stored, OLD, NEW, put_old),
    "tus first half": Operation(lambda place: tus_go_on(place, HALF), tus_offset, 0, HALF, tus_begun),
    "tus all": Operation(tus_go_on, stored, ABSENT, NEW, tus_begun),
    "tus second half": Operation(tus_go_on, stored, ABSENT, NEW, tus_half_done),
    "tus terminate": Operation(tus_end, is_under_way, True, False, tus_begun, GONE),
    "bucket create": Operation(bucket_create, bucket_seen, None, False, done=frozenset({409})),
    "bucket update": Operation(bucket_open, bucket_seen, False, True, bucket_made),
    "bucket delete": Operation(bucket_delete, bucket_seen, False, None, bucket_made, GONE),
    "access key": Operation(make_key, has_key, False, True),
    "access key revoked": Operation(revoke_key, has_key, True, False, make_key, GONE),
    "link to an archive": Operation(link_archive, nothing, None, None, put_old),
    "console session": Operation(sign_in, nothing, None, None),
}
