"""A conversation: who it is, what they want to hear of, and each change as it comes."""

import asyncio
import time
from contextlib import aclosing, suppress
from typing import Any, Final

from storage_service.app.core.errors import SlowDown, StorageError, Unauthenticated
from storage_service.app.core.events import Event
from storage_service.app.core.feed import Feed
from storage_service.app.core.security import ANONYMOUS, INVALID_CREDENTIALS, Principal, Rules
from storage_service.app.core.sight import Sight
from storage_service.app.core.storage import ObjectStore
from storage_service.app.edge.access import Access
from storage_service.app.edge.facts import facts_of
from storage_service.app.edge.request import Message, Receive, Request, Scope, Send
from storage_service.app.edge.status import status_of
from storage_service.app.edge.tasks import end, quiet
from storage_service.app.realtime.protocol import (
    MAX_MESSAGE_CHARS,
    Authenticate,
    BadMessage,
    Ping,
    Said,
    Subscribe,
    Unsubscribe,
    parse,
    render_change,
    render_connected,
    render_error,
    render_pong,
    render_subscribed,
    render_unsubscribed,
)

PATHS: Final = frozenset({"/realtime/ws", "/api/v1/realtime/ws"})
MOST_CONVERSATIONS = 1000  # of a worker; of those that listen the feed has a limit of its own
MOST_SUBSCRIPTIONS = 100  # of a connection
AUTHENTICATE_SECONDS = 10.0
LOOK_SECONDS = 15.0  # between looks whether the credential still holds
STALLED_SECONDS = 60.0  # a client that takes nothing for so long is let go
NOT_FOUND = 404
# Close codes. Source: RFC 6455 §7.4.1; 4000 and up are the application's.
RESTARTING, UNSUPPORTED, TOO_BIG, TRY_LATER, UNAUTHORIZED = 1012, 1003, 1009, 1013, 4401
REASONS = {
    RESTARTING: "The service stops",
    UNSUPPORTED: "Text only",
    TOO_BIG: "The message is too large",
    TRY_LATER: "Come again later, and list what was missed",
    UNAUTHORIZED: "Not authenticated",
}


class RealtimeDoor:
    """Serves one WebSocket."""

    def __init__(self, store: ObjectStore, feed: Feed, access: Access, rules: Rules) -> None:
        self.store = store
        self.feed = feed
        self.access = access
        self.rules = rules
        self._talking = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if scope["path"] not in PATHS:
            return await refuse(scope, send, NOT_FOUND)
        request = Request({**scope, "method": "GET"}, receive, send)
        try:
            self._check_room()
            principal = await self.access.resolve(scope["headers"])
        except StorageError as error:
            return await refuse(scope, send, status_of(error))
        self._talking += 1
        try:
            await send({"type": "websocket.accept"})
            with suppress(TimeoutError, OSError):  # the client is not there any more
                await Conversation(self, request, principal).hold()
        finally:
            self._talking -= 1

    def _check_room(self) -> None:
        """Raises: SlowDown, ServiceUnavailable."""
        self.feed.check_room()
        if self._talking >= MOST_CONVERSATIONS:
            raise SlowDown("Too many connections at once")


