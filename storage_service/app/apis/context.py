"""What the routes of this door work with: plain values and the core, handed over once by main."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypedDict

from storage_service.app.apis.archive import Crcs
from storage_service.app.core.archive_links import ArchiveSigner, KeyLists
from storage_service.app.core.backend import Origins
from storage_service.app.core.feed import Feed
from storage_service.app.core.keys import KeyRecords
from storage_service.app.core.links import LinkSigner
from storage_service.app.core.objects import Usage
from storage_service.app.core.security import Rules
from storage_service.app.core.storage import ObjectStore
from storage_service.app.core.uploads import Uploads
from storage_service.app.edge.access import Access, Headers
from storage_service.app.edge.observe import Gauge, Metrics, Snapshot


@dataclass(frozen=True, slots=True)
class Names:
    """Public names, without a trailing slash. `base_url` stands in file JSON (`url`), `public_url` in links."""

    public_url: str
    base_url: str
    cdn_url: str | None = None


@dataclass(frozen=True, slots=True)
class DoorOptions:
    default_bucket_public: bool = True
    bucket_delete: Literal["reject", "cascade"] = "reject"
    upload_direct: bool = True


@dataclass(frozen=True, slots=True)
class Health:
    """How the service is. `problems` says why it is degraded, one sentence each; not `ready`: doors answer 503."""

    status: Literal["healthy", "degraded"]
    ready: bool
    problems: tuple[str, ...] = ()
    details: dict[str, object] | None = None


class Seen(Protocol):
    """Requests of all workers, as JSON, and how many more there were."""

    @property
    def records(self) -> list[bytes]: ...
    @property
    def missed(self) -> int: ...


Requests = Callable[[], AsyncGenerator[Seen, None]]


@dataclass(frozen=True, slots=True)
class Operator:
    """What an operator asks: health now, gauges for /metrics, the counters of all workers, disk and backlog, what a
    bucket (by uuid; empty = all) kept since a time in milliseconds, and requests as they are answered."""

    health: Callable[[], Awaitable[Health]]
    gauges: Callable[[], Awaitable[list[Gauge]]]
    counters: Callable[[], Awaitable[Snapshot]]
    status: Callable[[], Awaitable[dict[str, Any]]]
    history: Callable[[str, int], Awaitable[list[tuple[int, Usage]]]]
    requests: Requests


class SettingRecord(TypedDict):
    """A setting in effect; `value` of a secret says only whether it is set."""

    name: str
    value: str
    is_default: bool
    description: str


# From a file id nobody here knows, and the caller's headers, to bucket and key; None = unknown there too.
# The answer grants nothing: what it names is authorised like any other.
Locate = Callable[[str, Headers], Awaitable[tuple[str, str] | None]]

# Why S3 signatures were refused: so many of the last requests, newest first, as records.
Diagnose = Callable[[int], Awaitable[list[dict[str, Any]]]]


@dataclass(frozen=True, slots=True)
class Archives:
    """What archives need besides the store: who signs links, where lists are kept, and what is known of files."""

    signer: ArchiveSigner
    lists: KeyLists
    crcs: Crcs
    room: asyncio.Semaphore  # of archives under way; each keeps its list in memory


@dataclass(frozen=True, slots=True)
class Context:
    store: ObjectStore
    feed: Feed
    archives: Archives
    uploads: Uploads
    access: Access
    links: LinkSigner
    rules: Rules
    names: Names
    options: DoorOptions
    metrics: Metrics
    operator: Operator
    keys: KeyRecords
    diagnose: Diagnose
    origins: Origins
    settings: Sequence[SettingRecord] = ()
    locate: Locate | None = None
