"""What is said of an object besides its bytes. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from storage_service.client.options import PutOptions


@dataclass(frozen=True, slots=True)
class Said:
    """Of every object of a transfer, by the names the service has for it; None: what it finds by itself."""

    content_type: str | None = None
    cache_control: str | None = None
    content_disposition: str | None = None
    content_encoding: str | None = None
    metadata: Mapping[str, str] | None = None
    tags: Mapping[str, str] | None = None

    def given(self) -> dict[str, Any]:
        return {one.name: value for one in fields(self) if (value := getattr(self, one.name)) is not None}

    def options(self) -> "PutOptions":
        """As an upload takes it."""
        return cast("PutOptions", self.given())

    def is_true_of(self, record: Mapping[str, Any]) -> bool:
        """Whether what the service says of an object is all this."""
        return all(record.get(name) == value for name, value in self.given().items())


NOTHING = Said()


def pairs_of(texts: Iterable[str]) -> dict[str, str]:
    """Of `NAME=VALUE`; of a name that comes twice the last. Raises: ValueError for what is no pair."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise ValueError(f"{text!r} is not NAME=VALUE")
        found[name] = value
    return found
