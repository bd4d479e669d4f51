"""The lifecycle configuration: kept and shown."""

from storage_service.app.core.errors import NoSuchLifecycleConfiguration
from storage_service.app.s3.answers import send_xml
from storage_service.app.s3.bodies import need_document
from storage_service.app.s3.configuration.keeping import config_of, drop, keep
from storage_service.app.s3.configuration.lifecycle_xml import ROOT, parse_lifecycle_xml, render_lifecycle_xml
from storage_service.app.s3.context import Call


async def get(call: Call) -> None:
    """Raises: NoSuchLifecycleConfiguration."""
    found = config_of(call, "lifecycle")
    if found is None:
        raise NoSuchLifecycleConfiguration("The lifecycle configuration does not exist", bucket=call.bucket.name)
    await send_xml(call.request, render_lifecycle_xml(found))


async def put(call: Call) -> None:
    await keep(call, "lifecycle", parse_lifecycle_xml(await need_document(call, ROOT)))


async def delete(call: Call) -> None:
    await drop(call, "lifecycle")
