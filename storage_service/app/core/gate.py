"""The gate before an object: `authorize`, and again with the object's row where its tags or its ACL have a say."""

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from storage_service.app.core.errors import AccessDenied, NoSuchBucket, NoSuchKey, NoSuchVersion, Unauthenticated
from storage_service.app.core.objects import Bucket, Version
from storage_service.app.core.origins import origin_of
from storage_service.app.core.protection import PLAIN, Asked
from storage_service.app.core.security import OWNER_READS, Action, Principal, Rules, authorize
from storage_service.app.core.storage import ObjectStore

READING: frozenset[Action] = frozenset({"read_object", "read_object_meta", "read_acl"})


class Passage(NamedTuple):
    """Who wants to do what to which object. `version_id` None = the current version."""

    principal: Principal
    action: Action
    bucket: Bucket
    key: str
    version_id: str | None = None
    rules: Rules = OWNER_READS
    asked: Asked = PLAIN


async def pass_gate(store: ObjectStore, passage: Passage) -> Version | None:
    """Return if the principal may. The row is read only where the first answer was no.

    If the row decided, it is returned: what is read then must be `same_as` it, or it was decided about another.
    Raises: Unauthenticated, AccessDenied. Whoever may not list the bucket does not learn whether the object is there.
    """
    try:
        _ask(passage, passage.asked)
        return None
    except (AccessDenied, Unauthenticated):
        version = await find_row(store, passage.bucket, passage.key, passage.version_id)
        if version is None and origin_of(passage.bucket) is not None:
            _ask(passage, passage.asked._replace(looked=True))  # who may not as things are makes nothing arrive
            await store.arrive(passage.bucket, passage.key)
            version = await find_row(store, passage.bucket, passage.key, passage.version_id)
        if version is None and passage.action in READING and _may_list(passage):
            return None  # and be told that it is not there
        _ask(passage, passage.asked._replace(version=version, looked=True))
        return version


def same_as(decided: Version | None, found: Version) -> None:
    """Raises: AccessDenied where access was granted to a version that has been replaced meanwhile."""
    if decided is not None and decided.version_id != found.version_id:
        raise AccessDenied("The object was replaced meanwhile", key=found.key)


async def find_bucket(store: ObjectStore, name: str) -> Bucket | None:
    """The open bucket of this name or id, if there is one."""
    with suppress(NoSuchBucket):
        return await store.bucket(name)
    return None


async def find_row(store: ObjectStore, bucket: Bucket, key: str, version_id: str | None) -> Version | None:
    try:
        return await store.kept_object(bucket, key, version_id)
    except (NoSuchKey, NoSuchVersion):
        return None


def _ask(passage: Passage, asked: Asked) -> None:
    authorize(passage.principal, passage.action, passage.bucket, passage.key, passage.rules, asked)


def _may_list(passage: Passage) -> bool:
    """Whether a list with this key as its prefix would be answered. Source: AWS "GetObject", permissions."""

    def fact(name: str) -> Sequence[str] | None:
        return (passage.key,) if name == "s3:prefix" else passage.asked.facts(name)

    try:
        asked = Asked("s3:ListBucket", fact)
        authorize(passage.principal, "list_objects", passage.bucket, passage.key, passage.rules, asked)
    except (AccessDenied, Unauthenticated):
        return False
    return True
