"""What a bucket's own configuration says about access: policy, ACL, ownership, public access block. Pure.

`core.security.authorize` asks it; everything that is parsed is kept with the bucket's generation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from storage_service.app.core import grants as acl
from storage_service.app.core.grants import Grant
from storage_service.app.core.objects import Bucket, Version
from storage_service.app.core.policy.conditions import Facts
from storage_service.app.core.policy.document import EXISTING_TAG, Policy, Question, Verdict, compiled
from storage_service.app.core.policy.exposure import is_public
from storage_service.app.core.policy.names import OF_OBJECT, VERSIONED

BLOCKS = ("block_public_acls", "ignore_public_acls", "block_public_policy", "restrict_public_buckets")
ENFORCED = "BucketOwnerEnforced"


def no_facts(_: str) -> Sequence[str] | None:
    return None


class Asked(NamedTuple):
    """What a request says besides who asks for which place. `permission` is S3's name, where it is finer than ours.

    `version` is the object in question as its row says; `looked`: it has been looked for (and is not there, if None).
    """

    permission: str = ""
    facts: Facts = no_facts
    version: Version | None = None
    looked: bool = False


PLAIN = Asked()


@dataclass(frozen=True, slots=True)
class Protection:
    """A bucket's configuration of access, parsed. `public`: the option of that name, unless it is blocked."""

    policy: Policy | None
    grants: tuple[Grant, ...]
    public: bool
    acls_off: bool
    block_public_acls: bool
    ignore_public_acls: bool
    block_public_policy: bool
    restrict_public: bool  # and the policy is public: it lets in nobody but the owner

    def verdict(self, question: Question) -> Verdict:
        said = None if self.policy is None else self.policy.verdict(question)
        return None if said == "allow" and self.restrict_public else said

    def asks_for_tags(self, permission: str) -> bool:
        return self.policy is not None and permission in OF_OBJECT and self.policy.asks_for_tags(permission)

    def object_grants(self, version: Version) -> tuple[Grant, ...]:
        """What the object's own ACL grants, as far as the bucket lets it."""
        if self.acls_off or '"acl":' not in version.doc:
            return ()
        found = acl.parse_grants(orjson.loads(version.doc).get("acl") or ())
        return acl.without_public(found) if self.ignore_public_acls else found


def protection_of(bucket: Bucket) -> Protection:
    """Asked by `bucket.derived`: once for each generation of the bucket."""
    config = bucket.options.config
    block = config.get("public_access_block") or {}
    flags = {name: bool(block.get(name)) for name in BLOCKS}
    policy = compiled(config["policy"]) if config.get("policy") else None
    acls_off = config.get("ownership") == ENFORCED
    granted = () if acls_off else acl.parse_grants(config.get("acl") or ())
    if flags["ignore_public_acls"]:
        granted = acl.without_public(granted)
    return Protection(
        policy=policy,
        grants=granted,
        public=bucket.options.public and not (flags["ignore_public_acls"] or flags["restrict_public_buckets"]),
        acls_off=acls_off,
        block_public_acls=flags["block_public_acls"],
        ignore_public_acls=flags["ignore_public_acls"],
        block_public_policy=flags["block_public_policy"],
        restrict_public=flags["restrict_public_buckets"] and policy is not None and is_public(policy),
    )


def resource_of(bucket: Bucket, key: str | None, permission: str) -> str:
    """What a policy calls the place. Lists name the bucket: a prefix is a condition."""
    return bucket.name if key is None or permission.startswith("s3:listbucket") else f"{bucket.name}/{key}"


def versioned(permission: str, version_id: str | None) -> str:
    """The permission for a request that names a version, or none."""
    return permission if version_id is None else VERSIONED.get(permission, permission)


def facts_of(asked: Asked, subject: str) -> Facts:
    """What is known of the request, the principal and the object's tags."""

    def fact(name: str) -> Sequence[str] | None:
        if name.startswith(EXISTING_TAG):
            return _tag_of(asked.version, name.removeprefix(EXISTING_TAG))
        if name in {"aws:userid", "aws:username"}:
            return (subject,) if subject else None
        if name == "aws:principaltype":
            return ("User" if subject else "Anonymous",)
        return asked.facts(name)

    return fact


def _tag_of(version: Version | None, wanted: str) -> Sequence[str] | None:
    """Values of the tag, whose name a policy gives without regard to case."""
    tags = {} if version is None else orjson.loads(version.doc).get("tags", {})
    return [str(value) for name, value in tags.items() if name.lower() == wanted] or None
