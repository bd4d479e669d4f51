"""What each door is made of: the store and the settings, handed over once. What main opens when a worker is ready."""

import asyncio

from storage_service.app.apis.archive import Crcs
from storage_service.app.apis.context import Archives, Context
from storage_service.app.backends.key_lists import StoredLists
from storage_service.app.backends.selfdb import BackendUsers
from storage_service.app.backends.session_records import StoredSessions
from storage_service.app.backends.shared import Shared
from storage_service.app.backends.volume import layout_of
from storage_service.app.console.assets import load_assets
from storage_service.app.console.door import ConsoleDoor
from storage_service.app.console.session import Desk
from storage_service.app.core.archive_links import ArchiveSigner
from storage_service.app.core.config import Settings
from storage_service.app.core.resumable import Resumables
from storage_service.app.core.security import Rules
from storage_service.app.core.sessions import Sessions
from storage_service.app.edge.access import Access
from storage_service.app.edge.cors import Cors
from storage_service.app.edge.observe import Metrics
from storage_service.app.s3.context import Context as S3Context
from storage_service.app.s3.door import S3Door
from storage_service.app.signatures import Signatures
from storage_service.app.tus.context import Context as TusContext
from storage_service.app.tus.door import TusDoor
from storage_service.app.wiring import Worker, make_verifier

MOST_ARCHIVES = 16  # under way in one process; each may keep 40 MB


def make_access(settings: Settings, users: BackendUsers | None, sessions: Sessions) -> Access:
    anon, service = settings.anon_key, settings.storage_service_api_key
    return Access(
        make_verifier(settings),
        anon.get_secret_value() if anon else None,
        service.get_secret_value() if service else None,
        users.lookup if users else None,
        sessions,
    )


def make_sessions(settings: Settings, shared: Shared, signatures: Signatures) -> Sessions:
    records = StoredSessions(layout_of(settings.storage_path), shared)
    return Sessions(records, signatures.keys, int(settings.console_session_hours * 3_600_000))


def make_archives(settings: Settings) -> Archives:
    lists = StoredLists(layout_of(settings.storage_path))
    return Archives(ArchiveSigner(settings.secrets), lists, Crcs(), asyncio.Semaphore(MOST_ARCHIVES))


def make_s3_door(settings: Settings, worker: Worker, metrics: Metrics, signatures: Signatures) -> S3Door:
    return S3Door(
        S3Context(
            store=worker.store,
            uploads=worker.uploads,
            authenticator=signatures.authenticator,
            rules=Rules(settings.private_read),
            metrics=metrics,
            cors=Cors(settings.cors_origins),
            region=settings.s3_region or "us-east-1",
            domains=settings.vhost_domains,
            public_url=settings.storage_service_public_url,
        )
    )


def make_tus_door(settings: Settings, worker: Worker, context: Context) -> TusDoor:
    return TusDoor(
        TusContext(
            store=worker.store,
            uploads=worker.uploads,
            resumables=Resumables(worker.uploads),
            access=context.access,
            links=context.links,
            rules=context.rules,
            metrics=context.metrics,
            cors=Cors(settings.cors_origins),
            public_urls=(settings.storage_service_public_url, *settings.public_urls),
            max_bytes=settings.max_object_bytes,
        )
    )


async def make_console_door(
    settings: Settings, context: Context, sessions: Sessions, signatures: Signatures
) -> ConsoleDoor:
    password = settings.console_password
    desk = Desk(context.access, sessions, signatures.keys, password.get_secret_value() if password else None)
    return ConsoleDoor(await asyncio.to_thread(load_assets), desk, context.metrics)
