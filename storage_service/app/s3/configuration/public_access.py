"""The public access block: four switches. What they do stands in `core.protection`."""

from typing import TYPE_CHECKING

from storage_service.app.core.errors import NoSuchPublicAccessBlockConfiguration
from storage_service.app.s3.answers import document, element, send_xml
from storage_service.app.s3.bodies import need_document
from storage_service.app.s3.configuration.keeping import boolean, config_of, drop, keep
from storage_service.app.s3.context import Call
from storage_service.app.s3.reading import text_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

ROOT = "PublicAccessBlockConfiguration"
NAMES = {
    "BlockPublicAcls": "block_public_acls",
    "IgnorePublicAcls": "ignore_public_acls",
    "BlockPublicPolicy": "block_public_policy",
    "RestrictPublicBuckets": "restrict_public_buckets",
}


def parse_block_xml(root: "Element") -> dict[str, bool]:
    """Switches that are not named are off. Raises: MalformedXML."""
    return {ours: boolean(text_of(root, name) or "false", name) for name, ours in NAMES.items()}


def render_block_xml(block: dict[str, bool]) -> str:
    return document(ROOT, "".join(element(name, bool(block.get(ours))) for name, ours in NAMES.items()))


async def get(call: Call) -> None:
    """Raises: NoSuchPublicAccessBlockConfiguration."""
    found = config_of(call, "public_access_block")
    if found is None:
        raise NoSuchPublicAccessBlockConfiguration(
            "The public access block configuration was not found", bucket=call.bucket.name
        )
    await send_xml(call.request, render_block_xml(found))


async def put(call: Call) -> None:
    await keep(call, "public_access_block", parse_block_xml(await need_document(call, ROOT)))


async def delete(call: Call) -> None:
    await drop(call, "public_access_block")
