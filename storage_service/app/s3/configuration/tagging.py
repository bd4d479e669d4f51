"""Tags of buckets. Those of objects stand in `s3.tagging`."""

from storage_service.app.core.errors import NoSuchTagSet
from storage_service.app.s3.answers import send_xml
from storage_service.app.s3.bodies import need_document
from storage_service.app.s3.configuration.keeping import config_of, drop, keep
from storage_service.app.s3.context import Call
from storage_service.app.s3.tags import MOST_BUCKET_TAGS, parse_tagging, render_tagging


async def get(call: Call) -> None:
    """Raises: NoSuchTagSet."""
    found = config_of(call, "tags")
    if found is None:
        raise NoSuchTagSet("The TagSet does not exist", bucket=call.bucket.name)
    await send_xml(call.request, render_tagging(found))


async def put(call: Call) -> None:
    """Raises: MalformedXML, InvalidTag."""
    await keep(call, "tags", parse_tagging(await need_document(call, "Tagging"), MOST_BUCKET_TAGS), 204)


async def delete(call: Call) -> None:
    await drop(call, "tags")
