"""How a configuration is kept: JSON under its name in the bucket's options, merged by the commit."""

from typing import TYPE_CHECKING, Any

from storage_service.app.core.errors import MalformedXML
from storage_service.app.edge.respond import send_empty
from storage_service.app.s3.context import Call

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_NUMBER_DIGITS = 9


def config_of(call: Call, name: str) -> Any:
    """The configuration of this name; None where there is none."""
    return call.bucket.options.config.get(name)


async def keep(call: Call, name: str, value: object, status: int = 200) -> None:
    """Store it, or with None remove it, and answer."""
    await call.store.update_bucket(call.bucket, {"config": {name: value}}, call.actor)
    await send_empty(call.request.send, status)


async def drop(call: Call, name: str) -> None:
    """Remove it, if it is there, and answer 204."""
    if config_of(call, name) is None:
        await send_empty(call.request.send, 204)
    else:
        await keep(call, name, None, 204)


def number(text: str | None, what: str) -> int:
    """A whole number, maybe negative. Raises: MalformedXML."""
    plain = (text or "").removeprefix("-")
    if text is None or not plain.isascii() or not plain.isdigit() or len(plain) > MAX_NUMBER_DIGITS:
        raise MalformedXML(f"{what} is not a whole number")
    return int(text)


def boolean(text: str | None, what: str) -> bool:
    """Raises: MalformedXML."""
    if (text or "").lower() not in {"true", "false"}:
        raise MalformedXML(f"{what} is true or false")
    return (text or "").lower() == "true"


def texts(node: "Element", name: str) -> list[str]:
    """The text of every child of this name."""
    return [(child.text or "").strip() for child in node.findall(name)]
