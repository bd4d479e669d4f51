"""What a row of the table of operations is."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

from storage_service.app.core.security import Action
from storage_service.app.edge.request import Request

if TYPE_CHECKING:
    from storage_service.app.s3.context import Call

Level = Literal["service", "bucket", "object"]
ASKS = "s3.asks"  # of the scope: what was found once
Handler = Callable[["Call"], Awaitable[None]]


class Operation(NamedTuple):
    """`query`: the sub-resource's key in the query, empty for none. `name` is S3's, for metrics and policies.

    `action` is allowed before the handler runs; whatever else a handler touches it asks for itself. None: of each key
    of many, by the handler.
    """

    method: str
    level: Level
    query: str
    name: str
    action: Action | None
    handler: Handler


def asks(request: Request) -> bool:
    """Whether the query says anything besides who signed. Presigned reads are hot: theirs is then never taken apart."""
    found: bool | None = request.scope.get(ASKS)
    if found is None:
        found = request.scope[ASKS] = says(request.scope.get("query_string", b""))
    return found


def says(sent: bytes) -> bool:
    """Counted, not searched: a pattern that looks at each parameter takes a tenth of such a request."""
    if not sent:
        return False
    signing = sent.count(b"&X-Amz-") + sent.count(b"&x-id=") + sent.startswith((b"X-Amz-", b"x-id="))
    return signing <= sent.count(b"&")
