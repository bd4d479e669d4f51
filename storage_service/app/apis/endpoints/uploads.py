"""Bytes from writers: forms, raw PUT, signed links. Plain ASGI; nothing is spooled on the way."""

import re
import time
from dataclasses import dataclass, replace
from functools import partial

from storage_service.app.apis.attributes import from_headers, with_fields
from storage_service.app.apis.context import Context
from storage_service.app.apis.endpoints.form_file import FormFile, least_size, no_file, open_file
from storage_service.app.apis.hot import Target
from storage_service.app.core.errors import (
    AccessDenied,
    InvalidArgument,
    KeyAlreadyExists,
    NoSuchBucket,
    NoSuchKey,
    UnsupportedType,
    ValidationFailed,
)
from storage_service.app.core.links import LinkGrant
from storage_service.app.core.objects import Attributes, Bucket, Version, check_key, is_uuid
from storage_service.app.core.security import Principal, authorize
from storage_service.app.core.writing import PutOptions
from storage_service.app.edge.body import body_of
from storage_service.app.edge.conditions import write_conditions
from storage_service.app.edge.forms import Field, is_form
from storage_service.app.edge.mime import OCTET_STREAM, UNDECLARED, by_content, detect, essence
from storage_service.app.edge.request import Request
from storage_service.app.edge.respond import send_json
from storage_service.app.edge.wanted import parse_wanted
from storage_service.app.schemas.files import upload_record

UUID_CHARS = 36
# What curl says of any body with --data-binary; nobody means it of an object.
FORM_DEFAULT = "application/x-www-form-urlencoded"
TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
SEPARATORS = re.compile(r"[/\\]")
# Worth a look before the body is read: below, it arrives with the head anyway.
LOOK_FIRST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Plan:
    """Where an upload goes and on which terms. `file_id` = the key must still hold this file."""

    bucket: Bucket
    key: str
    principal: Principal
    must_be_new: bool = False
    file_id: str | None = None
    grant: LinkGrant | None = None

    @property
    def max_bytes(self) -> int | None:
        return None if self.grant is None else self.grant.max_bytes


class Uploads:
    """The handlers of all routes that store a body."""

    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._access = context.access
        self._links = context.links
        self._rules = context.rules
        self._names = context.names
        self._direct_enabled = context.options.upload_direct

    async def form(self, request: Request, target: Target) -> None:
        """POST /files/upload: a new file by default; key from query, field or file name."""
        principal = await self._access.resolve(request.scope["headers"])
        bucket = await self._bucket(principal, target.bucket)
        key = request.query.get("key") or None
        authorize(principal, "write_object", bucket, key, self._rules)
        if not is_form(request):
            raise no_file()
        file = await open_file(request)
        plan = self._plan(request, principal, bucket, file, key)
        try:
            await self._answer(request, plan, await self._put_form(request, plan, file))
        finally:
            file.close()

    async def direct(self, request: Request, target: Target) -> None:
        """PUT /files/upload-direct with a credential of one's own; overwrites."""
        if not self._direct_enabled:
            raise AccessDenied("Uploads without a signed link are turned off")
        principal = await self._access.resolve(request.scope["headers"])
        bucket = await self._bucket(principal, target.bucket)
        authorize(principal, "write_object", bucket, target.key, self._rules)
        key, file_id = await self._named(bucket, target.key)
        if file_id is not None:
            authorize(principal, "write_object", bucket, key, self._rules)
        await self._receive(request, Plan(bucket, key, principal, file_id=file_id))

    async def signed(self, request: Request, target: Target) -> None:
        """PUT or POST /files/upload-signed: the link is the credential, headers have no say (contract §5)."""
        grant = self._links.verify(target.token, time.time())
        bucket = await self._store.bucket(target.bucket)
        authorize(grant.principal, "write_object", bucket, target.key, self._rules)
        if request.method == "POST" and not is_form(request):
            raise no_file()
        plan = Plan(bucket, target.key, grant.principal, not grant.overwrite, grant=grant)
        await self._receive(request, plan)

    async def _receive(self, request: Request, plan: Plan) -> None:
        """A body of either form to the plan's key."""
        if not is_form(request):
            await self._answer(request, plan, await self._put_raw(request, plan))
            return
        file = await open_file(request, plan.max_bytes)
        try:
            await self._answer(request, plan, await self._put_form(request, plan, file))
        finally:
            file.close()

    async def _bucket(self, principal: Principal, name: str) -> Bucket:
        """Raises: NoSuchBucket; Unauthenticated first to those who may write nowhere."""
        try:
            return await self._store.bucket(name)
        except NoSuchBucket:
            if principal.kind == "anonymous":
                authorize(principal, "write_object", None, None, self._rules)
            raise

    async def _named(self, bucket: Bucket, key: str) -> tuple[str, str | None]:
        """The key, and the file id if it was named by that: an exact name wins."""
        if len(key) != UUID_CHARS or not is_uuid(key):
            return key, None
        try:
            await self._store.head_object(bucket, key)
        except NoSuchKey:
            version = await self._store.find_file(bucket, key.lower())
            return (key, None) if version is None else (version.key, version.file_id)
        return key, None

    def _plan(
        self, request: Request, principal: Principal, bucket: Bucket, file: FormFile, key: str | None
    ) -> Plan:
        """Raises: InvalidArgument for an unusable file name, ValidationFailed."""
        fields, query = file.fields, request.query
        asked = query.get("overwrite") or fields.get("overwrite")
        # If-Match speaks of a version that is there: it asks for an overwrite.
        overwrite = parse_truth(asked) if asked else b"if-match" in request.headers
        key = key or fields.get("key") or key_of_filename(file.start.filename)
        plan = Plan(bucket, check_key(key), principal, must_be_new=not overwrite)
        authorize(principal, "write_object", bucket, plan.key, self._rules)
        file.refuse_late(partial(_check_late, plan, frozenset(query)))
        return plan

    async def _put_raw(self, request: Request, plan: Plan) -> Version:
        declared = request.header(b"content-type") or ""
        if essence(declared) == FORM_DEFAULT:
            declared = ""
        await self._look_first(request, plan)
        body = body_of(request, plan.max_bytes)
        try:
            options = replace(
                self._options(request, plan, declared), size=request.content_length
            )
            return await self._put(plan, body, options)
        finally:
            body.close()

    async def _put_form(self, request: Request, plan: Plan, file: FormFile) -> Version:
        await self._look_first(request, plan)
        options = self._options(request, plan, file.start.content_type or "", form=True)
        self._store.admit(
            plan.bucket, plan.key, least_size(request), options.attributes.content_type
        )
        finish = partial(with_fields, fields=file.fields)
        return await self._put(plan, file, replace(options, finish=finish))
