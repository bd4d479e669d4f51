"""Which events somebody may be told of: those of what they may list now. Pure."""

from collections.abc import Callable, Sequence

from storage_service.app.core.errors import AccessDenied, Unauthenticated
from storage_service.app.core.events import Event
from storage_service.app.core.objects import Bucket
from storage_service.app.core.policy.conditions import Facts
from storage_service.app.core.protection import Asked, no_facts
from storage_service.app.core.security import OWNER_READS, Principal, Rules, authorize, may_see

Find = Callable[[str], Bucket | None]  # an open bucket by its uuid, as it was last read


class Sight:
    """Answers for one principal, event by event."""

    def __init__(self, principal: Principal, find: Find, rules: Rules = OWNER_READS, facts: Facts = no_facts) -> None:
        self._principal = principal
        self._find = find
        self._rules = rules
        self._facts = facts
        self._known: dict[tuple[int, int], bool] = {}  # by bucket and its generation, where the key has no say

    def __call__(self, event: Event) -> bool:
        bucket = self._find(event.bucket_uuid)
        if bucket is None:
            return self._may_see_gone(event)
        if event.key is None:
            return may_see(self._principal, bucket)
        if bucket.options.config or self._principal.limits is not None:
            return self._may_list(bucket, event.key)
        place = (bucket.id, bucket.generation)
        if place not in self._known:
            self._known[place] = self._may_list(bucket, event.key)
        return self._known[place]

    def _may_see_gone(self, event: Event) -> bool:
        """Of a deleted bucket nobody knows the rules any more: its owner, without a narrowed key, and admins."""
        principal = self._principal
        if principal.scope is not None or principal.limits is not None:
            return False
        return principal.admin or event.bucket_owner in principal.ids

    def _may_list(self, bucket: Bucket, key: str) -> bool:
        def fact(name: str) -> Sequence[str] | None:
            return (key,) if name == "s3:prefix" else self._facts(name)

        try:
            asked = Asked("s3:ListBucket", fact)
            authorize(self._principal, "list_objects", bucket, key, self._rules, asked)
        except (AccessDenied, Unauthenticated):
            return False
        return True
