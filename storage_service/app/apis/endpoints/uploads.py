"""Bytes from writers: forms, raw PUT, signed links. Plain ASGI; nothing is spooled on the way."""

import time
from functools import partial

from storage_service.app.apis.context import Context
from storage_service.app.apis.endpoints.form_file import FormFile, least_size, no_file, open_file
from storage_service.app.apis.endpoints.upload_plan import (
    Plan,
    check_late,
    key_of_filename,
    parse_truth,
    put_options,
)
from storage_service.app.apis.hot import Target
from storage_service.app.apis.resolve import Asking, find_file, in_words, named_bucket
from storage_service.app.core.errors import AccessDenied, KeyAlreadyExists, NoSuchKey
from storage_service.app.core.objects import Bucket, Version, check_key, is_uuid
from storage_service.app.core.security import Principal
from storage_service.app.core.writing import PutOptions
from storage_service.app.edge.body import Body, body_of
from storage_service.app.edge.conditions import look_first
from storage_service.app.edge.facts import facts_of
from storage_service.app.edge.forms import is_form
from storage_service.app.edge.request import Request
from storage_service.app.edge.respond import JSON, send_bytes
from storage_service.app.schemas.files import file_record, render_upload

UUID_CHARS = 36


class Uploads:
    """The handlers of all routes that store a body."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store
        self._access = context.access
        self._links = context.links
        self._names = context.names
        self._direct_enabled = context.options.upload_direct

    async def form(self, request: Request, target: Target) -> None:
        """POST /files/upload: a new file by default; its key from query, field or file name."""
        principal = await self._access.resolve(request.scope["headers"])
        asking = self._asking(request, principal)
        bucket = await named_bucket(asking, target.bucket)
        if not bucket.options.config.get("policy"):  # a policy speaks of keys: it is asked once the key is known
            asking.authorize(bucket, None)
        if not is_form(request):
            raise no_file()
        file = await open_file(request)
        try:
            plan = self._plan(request, asking, bucket, file)
            await self._put_form(request, plan, file)
        finally:
            file.close()

    async def direct(self, request: Request, target: Target) -> None:
        """PUT /files/upload-direct with a credential of one's own; overwrites."""
        if not self._direct_enabled:
            raise AccessDenied("Uploads without a signed link are turned off")
        principal = await self._access.resolve(request.scope["headers"])
        asking = self._asking(request, principal)
        bucket = await named_bucket(asking, target.bucket)
        asking.authorize(bucket, target.key)
        key, file_id = target.key, None
        if len(key) == UUID_CHARS and is_uuid(key):
            key, file_id = await self._named(bucket, key)
            asking.authorize(bucket, key)
        await self._receive(request, Plan(bucket, key, principal, file_id=file_id))

    async def signed(self, request: Request, target: Target) -> None:
        """PUT or POST /files/upload-signed: the link is the credential, headers have no say.

        Links for PUT and POST are alike: raw PUT, PUT or POST of a form (contract §5).
        """
        grant = self._links.verify(target.token, time.time())
        bucket = await self._store.bucket(target.bucket)
        self._asking(request, grant.principal).authorize(bucket, target.key)
        if request.method == "POST" and not is_form(request):
            raise no_file()
        plan = Plan(bucket, target.key, grant.principal, not grant.overwrite, grant=grant)
        await self._receive(request, plan)

    async def _named(self, bucket: Bucket, key: str) -> tuple[str, str | None]:
        """The key, and the file id if it was named by that: an exact name wins."""
        try:
            file = await find_file(self._store, bucket, key)
        except NoSuchKey:
            return key, None
        return file.key, file.file_id

    def _asking(self, request: Request, principal: Principal) -> Asking:
        return Asking(self._context, principal, "write_object", facts_of(request))

    def _plan(self, request: Request, asking: Asking, bucket: Bucket, file: FormFile) -> Plan:
        """Raises: InvalidArgument for an unusable file name, InvalidKey, ValidationFailed."""
        query = request.query
        asked = query.get("overwrite") or file.fields.get("overwrite")
        # If-Match speaks of a version that is there: it asks for an overwrite.
        overwrite = parse_truth(asked) if asked else b"if-match" in request.headers
        key = query.get("key") or file.fields.get("key") or key_of_filename(file.start.filename)
        plan = Plan(bucket, check_key(key), asking.principal, must_be_new=not overwrite)
        asking.authorize(bucket, key)
        file.refuse_late(partial(check_late, plan, frozenset(query)))
        return plan

    async def _receive(self, request: Request, plan: Plan) -> None:
        """A body of either form, to the plan's key."""
        if not is_form(request):
            await self._put_raw(request, plan)
            return
        file = await open_file(request, plan.max_bytes)
        try:
            await self._put_form(request, plan, file)
        finally:
            file.close()

    async def _put_raw(self, request: Request, plan: Plan) -> None:
        declared = request.header(b"content-type") or ""
        options = put_options(request, plan, declared, size=request.content_length)
        body = body_of(request, plan.max_bytes)
        try:
            await self._put(request, plan, body, options)
        finally:
            body.close()

    async def _put_form(self, request: Request, plan: Plan, file: FormFile) -> None:
        declared = file.start.content_type or ""
        options = put_options(request, plan, declared, fields=file.fields)
        # The form's own length says nothing exact of the file, but what does not fit is refused now.
        if options.describe is None or not plan.bucket.options.allowed_types:
            kind = options.attributes.content_type
            self._store.admit(plan.bucket, plan.key, least_size(request), kind)
        await self._put(request, plan, file, options)

    async def _put(self, request: Request, plan: Plan, body: Body | FormFile, options: PutOptions) -> None:
        """Store it and answer 201. Raises: KeyAlreadyExists and whatever else refuses it."""
        try:
            await look_first(self._store, request, plan.bucket, plan.key, options.conditions)
            outcome = await self._store.put_object(plan.bucket, plan.key, body, options)
        except (KeyAlreadyExists, NoSuchKey) as error:
            raise in_words(error, plan.bucket, plan.key) from None
        version = outcome.version
        if version is None:
            raise NoSuchKey(key=plan.key)
        await self._answer(request, plan.bucket, version)

    async def _answer(self, request: Request, bucket: Bucket, version: Version) -> None:
        record = file_record(version, bucket, self._names)
        headers = (
            JSON,
            (b"etag", b'"%s"' % version.etag.encode()),
            (b"location", record["url"].encode()),
            (b"x-version-id", version.version_id.encode()),
        )
        await send_bytes(request.send, 201, render_upload(record), headers)
