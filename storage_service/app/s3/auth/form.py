"""The signature of a POST form, of version 4 or 2: over its policy alone. Pure.

Source: AWS "Authenticating Requests in Browser-Based Uploads Using POST".
"""

import hmac
from collections.abc import Mapping
from typing import NamedTuple

from storage_service.app.core.errors import InvalidArgument, InvalidRequest, InvalidToken
from storage_service.app.s3.auth.claim import SCHEME
from storage_service.app.s3.auth.credential import Credential, parse_credential
from storage_service.app.s3.auth.signing import matches, sign, signing_key
from storage_service.app.s3.auth.sigv2 import signature_of

OLD = ("awsaccesskeyid", "signature")
NEW = ("x-amz-credential", "x-amz-signature", "x-amz-algorithm", "x-amz-date")
MISSING = "Bucket POST must contain a field named '{}'.  If it is specified, please check the order of the fields."


class SignedForm(NamedTuple):
    """`credential` is None of version 2."""

    access_key: str
    policy: str
    signature: str
    credential: Credential | None


def read_form(fields: Mapping[str, str]) -> SignedForm | None:
    """Of fields by name in lower case; None if nothing in it is signed. Raises: InvalidArgument, InvalidToken."""
    if "x-amz-security-token" in fields:
        raise InvalidToken("This service gives out no session tokens; sign with an access key alone")
    old, new = any(name in fields for name in OLD), any(name in fields for name in NEW)
    if not old and not new and "policy" not in fields:
        return None
    if old and new:
        raise InvalidRequest("A form is signed with version 4 or with version 2, not with both")
    for name in ("policy", *(NEW if new else OLD)):
        if name not in fields:
            raise InvalidArgument(MISSING.format(name))
    if old:
        return SignedForm(fields["awsaccesskeyid"], fields["policy"], fields["signature"].strip(), None)
    credential = parse_credential(fields["x-amz-credential"])
    if fields["x-amz-algorithm"] != SCHEME or credential is None:
        raise InvalidArgument("x-amz-algorithm or x-amz-credential cannot be read")
    if not fields["x-amz-date"].encode(errors="replace").startswith(credential.day):
        raise InvalidArgument("x-amz-date is of another day than x-amz-credential")
    return SignedForm(credential.access_key, fields["policy"], fields["x-amz-signature"], credential)


def verifies(secret: str, form: SignedForm) -> bool:
    policy = form.policy.encode(errors="replace")
    if form.credential is None:
        given = form.signature.encode("latin-1", "replace")
        return hmac.compare_digest(signature_of(secret.encode(), policy), given)
    key = signing_key(secret, form.credential.day, form.credential.region)
    return matches(form.signature, sign(key, policy))
