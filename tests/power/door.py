"""The routes of the JSON door that the fault tests use: each in one function, nowhere else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Self
from urllib.parse import quote

import httpx

from tests.support.model import ABSENT, Damage, Observed, State, read_body
from tests.support.service import OWNER, Service

Outcome = Literal["done", "refused", "unknown"]
_TAG = "mark"


def outcome_of(response: httpx.Response) -> Outcome:
    """Done, or surely without effect, or (a 5xx) not known."""
    if response.is_success:
        return "done"
    return "refused" if response.is_client_error else "unknown"


def etag_of(body: bytes) -> str:
    """The ETag header of a plain upload: its MD5, quoted."""
    return f'"{hashlib.md5(body).hexdigest()}"'


class Door:
    """One client of one bucket, with its own connection."""

    def __init__(self, service: Service, bucket: str, sub: str = OWNER, timeout_seconds: float = 30.0) -> None:
        self.bucket = bucket
        self.http = service.client(sub, timeout_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def create_bucket(self, versioning: Literal["off", "on"] = "off") -> httpx.Response:
        order = {"name": self.bucket, "is_public": False, "versioning": versioning}
        return self.http.post("/buckets", json=order)

    def delete_bucket(self, force: bool = False) -> httpx.Response:
        query = {"force": "true"} if force else {}
        return self.http.delete(f"/buckets/{self.bucket}", params=query)

    def head_bucket(self) -> httpx.Response:
        return self.http.get(f"/buckets/{self.bucket}")

    def put(self, key: str, body: bytes | Iterator[bytes], headers: Mapping[str, str] | None = None) -> httpx.Response:
        """A raw upload; overwrites unless a condition in `headers` forbids it."""
        plain = {"content-type": "application/octet-stream"} | dict(headers or {})
        return self.http.put(self._path("upload-direct", key), content=body, headers=plain)

    def get(self, key: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        return self.http.get(self._path("download", key), headers=dict(headers or {}))

    def head(self, key: str) -> httpx.Response:
        return self.http.head(self._path("download", key))

    def delete(self, key: str) -> httpx.Response:
        return self.http.delete(f"/files/{self.bucket}/{quote(key)}")

    def copy(self, source: str, target: str) -> httpx.Response:
        return self.http.post("/files/copy", json=self._order(source, target))

    def move(self, source: str, target: str) -> httpx.Response:
        return self.http.post("/files/move", json=self._order(source, target))

    def _order(self, source: str, target: str) -> dict[str, object]:
        def place(key: str) -> dict[str, str]:
            return {"bucket": self.bucket, "key": key}

        return {"source": place(source), "target": place(target), "overwrite": True}

    def put_tag(self, key: str, tag: str) -> httpx.Response:
        return self.http.put(self._path("tags", key), json={"tags": {_TAG: tag}})

    def get_tag(self, key: str) -> str | None:
        answer = self.http.get(self._path("tags", key)).raise_for_status().json()
        tag = answer["tags"].get(_TAG)
        return None if tag is None else str(tag)

    def list_keys(self) -> list[str]:
        """All keys, by pages."""
        return [str(row["key"]) for row in self._rows()]

    def _rows(self) -> Iterator[dict[str, Any]]:
        query = {"limit": "1000"}
        while True:
            page = self.http.get(f"/files/list/{self.bucket}", params=query).raise_for_status()
            for row in page.json():
                yield {**row, "key": row["object_name"]}
            following = page.links.get("next")
            if not following:
                return
            query = dict(httpx.URL(following["url"]).params)

    def observe(self, key: str, with_tag: bool = False) -> Observed:
        """What the key holds, read whole."""
        response = self.get(key)
        if response.status_code == 404:
            return ABSENT
        if response.status_code != 200:
            return Damage(f"{response.status_code} {response.text[:200]}")
        if response.headers["etag"] != etag_of(response.content):
            return Damage(f"ETag {response.headers['etag']} is not of these bytes")
        stamp = read_body(response.content)
        if isinstance(stamp, Damage):
            return stamp
        return State(stamp, self.get_tag(key) if with_tag else None)

    def _path(self, verb: str, key: str) -> str:
        return f"/files/{verb}/{self.bucket}/{quote(key)}"
