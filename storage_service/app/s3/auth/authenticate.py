"""The one way in: who sent this request? Before every handler, and unknown kinds of signature are refused."""

import re
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from storage_service.app.core.errors import (
    AccessDenied,
    AuthorizationHeaderMalformed,
    AuthorizationQueryParametersError,
    InvalidAccessKeyId,
    InvalidArgument,
    InvalidRequest,
    InvalidToken,
    SignatureDoesNotMatch,
    StorageError,
)
from storage_service.app.core.keys import AccessKey, Keyring
from storage_service.app.core.security import Principal
from storage_service.app.edge.request import Request
from storage_service.app.s3.auth import form, sigv2, sigv4
from storage_service.app.s3.auth.caller import Caller, ChunkSeed, Payload
from storage_service.app.s3.auth.canonical import parse_pairs
from storage_service.app.s3.auth.credential import Credential
from storage_service.app.s3.auth.hoisted import hoisted_headers
from storage_service.app.s3.auth.names import PublicNames
from storage_service.app.s3.auth.payload import payload_of
from storage_service.app.s3.auth.policy import check_form, parse_policy
from storage_service.app.s3.auth.presigned import Plain, is_genuine, read_plain
from storage_service.app.s3.auth.signing import signing_key

URL_V4 = re.compile(b"X-Amz-(?:Algorithm|Credential|Signature)=")
URL_V2 = b"AWSAccessKeyId="
OLD_HEADERS = frozenset({b"content-type", b"content-md5"})  # botocore puts them into old URLs
UNKNOWN_KEY = "The AWS Access Key Id you provided does not exist in our records."
MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your key and signing method."
)
ONE_ONLY = (
    "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or"
    " the Authorization header should be specified"
)
UNSIGNED_BODY = Payload("unsigned")
NO_TOKENS = "This service gives out no session tokens; sign with an access key alone"
NO_SIGV2 = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."

# Told of every refused request, with what it was refused for.
Failed = Callable[[Request, StorageError], None]


class AuthOptions(NamedTuple):
    """`region`: the one signatures must name; None = any. `now` gives seconds since 1970."""

    region: str | None = None
    sigv2: bool = True
    now: Callable[[], float] = time.time
    failed: Failed | None = None


