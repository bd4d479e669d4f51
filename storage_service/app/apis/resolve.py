"""From what a request names to what the store knows, and may it: one way for hot and cold routes alike.

A bucket is named by name or id, a file by key or id; an exact name wins. Whoever may not touch a bucket learns
nothing about what it holds; who lacks a login is told so before anything else.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from storage_service.app.apis.context import Context
from storage_service.app.core.errors import (
    AccessDenied,
    KeyAlreadyExists,
    NoSuchBucket,
    NoSuchKey,
    NoSuchVersion,
    Unauthenticated,
)
from storage_service.app.core.objects import Bucket, Version, WriteConditions, is_uuid
from storage_service.app.core.policy.conditions import Facts
from storage_service.app.core.protection import Asked, no_facts
from storage_service.app.core.security import Action, Principal, authorize
from storage_service.app.core.storage import ObjectStore

ACTION = "action"
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def allow(action: Action | None) -> Callable[[Endpoint], Endpoint]:
    """Declare what a route does, for `authorize`; None = open to everyone. A test finds routes that declare nothing."""

    def declare(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, ACTION, action)
        return endpoint

    return declare


def action_of(endpoint: Callable[..., Any]) -> Action | None:
    """What the route declared. Raises: AttributeError if it declared nothing."""
    action: Action | None = getattr(endpoint, ACTION)
    return action


@dataclass(frozen=True, slots=True)
class File:
    """A file that a request named. `by_id` = by its id: a write must then hit this very file, not its successor."""

    bucket: Bucket
    version: Version
    by_id: bool = False

    @property
    def key(self) -> str:
        return self.version.key

    @property
    def file_id(self) -> str | None:
        """For `write_conditions`."""
        return self.version.file_id if self.by_id else None


class Asking(NamedTuple):
    """Who asks for what, and what policies may want to know of the request."""

    context: Context
    principal: Principal
    action: Action
    facts: Facts = no_facts

    def authorize(self, bucket: Bucket, key: str | None, version: Version | None = None) -> None:
        """`version`: the object in question, once it was looked for. Raises: Unauthenticated, AccessDenied."""
        asked = Asked(facts=self.facts, version=version, looked=version is not None)
        authorize(self.principal, self.action, bucket, key, self.context.rules, asked)


async def open_bucket(asking: Asking, name: str, key: str | None = None) -> Bucket:
    """The bucket of this name or id, if the principal may. `key`: what it is to be done to, where that is known.

    Raises: Unauthenticated, AccessDenied, NoSuchBucket.
    """
    bucket = await named_bucket(asking, name)
    asking.authorize(bucket, key)
    return bucket


async def open_file(asking: Asking, bucket_name: str, key: str, version_id: str | None = None) -> File:
    """The file with this key or id, if the principal may; its uploader may where the rule says so, and whom its own
    ACL names.

    Raises: Unauthenticated, AccessDenied, NoSuchBucket, NoSuchKey, NoSuchVersion
    """
    bucket = await named_bucket(asking, bucket_name)
    refusal: AccessDenied | Unauthenticated | None = None
    try:
        asking.authorize(bucket, key)
    except (AccessDenied, Unauthenticated) as denied:
        refusal = denied  # the file itself may say otherwise
    try:
        file = await find_file(asking.context.store, bucket, key, version_id, fetch=refusal is None)
    except (NoSuchKey, NoSuchVersion):
        if refusal is not None:
            raise refusal from None
        raise
    if refusal is not None or file.by_id:  # a policy speaks of keys, never of ids
        asking.authorize(bucket, file.key, file.version)
    return file


async def find_file(
    store: ObjectStore, bucket: Bucket, key: str, version_id: str | None = None, *, fetch: bool = True
) -> File:
    """The file with this key, else with this id. A version may be a delete marker. Without `fetch` only what is here,
    not what an origin has. Raises: NoSuchKey, NoSuchVersion.
    """
    if version_id is not None:
        return await _find_version(store, bucket, key, version_id)
    try:
        return File(bucket, await (store.head_object if fetch else store.kept_object)(bucket, key))
    except NoSuchKey:
        named = await store.find_file(bucket, key.lower()) if is_uuid(key) else None
        if named is None:
            raise
        return File(bucket, named, by_id=True)


async def _find_version(store: ObjectStore, bucket: Bucket, key: str, version_id: str) -> File:
    with suppress(NoSuchVersion):
        return File(bucket, await store.head_object(bucket, key, version_id))
    for version in await store.list_versions(bucket, key):
        if version.version_id == version_id:
            return File(bucket, version)
    named = await store.find_file(bucket, key.lower()) if is_uuid(key) else None
    if named is None or named.key == key:
        raise no_such_version(bucket, key, version_id)
    found = await _find_version(store, bucket, named.key, version_id)
    return File(bucket, found.version, by_id=True)


async def named_bucket(asking: Asking, name: str) -> Bucket:
    """The bucket of this name or id. Raises: NoSuchBucket, and Unauthenticated where a login is missing."""
    try:
        return await asking.context.store.bucket(name)
    except NoSuchBucket:
        if is_uuid(name) and name != name.lower():  # Swift writes ids in capitals
            return await named_bucket(asking, name.lower())
        # A missing login is told before a missing bucket (contract §4.1).
        demand_login(asking.context, asking.principal, asking.action)
        raise


def demand_login(context: Context, principal: Principal, action: Action) -> None:
    """Raises: Unauthenticated, where whoever names no user is refused whatever the bucket."""
    if not principal.may_own and principal.scope is None:
        with suppress(AccessDenied):
            authorize(principal, action, None, None, context.rules)


def no_such_file(bucket: Bucket, key: str) -> NoSuchKey:
    return NoSuchKey(f"File '{key}' not found in bucket '{bucket.name}'", bucket=bucket.name, key=key)


def no_such_version(bucket: Bucket, key: str, version_id: str) -> NoSuchVersion:
    words = f"Version '{version_id}' of file '{key}' not found in bucket '{bucket.name}'"
    return NoSuchVersion(words, bucket=bucket.name, key=key)


def in_words(error: NoSuchKey | KeyAlreadyExists, bucket: Bucket, key: str) -> NoSuchKey | KeyAlreadyExists:
    """The error with the contract's sentence, where the commit knew only its kind (§4.2)."""
    if error.detail != type(error).__name__:
        return error
    if isinstance(error, NoSuchKey):
        return no_such_file(bucket, key)
    words = f"File '{key}' already exists in bucket '{bucket.name}'"
    return KeyAlreadyExists(words, bucket=bucket.name, key=key)


def conditions_with(file: File, conditions: WriteConditions) -> WriteConditions:
    """The same, and the file's id too if that is how it was named."""
    return conditions._replace(file_id=file.file_id) if file.by_id else conditions