async def refuse(scope: Scope, send: Send, status: int) -> None:
    """Answer the handshake with a status, where the server can; else it is a 403."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close"})
        return
    headers = [(b"content-length", b"0"), (b"cache-control", b"no-store")]
    if status == status_of(Unauthenticated()):
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": b""})


class Closed(Exception):
    """The conversation is over, with this code; None: the client has left."""

    def __init__(self, code: int | None) -> None:
        super().__init__(code)
        self.code = code


class Conversation:
    """One connection from its acceptance to its end."""

    def __init__(self, door: RealtimeDoor, request: Request, principal: Principal) -> None:
        self._door = door
        self._request = request
        self._subscriptions: dict[str, Subscribe] = {}
        self._telling: asyncio.Future[None] | None = None
        self._is_heard = asyncio.Event()  # from here on no change is missed
        self._deadline = time.monotonic() + AUTHENTICATE_SECONDS
        self._principal: Principal | None = None
        if principal is not ANONYMOUS:
            self._admit(principal)

    async def hold(self) -> None:
        try:
            while True:
                await self._take(await self._hear())
        except Closed as over:
            if over.code is not None:
                reason = REASONS[over.code]
                await self._send({"type": "websocket.close", "code": over.code, "reason": reason})
        finally:
            if self._telling is not None:
                await end(self._telling)

    # Hearing --------------------------------------------------------------------------------------------------------

    async def _hear(self) -> str:
        """The next message. Raises: Closed."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            raise Closed(None)
        text = message.get("text")
        if text is None:
            raise Closed(UNSUPPORTED)
        if len(text) > MAX_MESSAGE_CHARS:
            raise Closed(TOO_BIG)
        return str(text)

    async def _receive(self) -> Message:
        """What the client says, unless the other half of the conversation ends first."""
        coming = asyncio.ensure_future(self._request.receive())
        waiting: set[asyncio.Future[Any]] = {coming}
        if self._telling is not None:
            waiting.add(self._telling)
        left = None if self._principal is not None else max(0.0, self._deadline - time.monotonic())
        try:
            await asyncio.wait(waiting, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if coming.done():
                return await coming
            if self._telling is None:
                raise Closed(UNAUTHORIZED)
            await self._telling
            raise Closed(RESTARTING)
        finally:
            if not coming.done():
                await end(coming)

    async def _take(self, text: str) -> None:
        try:
            said = parse(text)
        except BadMessage as bad:
            await self._say(render_error(str(bad), bad.subscription_id))
        else:
            await self._answer(said)

    async def _answer(self, said: Said) -> None:
        match said:
            case Ping():
                await self._say(render_pong())
            case Authenticate():
                await self._authenticate(said.token)
            case Subscribe():
                await self._subscribe(said)
            case Unsubscribe():
                self._subscriptions.pop(said.subscription_id, None)
                await self._say(render_unsubscribed(said.subscription_id))

    async def _authenticate(self, token: str) -> None:
        try:
            header = (b"authorization", b"Bearer " + token.encode("latin-1"))
            principal = await self._door.access.resolve((header,))
        except (StorageError, UnicodeEncodeError):
            await self._say(render_error(INVALID_CREDENTIALS))
            raise Closed(UNAUTHORIZED) from None
        self._admit(principal)
        await self._say(render_connected(principal.subject or None))

    def _admit(self, principal: Principal) -> None:
        self._principal = principal
        door = self._door
        self._sight = Sight(principal, door.store.peek, door.rules, facts_of(self._request))

    async def _subscribe(self, wish: Subscribe) -> None:
        if self._principal is None:
            await self._say(render_error(REASONS[UNAUTHORIZED], wish.subscription_id))
            return
        if len(self._subscriptions) >= MOST_SUBSCRIPTIONS and wish.subscription_id not in self._subscriptions:
            await self._say(render_error("Too many subscriptions", wish.subscription_id))
            return
        self._subscriptions[wish.subscription_id] = wish
        if self._telling is None:
            await self._door.store.list_buckets()  # what the sight asks for
            self._telling = quiet(asyncio.ensure_future(self._tell()))
            heard = asyncio.ensure_future(self._is_heard.wait())
            either: set[asyncio.Future[Any]] = {heard, self._telling}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            heard.cancel()
        await self._say(render_subscribed(wish.subscription_id))

    # Telling --------------------------------------------------------------------------------------------------------

    async def _tell(self) -> None:
        """Each change to each subscription that wants it. Raises: Closed."""
        feed = self._door.feed
        try:
            feed.check_room()
            async with aclosing(feed.follow(None, self._wants, patience_seconds=LOOK_SECONDS)) as batches:
                async for batch in batches:
                    self._is_heard.set()
                    self._check_credential()
                    await self._tell_all(batch.events)
        except StorageError:
            raise Closed(TRY_LATER) from None
        raise Closed(RESTARTING if feed.is_closed else TRY_LATER)

    async def _tell_all(self, events: list[Event]) -> None:
        for event in events:
            for wish in list(self._subscriptions.values()):
                if wish.wants(event):
                    await self._say(render_change(wish.subscription_id, event))

    def _wants(self, event: Event) -> bool:
        wanted = any(wish.wants(event) for wish in self._subscriptions.values())
        return wanted and self._sight is not None and self._sight(event)

    def _check_credential(self) -> None:
        expires_at = None if self._principal is None else self._principal.expires_at
        if expires_at is not None and time.time() >= expires_at:
            raise Closed(UNAUTHORIZED)

    async def _say(self, text: str) -> None:
        await self._send({"type": "websocket.send", "text": text})

    async def _send(self, message: Message) -> None:
        async with asyncio.timeout(STALLED_SECONDS):
            await self._request.send(message)
