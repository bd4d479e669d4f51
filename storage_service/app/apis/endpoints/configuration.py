"""A bucket's policy, CORS and lifecycle rules and tags in JSON, and who may do what under them."""

from dataclasses import replace
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.responses import Response

from storage_service.app.apis.documented import problems
from storage_service.app.apis.door import BucketName, Call, Caller, DoorRoute, Json
from storage_service.app.apis.resolve import allow
from storage_service.app.core import grants as acl
from storage_service.app.core.errors import AccessDenied, Unauthenticated
from storage_service.app.core.gate import Passage, pass_gate
from storage_service.app.core.objects import Bucket
from storage_service.app.core.policy.document import Question, parse_policy
from storage_service.app.core.policy.exposure import is_public
from storage_service.app.core.policy.names import permission_of
from storage_service.app.core.protection import Asked, protection_of, resource_of
from storage_service.app.core.security import ANONYMOUS, Principal
from storage_service.app.edge.facts import facts_of
from storage_service.app.schemas.configuration import (
    AccessAnswer,
    AccessQuestion,
    ConfigurationIn,
    ConfigurationOut,
    configuration_record,
)

router = APIRouter(route_class=DoorRoute, strict_content_type=False, tags=["buckets"])


@router.get(
    "/api/v1/buckets/{bucket}/configuration",
    operation_id="buckets.get_configuration",
    summary="Policy, CORS, lifecycle and tags of a bucket",
    response_model=ConfigurationOut,
    responses=problems(401, 403, 404),
)
@allow("read_config")
async def get(call: Call, bucket: BucketName) -> Response:
    return Json(_record(await call.bucket(bucket)))


@router.patch(
    "/api/v1/buckets/{bucket}/configuration",
    operation_id="buckets.set_configuration",
    summary="Change policy, CORS, lifecycle or tags of a bucket",
    response_model=ConfigurationOut,
    responses=problems(400, 401, 403, 404, 422, 503),
)
@allow("write_config")
async def change(call: Call, bucket: BucketName, body: ConfigurationIn) -> Response:
    """What is left out stays; null takes it away. S3's calls see the same."""
    found = await call.bucket(bucket)
    config = body.config()
    if config.get("policy"):
        policy = parse_policy(config["policy"], found.name)
        if found.derived(protection_of).block_public_policy and is_public(policy):
            raise AccessDenied("Public policies are prevented by the bucket's public access block", bucket=found.name)
    if config:
        found = await call.store.update_bucket(found, {"config": config}, call.actor)
    return Json(_record(found))


def _record(bucket: Bucket) -> dict[str, Any]:
    found = bucket.derived(protection_of)
    by_policy = found.policy is not None and is_public(found.policy)
    public = found.public or by_policy or acl.are_public(found.grants)
    return configuration_record(dict(bucket.options.config), is_public=public)


@router.post(
    "/api/v1/buckets/{bucket}/access",
    operation_id="buckets.ask_access",
    summary="Whether a user may do something, and why",
    response_model=AccessAnswer,
    responses=problems(400, 401, 403, 404, 422),
)
@allow("read_config")
async def ask(call: Call, bucket: BucketName, body: AccessQuestion) -> Response:
    """As it would be decided now, or under a policy that is not stored yet. Nothing is done."""
    found = await call.bucket(bucket)
    if body.policy is not None:
        text = orjson.dumps(body.policy).decode()
        parse_policy(text, found.name)
        found = replace(found, options=replace(found.options, config={**found.options.config, "policy": text}))
    who = ANONYMOUS if body.user is None else Principal("user", body.user, frozenset({body.user}))
    passage = Passage(who, body.action, found, body.key, None, call.context.rules, Asked(facts=facts_of(call.request)))
    try:
        await pass_gate(call.store, passage)
    except (AccessDenied, Unauthenticated) as refusal:
        reason = "A statement of the policy denies it" if _verdict(call, passage) == "deny" else refusal.detail
        return Json({"allowed": False, "reason": reason})
    return Json({"allowed": True, "reason": _grounds(call, passage)})


def _verdict(call: Caller, passage: Passage) -> str | None:
    permission = permission_of(passage.action).lower()
    resource = resource_of(passage.bucket, passage.key, permission)
    question = Question(passage.principal.ids, permission, resource, facts_of(call.request))
    return passage.bucket.derived(protection_of).verdict(question)


def _grounds(call: Caller, passage: Passage) -> str:
    bucket, who = passage.bucket, passage.principal
    if _verdict(call, passage) == "allow":
        return "A statement of the policy allows it"
    if bucket.owner in who.ids:
        return "The bucket is theirs"
    if bucket.derived(protection_of).public:
        return "The bucket is public"
    return "An access control list, the file's uploader or the service's settings allow it"
