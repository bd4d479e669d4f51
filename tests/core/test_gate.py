"""The gate before an object: when its own row has a say, and what is learned of what is not there."""

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from storage_service.app.core.errors import AccessDenied
from storage_service.app.core.gate import Passage, find_bucket, pass_gate, same_as
from storage_service.app.core.objects import Attributes, Bucket, Version
from storage_service.app.core.security import ANONYMOUS, Action, Principal
from storage_service.app.core.writing import PutOptions
from tests.support.stack import Stack

OWNER = Principal("user", "owner", frozenset({"owner"}))
WORLD_READS = {"permission": "READ", "group": "AllUsers"}


async def put(stack: Stack, bucket: Bucket, key: str = "a", **said: Any) -> Version:
    async def body() -> AsyncIterator[bytes]:
        yield b"bytes"

    options = PutOptions(Attributes(**said), actor="owner", size=5)
    version = (await stack.store.put_object(bucket, key, body(), options)).version
    assert version is not None
    return version


def policy(effect: str, action: str, resource: str, **condition: Any) -> dict[str, str]:
    statement = {"Effect": effect, "Principal": "*", "Action": action, "Resource": f"arn:aws:s3:::{resource}"}
    statement |= {"Condition": condition} if condition else {}  # type: ignore[dict-item]
    return {"policy": orjson.dumps({"Version": "2012-10-17", "Statement": statement}).decode()}


async def passes(stack: Stack, bucket: Bucket, principal: Principal, key: str = "a") -> Version | str | None:
    action: Action = "read_object"
    try:
        return await pass_gate(stack.store, Passage(principal, action, bucket, key))
    except AccessDenied:
        return "refused"


async def test_the_row_is_named_where_it_decided(stack: Stack) -> None:
    bucket = await stack.bucket()
    version = await put(stack, bucket, acl=(WORLD_READS,))
    assert await passes(stack, bucket, OWNER) is None
    assert await passes(stack, bucket, ANONYMOUS) == version
    assert await passes(stack, bucket, ANONYMOUS, "none") == "refused"


async def test_access_to_one_version_is_none_to_its_successor(stack: Stack) -> None:
    bucket = await stack.bucket()
    decided = await put(stack, bucket, acl=(WORLD_READS,))
    same_as(decided, decided)
    same_as(None, decided)
    with pytest.raises(AccessDenied):
        same_as(decided, await put(stack, bucket))


async def test_a_denial_by_tags_holds_for_the_owner(stack: Stack) -> None:
    tagged: dict[str, Any] = {"StringEquals": {"s3:ExistingObjectTag/level": "secret"}}
    bucket = await stack.bucket(config=policy("Deny", "s3:GetObject", "photos/*", **tagged))
    await put(stack, bucket, "secret", tags={"level": "secret"})
    open_one = await put(stack, bucket, "open", tags={"level": "open"})
    assert await passes(stack, bucket, OWNER, "secret") == "refused"
    assert await passes(stack, bucket, OWNER, "open") == open_one
    assert await passes(stack, bucket, OWNER, "none") is None  # and be told that it is not there


async def test_who_may_list_a_prefix_learns_what_is_missing_there(stack: Stack) -> None:
    below: dict[str, Any] = {"StringLike": {"s3:prefix": "open/*"}}
    bucket = await stack.bucket(config=policy("Allow", "s3:ListBucket", "photos", **below))
    await put(stack, bucket, "open/a")
    assert await passes(stack, bucket, ANONYMOUS, "open/none") is None
    assert await passes(stack, bucket, ANONYMOUS, "open/a") == "refused"
    assert await passes(stack, bucket, ANONYMOUS, "none") == "refused"


async def test_a_bucket_is_found_or_is_none(stack: Stack) -> None:
    bucket = await stack.bucket()
    assert await find_bucket(stack.store, "photos") == bucket
    assert await find_bucket(stack.store, "films") is None
    assert stack.store.peek("photos") == stack.store.peek(bucket.uuid) == bucket
