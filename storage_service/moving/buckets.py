"""A bucket and its settings at the target. What is set there already stays."""

from collections.abc import Callable
from typing import NamedTuple

from storage_service.client import Client, ClientError, NotFound
from storage_service.client.options import BucketChanges
from storage_service.moving.model import BucketSettings, CannotMove
from storage_service.remote import Refused, S3Server
from storage_service.remote.errors import parse_xml

ORDER = ("object-lock", "tagging", "cors", "website", "ownershipControls", "publicAccessBlock", "policy", "lifecycle")
VERSIONING = "<VersioningConfiguration><Status>{}</Status></VersioningConfiguration>"


class Made(NamedTuple):
    """`new`: the bucket was not there. `settings`: how many were set. `left`: what could not be, and why."""

    new: bool
    settings: int
    left: list[str]


class BucketMaker:
    """`api` may do what S3 has no word for: quotas, owners, public buckets; None where no key for it is known."""

    def __init__(self, server: S3Server, api: Client | None) -> None:
        self._server = server
        self._api = api

    def make(self, bucket: str, settings: BucketSettings) -> Made:
        """Raises: Refused for a name or a bucket that cannot be had, CannotMove, ClientError, Unreachable."""
        new = not self._server.has_bucket(bucket)
        if new:
            self._create(bucket, settings)
        elif self._has_origin(bucket):
            raise CannotMove("it has an origin, whose deletes must hold: storage import --origin")
        left = list(settings.left)
        steps: list[tuple[str, Callable[[], bool]]] = [("versioning", lambda: self._version(bucket, settings))]
        for name in ORDER:
            if name in settings.documents:
                steps.append((name, self._setter(bucket, name, settings.documents[name])))
        if new:
            steps.append(("options", lambda: self._options(bucket, settings)))
        done = 0
        for name, step in steps:
            try:
                done += step()
            except (Refused, ClientError) as error:
                left.append(f"{name}: {error}")
        return Made(new, done, left)

    def _has_origin(self, bucket: str) -> bool:
        """An import would bring back what was deleted here before it arrived."""
        if self._api is None:
            return False
        try:
            return self._api.buckets.get_origin(bucket)["ended_at"] is None
        except NotFound:
            return False

    def _create(self, bucket: str, settings: BucketSettings) -> None:
        """Owned by whom the source names, if an API key lets us say so."""
        if settings.owner and self._api is not None:
            self._api.buckets.create(bucket, public=settings.public, owner_id=settings.owner)
            return
        lock = {"x-amz-bucket-object-lock-enabled": "true"} if settings.locking else {}
        self._server.create_bucket(bucket, lock)

    def _version(self, bucket: str, settings: BucketSettings) -> bool:
        if not settings.versioning:
            return False
        now = self._server.sub_resource(bucket, "versioning")
        if now and parse_xml(now).findtext("Status") == settings.versioning:
            return False
        self._server.put_sub_resource(bucket, "versioning", VERSIONING.format(settings.versioning).encode())
        return True

    def _setter(self, bucket: str, name: str, document: bytes) -> Callable[[], bool]:
        def put() -> bool:
            if name != "object-lock" and self._server.sub_resource(bucket, name):
                return False
            self._server.put_sub_resource(bucket, name, document)
            return True

        return put

    def _options(self, bucket: str, settings: BucketSettings) -> bool:
        options: BucketChanges = {}
        if settings.quota_bytes is not None:
            options["quota_bytes"] = settings.quota_bytes
        if settings.public:
            options["public"] = True
        wanted = [*options, *(["owner"] if settings.owner else [])]
        if wanted and self._api is None:
            raise ClientError(f"{', '.join(wanted)}: only with STORAGE_SERVICE_API_KEY")
        if not options or self._api is None:
            return False
        self._api.buckets.update(bucket, **options)
        return True
