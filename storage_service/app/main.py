"""The service's ASGI app: `uvicorn storage_service.app.main:app`, or a worker of `storage serve`.

Wires Settings -> catalog and blobs -> ObjectStore -> doors. Until the catalog is recovered: 503 with progress.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine

from storage_service.app.apis.cold import create_cold_app
from storage_service.app.apis.context import Context, DoorOptions, Names
from storage_service.app.apis.dispatch import JsonDoor
from storage_service.app.backends import shared as words
from storage_service.app.backends.selfdb import BackendUsers, backend_client
from storage_service.app.backends.shared import Shared
from storage_service.app.backends.volume import VolumeRefused, layout_of, open_volume
from storage_service.app.console.door import ConsoleDoor
from storage_service.app.core.config import BadSettings, Settings, WeakSecret, check_secret, load
from storage_service.app.core.errors import ServiceUnavailable, SlowDown
from storage_service.app.core.feed import Feed
from storage_service.app.core.links import LinkSigner
from storage_service.app.core.security import Rules
from storage_service.app.core.sessions import Sessions
from storage_service.app.dispatch import Door, door_of, with_alias
from storage_service.app.doors import (
    make_access,
    make_archives,
    make_console_door,
    make_s3_door,
    make_sessions,
    make_tus_door,
)
from storage_service.app.draining import on_stop
from storage_service.app.edge.cors import Cors
from storage_service.app.edge.observe import Metrics
from storage_service.app.edge.proxies import Proxies
from storage_service.app.edge.request import Receive, Request, Scope, Send
from storage_service.app.edge.respond import send_json, send_problem
from storage_service.app.edge.status import status_of
from storage_service.app.edge.watching import Watch
from storage_service.app.effective import effective
from storage_service.app.membership import Member
from storage_service.app.operations import Operations
from storage_service.app.realtime.door import RealtimeDoor, refuse
from storage_service.app.s3.door import S3Door
from storage_service.app.signatures import Signatures
from storage_service.app.tus.door import TusDoor
from storage_service.app.tus.patience import patient
from storage_service.app.watching import Watching
from storage_service.app.wiring import Worker, make_staging, make_worker, plan_of

log = logging.getLogger(__name__)

SWITCH_SECONDS = (
    0.00005  # the event loop and the committer share the GIL; each of its ten calls a batch waits this long
)
LOOK_SECONDS = 0.02  # between looks while recovery runs
OPENING_SECONDS = 10.0  # most a request waits for a worker that only has to open its doors
GC_THRESHOLD = 50_000  # requests make few cycles; collecting often costs about a tenth of the rate
App = Callable[[Scope, Receive, Send], Awaitable[None]]
PROBES = frozenset({"/health", "/healthz", "/readyz"})


class Service:
    """The app. Plain ASGI: one call, one dictionary look-up, and the door has it."""

    def __init__(self) -> None:
        self._doors: dict[Door, S3Door | JsonDoor | TusDoor | ConsoleDoor] = {}
        self._realtime: RealtimeDoor | None = None
        self._watch = Watch("")
        self._domains: tuple[str, ...] = ()
        self._operations: Operations | None = None
        self._enter: App = self._serve
        self._running = 0
        self._most_running = 1
        self._closing = contextlib.AsyncExitStack()
        self._opened = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self._enter(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            return await self._talk(scope, receive, send)
        name = door_of(scope, self._domains)
        if name == "json":
            scope = with_alias(scope)
        door = self._doors.get(name) or await self._wait_for(name)
        if door is None:
            return await self._excuse(Request(scope, receive, send))
        if self._running >= self._most_running:
            return await _refuse(Request(scope, receive, send), SlowDown("Too many requests at once"))
        self._running += 1
        if self._watch.write is not None:
            self._watch.begin(scope)
        try:
            await door(scope, receive, send)
        finally:
            self._running -= 1

    async def _wait_for(self, name: Door) -> S3Door | JsonDoor | TusDoor | ConsoleDoor | None:
        """The door of a worker that is still opening, while another may be ready; None during recovery."""
        if self._operations is not None and not self._operations.is_recovering():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._opened.wait(), OPENING_SECONDS)
        return self._doors.get(name)

    async def _talk(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._realtime is None:
            return await refuse(scope, send, status_of(ServiceUnavailable()))
        await self._realtime(scope, receive, send)

    async def _excuse(self, request: Request) -> None:
        """While the catalog is being recovered: 503 with progress; the probes tell what is going on."""
        if self._operations is None:
            return await _refuse(request, ServiceUnavailable("Starting"))
        health = await self._operations.health()
        if request.raw_path.decode("latin-1") in PROBES:
            status = 503 if request.path == "/readyz" else 200
            record = {
                "status": health.status,
                "service": "storage",
                "problems": health.problems,
                **(health.details or {}),
            }
            return await send_json(request.send, status, record)
        return await _refuse(request, ServiceUnavailable("; ".join(health.problems) or "Starting"))

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._start()
        except (BadSettings, WeakSecret, VolumeRefused) as error:
            await send({"type": "lifespan.startup.failed", "message": f"storage: {error}"})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._closing.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    async def _start(self) -> None:
        sys.setswitchinterval(SWITCH_SECONDS)
        settings = load()
        if warning := check_secret(settings, listening_host(settings)):
            log.warning("%s", warning)
        layout = layout_of(settings.storage_path)
        open_volume(layout.root, settings.storage_id)
        member = Member(plan_of(settings))
        self._closing.push_async_callback(member.close)
        shared = Shared(layout.shared)
        self._most_running = settings.max_concurrent_requests
        self._domains = settings.vhost_domains
        if settings.trusted_proxies:
            self._enter = behind_proxies(self._serve, settings)
        watching = Watching(layout, shared, str(os.getpid()))
        self._watch = watching.watch
        self._closing.callback(on_stop(watching.close))
        metrics = Metrics(watching.watch)
        self._operations = Operations(settings, shared, metrics, str(os.getpid()), watching.follow)
        self._later(watching.keep_looking())
        self._later(self._open(settings, shared, metrics, self._operations))
        self._later(member.watch())

    def _later(self, work: Coroutine[None, None, None]) -> None:
        """Run until the service stops. One that fails ends this process: half a worker is worse than none."""
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(_end_if_failed)

        async def end() -> None:
            task.cancel()
            await asyncio.wait([task])

        self._closing.push_async_callback(end)

    async def _open(self, settings: Settings, shared: Shared, metrics: Metrics, operations: Operations) -> None:
        """Wait for recovery, then open the doors."""
        while shared[words.VOLUME] == words.REBUILDING:  # noqa: ASYNC110 - said by another process
            await asyncio.sleep(LOOK_SECONDS)
        staging, lock = make_staging(layout_of(settings.storage_path), str(os.getpid()))
        worker = make_worker(settings, staging)
        worker.start(metrics.commit_waited)
        self._closing.callback(os.close, lock)
        self._closing.callback(worker.close)
        operations.store = worker.store
        signatures = Signatures(settings, worker.keys)
        await signatures.open()
        self._later(signatures.keep_uses())
        sessions = make_sessions(settings, shared, signatures)
        context = await self._context(settings, worker, signatures, operations, sessions)
        self._realtime = RealtimeDoor(worker.store, context.feed, context.access, context.rules)
        self._doors = {
            "json": JsonDoor(context, create_cold_app(context), Cors(settings.cors_origins)),
            "s3": make_s3_door(settings, worker, metrics, signatures),
            "tus": make_tus_door(settings, worker, context),
        }
        self._doors["console"] = self._doors["json"]  # which knows no such path
        if settings.console_enabled:
            self._doors["console"] = await make_console_door(settings, context, sessions, signatures)
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD, 20, 20)
        self._opened.set()
        await operations.publish()

    def _follow(self, worker: Worker) -> Feed:
        """The change feed of this worker. Who follows it is let go when the service is asked to stop."""
        feed = Feed(worker.store)
        self._closing.callback(on_stop(feed.close))
        self._closing.callback(feed.close)
        return feed

    async def _context(
        self,
        settings: Settings,
        worker: Worker,
        signatures: Signatures,
        operations: Operations,
        sessions: Sessions,
    ) -> Context:
        users = None
        if settings.selfdb_backend_url:
            client = backend_client(settings.selfdb_backend_url)
            self._closing.push_async_callback(client.aclose)
            users = BackendUsers(client, settings.storage_admins)
        return Context(
            store=worker.store,
            uploads=worker.uploads,
            feed=self._follow(worker),
            archives=make_archives(settings),
            access=make_access(settings, users, sessions),
            links=LinkSigner(settings.secrets),
            rules=Rules(settings.private_read),
            names=Names(settings.storage_service_public_url, settings.permanent_url, settings.cdn_url),
            options=DoorOptions(settings.default_bucket_public, settings.bucket_delete, settings.upload_direct_enabled),
            metrics=operations.metrics,
            operator=operations.operator,
            keys=signatures.records,
            diagnose=signatures.diagnose,
            origins=worker.origins,
            settings=effective(settings),
            locate=users.download_info if users else None,
        )


async def _refuse(request: Request, error: Exception) -> None:
    """Before any door has the request."""
    await send_problem(request, patient(request, error))


def _end_if_failed(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("cannot go on: %s: %s", type(error).__name__, error, exc_info=error)
        os.kill(os.getpid(), signal.SIGTERM)


def behind_proxies(app: App, settings: Settings) -> App:
    """The app, believing TRUSTED_PROXIES: who the client is, and that they can send files themselves."""
    proxies = Proxies(settings.trusted_proxies)

    def enter(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        proxies.admit(scope)
        return app(scope, receive, send)

    return enter


def listening_host(settings: Settings) -> str:
    """Where plain uvicorn listens, as far as it says; HOST where `storage serve` started us."""
    words_given = sys.argv[1:]
    for index, word in enumerate(words_given):
        if word == "--host" and index + 1 < len(words_given):
            return words_given[index + 1]
        if word.startswith("--host="):
            return word.removeprefix("--host=")
    return os.environ.get("UVICORN_HOST", settings.host)


app = Service()
