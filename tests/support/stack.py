"""A whole store in one process over a real directory: what main wires, without doors. For tests of the core."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

from storage_service.app.backends import shared as words
from storage_service.app.backends.recovery import make_fresh
from storage_service.app.backends.shared import Shared
from storage_service.app.backends.upload_files import LocalUploads
from storage_service.app.backends.upload_garbage import UploadGarbage
from storage_service.app.backends.volume import Layout, open_volume
from storage_service.app.core.config import Settings
from storage_service.app.core.objects import Bucket, BucketOptions, Span, Version
from storage_service.app.core.storage import ObjectStore
from storage_service.app.core.uploads import Uploads
from storage_service.app.keeping import Keeper, make_keeper
from storage_service.app.wiring import Worker, make_worker, plan_of
from tests.support.service import JOURNALLED_BYTES

SECRET = "a-secret-for-tests-of-more-than-32-bytes"


class Stack(NamedTuple):
    """`keeper` does what the jobs process would; nothing runs by itself."""

    worker: Worker
    keeper: Keeper
    garbage: UploadGarbage
    root: Path

    @property
    def store(self) -> ObjectStore:
        return self.worker.store

    @property
    def uploads(self) -> Uploads:
        return self.worker.uploads

    async def bucket(self, name: str = "photos", **options: Any) -> Bucket:
        return await self.store.create_bucket(name, "owner", BucketOptions(**options), "owner")

    async def read(self, bucket: Bucket, key: str) -> tuple[Version, bytes]:
        download = await self.store.get_object(bucket, key)
        try:
            version = download.version
            return version, b"".join([chunk async for chunk in download.chunks(Span(0, version.size))])
        finally:
            download.close()

    def settle(self) -> None:
        while self.keeper.settler.run_pass().settled:
            pass

    def upload_files(self) -> list[Path]:
        return [path for path in (self.root / ".storage/uploads").rglob("*") if path.is_file()]


@contextlib.asynccontextmanager
async def open_stack(root: Path, **settings: Any) -> AsyncIterator[Stack]:
    """Opened on a fresh or an earlier directory; closed with the block."""
    settings = {"inline_body_bytes": JOURNALLED_BYTES, **settings}
    chosen = Settings(_env_file=None, storage_path=root, secret_key=SECRET, **settings)
    layout = Layout(root)
    open_volume(root, None)
    shared = Shared.create(layout.shared)
    make_fresh(layout)
    shared[words.VOLUME] = words.READY
    staging = layout.staging / "test"
    staging.mkdir(exist_ok=True)
    keeper = make_keeper(plan_of(chosen))
    worker = make_worker(chosen, staging)
    worker.start(lambda _: None)
    files = LocalUploads(str(layout.uploads), keeper.blobs, "")
    try:
        yield Stack(worker, keeper, UploadGarbage(keeper.catalog, files, keeper.blobs, plan_of(chosen).keeping), root)
    finally:
        worker.close()
        keeper.close()
