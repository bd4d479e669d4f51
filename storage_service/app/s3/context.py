"""What the handlers of this door work with: the door's own parts, and one call under way."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from storage_service.app.core.errors import AccessDenied, NoSuchBucket, Unauthenticated
from storage_service.app.core.gate import Passage, pass_gate
from storage_service.app.core.objects import Bucket, Version
from storage_service.app.core.security import Action, Principal, Rules, authorize
from storage_service.app.core.storage import ObjectStore
from storage_service.app.core.uploads import Uploads
from storage_service.app.edge.cors import Cors
from storage_service.app.edge.observe import Metrics
from storage_service.app.edge.request import Request
from storage_service.app.s3.auth.authenticate import Authenticator
from storage_service.app.s3.auth.caller import Caller
from storage_service.app.s3.operation import Operation, asks
from storage_service.app.s3.permissions import asked_of
from storage_service.app.s3.target import Target


@dataclass(frozen=True, slots=True)
class Context:
    """Handed over once by main. `domains`: hosts under which a first label names a bucket."""

    store: ObjectStore
    uploads: Uploads
    authenticator: Authenticator
    rules: Rules
    metrics: Metrics
    cors: Cors
    region: str = "us-east-1"
    domains: tuple[str, ...] = ()
    public_url: str = ""


def check_owner(request: Request, bucket: Bucket, header: bytes) -> None:
    """Raises: AccessDenied where the client takes the bucket for somebody else's."""
    expected = request.headers.get(header)
    if expected is not None and expected.decode("latin-1") != bucket.owner:
        raise AccessDenied("The bucket does not belong to the expected owner", bucket=bucket.name)


class Call:
    """One authenticated request for one operation. Its bucket is open, and the operation's action is allowed."""

    __slots__ = ("_bucket", "caller", "context", "decided", "operation", "request", "target")

    def __init__(
        self, context: Context, request: Request, target: Target, operation: Operation, caller: Caller
    ) -> None:
        self.context = context
        self.request = request
        self.target = target
        self.operation = operation
        self.caller = caller
        self.decided: Version | None = None  # by which access was granted, if by the object itself
        self._bucket: Bucket | None = None

    @property
    def store(self) -> ObjectStore:
        return self.context.store

    @property
    def principal(self) -> Principal:
        return self.caller.principal

    @property
    def actor(self) -> str:
        """Who is written down as the maker of a change."""
        return self.caller.principal.subject or self.caller.principal.kind

    @property
    def key(self) -> str:
        return self.target.key

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.query

    @property
    def bucket(self) -> Bucket:
        """The bucket the address names. Raises: NoSuchBucket where it names none."""
        if self._bucket is None:
            raise NoSuchBucket(bucket=self.target.bucket)
        return self._bucket

    async def find_bucket(self, name: str) -> Bucket:
        """The open bucket of this very name. Raises: NoSuchBucket."""
        bucket = await self.context.store.bucket(name)
        if bucket.name != name:  # S3 knows buckets by name alone
            raise NoSuchBucket("The specified bucket does not exist", bucket=name)
        return bucket

    async def admit(self) -> None:
        """Open the bucket and check the operation's action. Raises: NoSuchBucket, Unauthenticated, AccessDenied."""
        operation = self.operation
        if operation.name == "CreateBucket" or operation.level == "service":
            if operation.action is not None:
                self.authorize(operation.action, None, None)
            return
        self._bucket = await self.find_bucket(self.target.bucket)
        check_owner(self.request, self._bucket, b"x-amz-expected-bucket-owner")
        if operation.action is None:
            return
        if self.target.key:
            self.decided = await self.authorize_object(operation.action, self._bucket, self.target.key, self.version_id)
        else:
            prefix = self.request.query.get("prefix") if operation.action == "list_objects" else None
            self.authorize(operation.action, self._bucket, prefix)

    @property
    def version_id(self) -> str | None:
        """The version the query names."""
        return self.request.query.get("versionId") if asks(self.request) else None

    def authorize(self, action: Action, bucket: Bucket | None, key: str | None, operation: str = "") -> None:
        """Ask for an action whose answer cannot depend on the object itself. `operation`: if not this call's own.

        Raises: Unauthenticated, AccessDenied.
        """
        asked = asked_of(self.request, operation or self.operation.name, self.version_id)
        authorize(self.caller.principal, action, bucket, key, self.context.rules, asked)

    async def authorize_object(
        self, action: Action, bucket: Bucket, key: str, version_id: str | None = None, operation: str = ""
    ) -> Version | None:
        """The same where the object's tags and its own ACL have a say, too: the version that had it, if one had.

        Raises: Unauthenticated, AccessDenied.
        """
        if self.is_plainly_allowed(action, bucket, key):
            return None
        rules = self.context.rules
        asked = asked_of(self.request, operation or self.operation.name, version_id)
        return await pass_gate(self.store, Passage(self.principal, action, bucket, key, version_id, rules, asked))

    def is_plainly_allowed(self, action: Action, bucket: Bucket, key: str) -> bool:
        """Whether nothing of the object need be known: the common case, cheap. A no may be lifted by its own ACL."""
        if bucket.options.config:
            return False
        with suppress(AccessDenied, Unauthenticated):
            authorize(self.principal, action, bucket, key, self.context.rules)
            return True
        return False
