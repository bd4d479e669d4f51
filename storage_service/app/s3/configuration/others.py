"""What this service does not have: answered as AWS does for a bucket that has none of it, refused with the reason."""

from storage_service.app.core.errors import (
    MalformedXML,
    NotImplemented,
    ReplicationConfigurationNotFoundError,
    ServerSideEncryptionConfigurationNotFoundError,
)
from storage_service.app.edge.respond import send_empty
from storage_service.app.s3.answers import document, element, send_xml
from storage_service.app.s3.bodies import document_of, need_document
from storage_service.app.s3.context import Call
from storage_service.app.s3.operation import Handler
from storage_service.app.s3.reading import text_of
from storage_service.app.s3.unsupported import refuse


def show(root: str, inner: str = "") -> Handler:
    """A handler that answers with this document."""

    async def handler(call: Call) -> None:
        await send_xml(call.request, document(root, inner))

    return handler


def accept_empty(root: str, reason: str) -> Handler:
    """A handler that takes a document without content, which says "none", and refuses any other with the reason."""

    async def handler(call: Call) -> None:
        found = await document_of(call, root)
        if found is not None and len(found):
            raise NotImplemented(reason, bucket=call.bucket.name)
        await send_empty(call.request.send, 200)

    return handler


async def forget_nothing(call: Call) -> None:
    """To delete what cannot be there is done at once."""
    await send_empty(call.request.send, 204)


get_logging = show("BucketLoggingStatus")
put_logging = accept_empty(
    "BucketLoggingStatus", "Bucket logging is not implemented: see the change feed and the service's own metrics"
)
get_notification = show("NotificationConfiguration")
put_notification = accept_empty(
    "NotificationConfiguration", "Bucket notifications are not implemented yet: read the change feed instead"
)
get_accelerate = show("AccelerateConfiguration")
put_accelerate = refuse("Transfer acceleration is not implemented: this service runs in one place")
get_payment = show("RequestPaymentConfiguration", element("Payer", "BucketOwner"))
put_replication = refuse("Replication is not implemented: copy with rclone or mc mirror")


async def put_payment(call: Call) -> None:
    """Raises: MalformedXML, NotImplemented."""
    payer = text_of(await need_document(call, "RequestPaymentConfiguration"), "Payer")
    if payer == "Requester":
        raise NotImplemented("Requester pays is not implemented: nobody pays this service by the request")
    if payer != "BucketOwner":
        raise MalformedXML("Payer is BucketOwner or Requester")
    await send_empty(call.request.send, 200)


async def get_replication(call: Call) -> None:
    raise ReplicationConfigurationNotFoundError("The replication configuration was not found", bucket=call.bucket.name)


async def get_encryption(call: Call) -> None:
    raise ServerSideEncryptionConfigurationNotFoundError(
        "The server side encryption configuration was not found", bucket=call.bucket.name
    )


put_encryption = refuse("Encryption of buckets is not implemented yet: encrypt the disk, or on the client")
