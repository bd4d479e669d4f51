"""What an upload asks for, and the options of the write that follow from it."""

import re
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from storage_service.app.apis.attributes import from_headers, with_fields
from storage_service.app.core.errors import InvalidArgument, UnsupportedType, ValidationFailed
from storage_service.app.core.links import LinkGrant
from storage_service.app.core.objects import NOTHING, Attributes, Bucket
from storage_service.app.core.security import Principal
from storage_service.app.core.writing import PutOptions
from storage_service.app.edge.conditions import write_conditions
from storage_service.app.edge.forms import Field
from storage_service.app.edge.mime import OCTET_STREAM, UNDECLARED, by_content, detect, essence
from storage_service.app.edge.request import Request
from storage_service.app.edge.wanted import parse_wanted

# What curl says of any body sent with --data-binary; nobody means it of an object.
FORM_DEFAULT = "application/x-www-form-urlencoded"
TRUE = frozenset({"true", "1", "yes", "on"})
FALSE = frozenset({"false", "0", "no", "off"})
SEPARATORS = re.compile(r"[/\\]")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
NO_SEGMENT = frozenset({"", ".", ".."})


class Plan(NamedTuple):
    """Where an upload goes and on which terms. `file_id`: the key must still hold this file."""

    bucket: Bucket
    key: str
    principal: Principal
    must_be_new: bool = False
    file_id: str | None = None
    grant: LinkGrant | None = None

    @property
    def max_bytes(self) -> int | None:
        return None if self.grant is None else self.grant.max_bytes


# Links have limits of their own; without one nothing is limited.
NO_GRANT = LinkGrant("", "", "PUT", 0)


def put_options(
    request: Request,
    plan: Plan,
    declared: str,
    size: int | None = None,
    fields: Mapping[str, str] | None = None,
) -> PutOptions:
    """Of a body declared to be of this type; `fields` are those of its form, which may still grow.

    Raises: InvalidArgument, UnsupportedType.
    """
    content_type = _type(plan, declared)
    grant = plan.grant or NO_GRANT
    said = Attributes(content_type=content_type, owner=plan.principal.subject, metadata=grant.metadata or NOTHING)
    attributes = from_headers(request, said, form=fields is not None)
    return PutOptions(
        attributes=attributes,
        describe=partial(_sniffed, attributes) if content_type in UNDECLARED else None,
        conditions=write_conditions(request, must_be_new=plan.must_be_new, file_id=plan.file_id),
        actor=plan.principal.subject or plan.principal.kind,
        size=size,
        max_bytes=grant.max_bytes,
        wanted=parse_wanted(request),
        file_id=grant.file_id,
        once=grant.once,
        once_until_ms=grant.expires_at * 1000,
        finish=None if fields is None else partial(with_fields, fields=fields),
    )


def _type(plan: Plan, declared: str) -> str:
    """The type to record, octet-stream if the first bytes must tell. Raises: UnsupportedType."""
    if essence(declared) == FORM_DEFAULT:
        declared = ""
    granted = None if plan.grant is None else plan.grant.content_type
    if granted is None:
        return detect(declared, plan.key)
    if essence(declared) not in UNDECLARED and essence(declared) != essence(granted):
        raise UnsupportedType(f"This link is for {granted} only", key=plan.key)
    return detect(granted, plan.key)


def _sniffed(attributes: Attributes, first_bytes: bytes) -> Attributes:
    return attributes._replace(content_type=by_content(first_bytes) or OCTET_STREAM)


def parse_truth(text: str) -> bool:
    """Raises: ValidationFailed."""
    word = text.strip().lower()
    if word not in TRUE | FALSE:
        fault: dict[str, object] = {"loc": ["query", "overwrite"], "msg": "Not true or false", "type": "bool_parsing"}
        raise ValidationFailed("overwrite is neither true nor false", [fault])
    return word in TRUE


def key_of_filename(filename: str) -> str:
    """The key for a file that was given none. Raises: InvalidArgument if it cannot be one.

    A key that is asked for by name may be anything; this one comes from somebody's disk.
    """
    if CONTROL.search(filename) or not NO_SEGMENT.isdisjoint(SEPARATORS.split(filename)):
        raise InvalidArgument("Invalid filename")
    return filename


def check_late(plan: Plan, query: frozenset[str], field: Field) -> None:
    """Refuse a field behind the file that would have changed where, or whether, it is stored.

    Raises: InvalidArgument, ValidationFailed.
    """
    if not field.value or field.name in query:
        return
    changes_key = field.name == "key" and field.value != plan.key
    if changes_key or (field.name == "overwrite" and parse_truth(field.value) == plan.must_be_new):
        raise InvalidArgument(f"The form's field '{field.name}' must stand before its file")
