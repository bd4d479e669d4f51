"""What the handlers of this door work with, handed over once by main."""

from dataclasses import dataclass

from storage_service.app.core.links import LinkSigner
from storage_service.app.core.resumable import Resumables
from storage_service.app.core.security import Rules
from storage_service.app.core.storage import ObjectStore
from storage_service.app.core.uploads import Uploads
from storage_service.app.edge.access import Access
from storage_service.app.edge.cors import Cors
from storage_service.app.edge.observe import Metrics


@dataclass(frozen=True, slots=True)
class Context:
    """`public_urls`: what this service is called, without a slash at the end; `max_bytes`: its largest object."""

    store: ObjectStore
    uploads: Uploads
    resumables: Resumables
    access: Access
    links: LinkSigner
    rules: Rules
    metrics: Metrics
    cors: Cors
    public_urls: tuple[str, ...]
    max_bytes: int