class Authenticator:
    """Knows the keys and the public names; keeps nothing of a request."""

    def __init__(self, keys: Keyring, names: PublicNames, options: AuthOptions) -> None:
        self._keys = keys
        self._names = names
        self._options = options

    async def authenticate(self, request: Request, bucket: str, key: str) -> Caller:
        """Who sent it. A key revoked in any process is gone. Headers that a presigned URL holds become the request's.

        Raises: one of the errors AWS has for signatures, with bucket and key; ServiceUnavailable.
        """
        if self._keys.stale:
            await self._keys.refresh()
        try:
            return self._identify(request, bucket, key)
        except StorageError as error:
            error.bucket, error.key = bucket, key
            if self._options.failed is not None:
                self._options.failed(request, error)
            raise

    async def authenticate_form(self, fields: Mapping[str, str], bucket: str) -> Caller:
        """Who signed a POST form, whose policy it keeps to; `payload` has the policy's limits of length.

        `fields` are all but the file, the key with its file name put in. Raises: as `authenticate`, and
        InvalidPolicyDocument.
        """
        if self._keys.stale:
            await self._keys.refresh()
        named = {name.lower(): value for name, value in fields.items()}
        try:
            return self._of_form(named, bucket)
        except StorageError as error:
            error.bucket, error.key = bucket, named.get("key", "")
            raise

    def _identify(self, request: Request, bucket: str, key: str) -> Caller:
        plain = read_plain(request)
        if plain is not None and (caller := self._of_plain(plain)) is not None:
            return caller
        query: bytes = request.scope.get("query_string", b"")
        authorization = request.headers.get(b"authorization")
        in_url = b"X-Amz-" in query and URL_V4.search(query) is not None
        in_old_url = URL_V2 in query
        if (authorization is not None) + in_url + in_old_url > 1:
            raise InvalidArgument(ONE_ONLY)
        if b"x-amz-security-token" in request.headers or b"x-amz-security-token=" in query.lower():
            raise InvalidToken(NO_TOKENS)
        if in_url:
            return self._of_v4(request, sigv4.read_url(request))
        if in_old_url:
            return self._of_v2(request, sigv2.read_url(request, bucket, key))
        if authorization is None:
            return Caller(payload=_payload(request))
        return self._of_header(request, authorization.decode("latin-1"), bucket, key)

    def _of_plain(self, plain: Plain) -> Caller | None:
        """None where there is anything amiss: what it is, the long way finds out."""
        credential = plain.credential
        found = self._keys.find(credential.access_key)
        if found is None or self._options.region not in (None, credential.region.decode()):
            return None
        holder, principal = found
        now = self._options.now()
        key = signing_key(holder.secret, credential.day, credential.region)
        if not is_genuine(plain, key, now) or not holder.holds(int(now * 1000)):
            return None
        self._keys.note_use(holder.access_key, int(now * 1000))
        return Caller(principal, holder.access_key, UNSIGNED_BODY)

    def _of_header(self, request: Request, authorization: str, bucket: str, key: str) -> Caller:
        if request.repeats_headers and len(request.headers_all(b"authorization")) > 1:
            raise InvalidArgument(ONE_ONLY)
        if not authorization.strip():
            raise AccessDenied("The Authorization header is empty")
        if authorization.split(None, 1)[0] == sigv2.SCHEME:
            return self._of_v2(request, sigv2.read_header(request, bucket, key, authorization))
        return self._of_v4(request, sigv4.read_header(request, authorization))

    def _of_v4(self, request: Request, signed: sigv4.Signed) -> Caller:
        credential = signed.claim.credential
        self._check_region(credential, in_url=signed.claim.expires_seconds is not None)
        holder, principal = self._find(credential.access_key)
        now = self._options.now()
        sigv4.check_time(signed, now)
        key = signing_key(holder.secret, credential.day, credential.region)
        if not sigv4.verifies(key, signed, self._names.others(request)):
            raise SignatureDoesNotMatch(MISMATCH)
        self._accept(holder, now)
        if signed.hoisted:
            request.add_headers(signed.hoisted)
        seed = ChunkSeed(key, signed.stamp, credential.scope, signed.claim.signature)
        payload = payload_of(signed.payload_hash, request.headers, seed)
        return Caller(principal, holder.access_key, payload, bool(signed.hoisted))

    def _of_v2(self, request: Request, signed: sigv2.Signed) -> Caller:
        if not self._options.sigv2:
            raise InvalidRequest(NO_SIGV2)
        holder, principal = self._find(signed.access_key)
        now = self._options.now()
        sigv2.check_time(signed, now)
        pairs = parse_pairs(request.scope.get("query_string", b"")) if signed.ends_at is not None else []
        hoisted = hoisted_headers(pairs, OLD_HEADERS)
        if not sigv2.verifies(holder.secret, signed, hoisted, tuple(self._names.others(request))):
            raise SignatureDoesNotMatch(MISMATCH)
        self._accept(holder, now)
        if hoisted:
            request.add_headers(hoisted)
        return Caller(principal, holder.access_key, _payload(request), bool(hoisted))

    def _of_form(self, fields: dict[str, str], bucket: str) -> Caller:
        if not fields.get("key"):
            raise InvalidArgument(form.MISSING.format("key"))
        signed = form.read_form(fields)
        if signed is None:
            return Caller(payload=Payload("unsigned"))
        if signed.credential is None and not self._options.sigv2:
            raise InvalidRequest(NO_SIGV2)
        if signed.credential is not None:
            self._check_region(signed.credential, in_url=True)
        holder, principal = self._find(signed.access_key)
        if not form.verifies(holder.secret, signed):
            raise SignatureDoesNotMatch(MISMATCH)
        now = self._options.now()
        self._accept(holder, now)
        policy = parse_policy(signed.policy)
        check_form(policy, fields | {"bucket": bucket}, now)
        payload = Payload("unsigned", least_bytes=policy.least_bytes, most_bytes=policy.most_bytes)
        return Caller(principal, holder.access_key, payload)

    def _check_region(self, credential: Credential, *, in_url: bool) -> None:
        expected, given = self._options.region, credential.region.decode()
        if expected is None or given == expected:
            return
        words = f"the region '{given}' is wrong; expecting '{expected}'"
        if in_url:
            raise AuthorizationQueryParametersError(f"Error parsing the X-Amz-Credential parameter; {words}")
        raise AuthorizationHeaderMalformed(f"The authorization header is malformed; {words}")

    def _find(self, access_key: str) -> tuple[AccessKey, Principal]:
        found = self._keys.find(access_key)
        if found is None:
            raise InvalidAccessKeyId(UNKNOWN_KEY)
        return found

    def _accept(self, holder: AccessKey, now: float) -> None:
        """After the signature: only who knows the secret learns that the key is past its time."""
        at_ms = int(now * 1000)
        if not holder.holds(at_ms):
            raise InvalidAccessKeyId("This access key has expired.")
        self._keys.note_use(holder.access_key, at_ms)


def _payload(request: Request) -> Payload:
    """Of a request without a version 4 signature."""
    headers = request.headers
    return payload_of(headers.get(sigv4.CONTENT_SHA256, b""), headers, None)
