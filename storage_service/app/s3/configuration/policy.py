"""The bucket policy: stored as it was sent, once it was understood."""

from storage_service.app.core import grants as acl
from storage_service.app.core.errors import AccessDenied, MalformedPolicy, NoSuchBucketPolicy
from storage_service.app.core.policy.document import MAX_POLICY_BYTES, parse_policy
from storage_service.app.core.policy.exposure import is_public
from storage_service.app.core.protection import protection_of
from storage_service.app.edge.respond import send_bytes
from storage_service.app.s3.answers import document, element, send_xml
from storage_service.app.s3.bodies import read_document
from storage_service.app.s3.configuration.keeping import config_of, drop, keep
from storage_service.app.s3.context import Call

JSON = (b"content-type", b"application/json")


async def get(call: Call) -> None:
    """Raises: NoSuchBucketPolicy."""
    text = config_of(call, "policy")
    if text is None:
        raise NoSuchBucketPolicy("The bucket policy does not exist", bucket=call.bucket.name)
    await send_bytes(call.request.send, 200, text.encode(), (JSON,))


async def put(call: Call) -> None:
    """Raises: MalformedPolicy, AccessDenied for a public one where that is blocked."""
    data = await read_document(call, MAX_POLICY_BYTES)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise MalformedPolicy("Policies must be valid JSON in UTF-8") from None
    policy = parse_policy(text, call.bucket.name)
    if call.bucket.derived(protection_of).block_public_policy and is_public(policy):
        raise AccessDenied(
            "Access Denied: public policies are prevented by the BlockPublicPolicy setting", bucket=call.bucket.name
        )
    await keep(call, "policy", text, 204)


async def delete(call: Call) -> None:
    await drop(call, "policy")


async def get_status(call: Call) -> None:
    """Whether policy, ACL or the bucket's own option let the world in, as far as nothing blocks them."""
    found = call.bucket.derived(protection_of)
    by_policy = found.policy is not None and is_public(found.policy)
    public = by_policy or found.public or acl.are_public(found.grants)
    await send_xml(call.request, document("PolicyStatus", element("IsPublic", public)))
