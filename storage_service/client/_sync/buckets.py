"""Buckets: made, listed, changed, emptied, deleted; and the old servers they take from."""

from collections.abc import Iterator
from typing import Any, Unpack

from storage_service.client._sync.bucket import MAX_BULK_KEYS, Bucket
from storage_service.client._sync.connection import Connection
from storage_service.client.models import BucketInfo
from storage_service.client.options import BucketChanges, NewBucket, OriginOptions, check_options
from storage_service.client.wire import Call, path_of


class Buckets:
    """`client.buckets`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(self, name: str, *, public: bool = False, **options: Unpack[NewBucket]) -> BucketInfo:
        """The caller owns it. Options: `versioning`, `quota_bytes`, `max_object_bytes`, `allowed_mime_types` ...

        Raises: Conflict if the name is taken, InvalidRequest if it cannot be one.
        """
        check_options("create", options, NewBucket)
        body = {"name": name, "is_public": public, **options}
        return BucketInfo.parse(self._connection.json(Call("POST", "/buckets", json=body, repeatable=False)))

    def get(self, name: str) -> BucketInfo:
        """By name or id. Raises: NotFound."""
        return BucketInfo.parse(self._connection.json(Call("GET", path_of("buckets", name))))

    def list(self, *, search: str = "") -> list[BucketInfo]:
        """All the caller may see, by name."""
        params = {"search": search} if search else {}
        return [BucketInfo.parse(record) for record in self._connection.json(Call("GET", "/buckets", params))]

    def update(self, name: str, **options: Unpack[BucketChanges]) -> BucketInfo:
        """Change its options; `public` and those of `create`. Raises: NotFound, PermissionDenied."""
        check_options("update", options, BucketChanges)
        return BucketInfo.parse(self._connection.json(Call("PUT", path_of("buckets", name), json=options)))

    def empty(self, name: str, *, purge: bool = False) -> int:
        """Delete all files of a bucket; how many. Raises: NotFound, PartialFailure."""
        bucket = Bucket(self._connection, name)
        deleted = 0
        some: list[str] = []
        for info in bucket.list():
            some.append(info.id)  # a file that took a deleted one's key meanwhile is another file
            if len(some) == MAX_BULK_KEYS:
                bucket.delete(*some, purge=purge)
                deleted += len(some)
                some = []
        if some:
            bucket.delete(*some, purge=purge)
        return deleted + len(some)

    def delete(self, name: str, *, force: bool = False) -> None:
        """Raises: Conflict while it holds files, unless `force` takes them along; NotFound."""
        self._connection.answer(Call("DELETE", path_of("buckets", name), {"force": "true"} if force else {}))

    # ------------------------------------------------------------------------------ origins
    def set_origin(self, name: str, url: str, **options: Unpack[OriginOptions]) -> dict[str, Any]:
        """Take what is missing from an old S3 server when it is asked for. Options: `bucket` there, `prefix`, `region`,
        `access_key`, `secret_key`. Raises: PermissionDenied, NotFound."""
        check_options("set_origin", options, OriginOptions)
        call = Call("PUT", _origin(name), json={"url": url, **options})
        found: dict[str, Any] = self._connection.json(call)
        return found

    def get_origin(self, name: str) -> dict[str, Any]:
        """Without its secret; `ended_at` after the cut-over. Raises: NotFound where there is none."""
        found: dict[str, Any] = self._connection.json(Call("GET", _origin(name)))
        return found

    def end_origin(self, name: str) -> dict[str, Any]:
        """Cut the bucket off: the origin is asked no more. Raises: NotFound where there is none."""
        found: dict[str, Any] = self._connection.json(Call("DELETE", _origin(name)))
        return found

    def origin_objects(self, name: str) -> Iterator[dict[str, Any]]:
        """What the origin has, by key: `key`, `size`, `etag`, and its `state` here: `arrived`, `changed`, `deleted`,
        `missing`. Raises: NotFound, ServiceUnavailable while the origin does not answer."""
        after: str | None = ""
        while after is not None:
            page = self._connection.json(Call("GET", f"{_origin(name)}/objects", {"after": after}))
            for one in page["objects"]:
                yield one
            after = page["next"]


def _origin(name: str) -> str:
    return path_of("api", "v1", "buckets", name) + "/origin"
