"""Kinds of fields that several models share: bounds in one place, and what OpenAPI says of them."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

MAX_METADATA_BYTES = 16 * 1024  # as compact JSON; the catalog keeps it beside every row
MAX_TAGS = 10  # S3's limits, so that its door can show them. Source: AWS "Categorizing your storage using tags".
MAX_TAG_CHARS = 128
MAX_TAG_VALUE_CHARS = 256
MAX_HEADER_CHARS = 1024
MAX_NAME_CHARS = 1024  # a key's bytes are counted by the core
MAX_COUNT = 2**53 - 1  # what JavaScript counts exactly
PRINTABLE = r"^[ -~]*$"  # it goes into a response header
TYPE_RULE = re.compile(r"(\*|[a-z0-9][a-z0-9!#$&^_.+-]*)/(\*|[a-z0-9][a-z0-9!#$&^_.+-]*)", re.ASCII | re.IGNORECASE)


class Wire(BaseModel):
    """Any body: unknown fields are ignored, as clients of other generations send more."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def no_default(schema: dict[str, Any]) -> None:
    """An optional field that may be left out but not be null: a generated client must not send a default for it."""
    schema.pop("default", None)


def _storable(value: dict[str, Any]) -> dict[str, Any]:
    try:
        size = len(orjson.dumps(value))
    except (TypeError, ValueError):  # numbers beyond 64 bits, half surrogates, nesting without end
        raise ValueError("is not storable JSON") from None
    if size > MAX_METADATA_BYTES:
        raise ValueError(f"must be at most {MAX_METADATA_BYTES} bytes as JSON, got {size}")
    return value


def _future(value: datetime) -> datetime:
    if value <= datetime.now(UTC):
        raise ValueError("must be in the future")
    return value


def _type_rules(value: list[str]) -> list[str]:
    for rule in value:
        if not TYPE_RULE.fullmatch(rule):
            raise ValueError(f"{rule!r} is neither a type like image/png nor a group like image/*")
    return value


Metadata = Annotated[dict[str, Any], AfterValidator(_storable)]
TagName = Annotated[str, Field(min_length=1, max_length=MAX_TAG_CHARS)]
TagValue = Annotated[str, Field(max_length=MAX_TAG_VALUE_CHARS)]
Tags = Annotated[dict[TagName, TagValue], Field(max_length=MAX_TAGS)]
HeaderText = Annotated[str, Field(max_length=MAX_HEADER_CHARS, pattern=PRINTABLE)]
ContentType = Annotated[str, Field(max_length=255, pattern=PRINTABLE)]
FutureTime = Annotated[AwareDatetime, AfterValidator(_future)]
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS)]
Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]
TypeRules = Annotated[list[Annotated[str, Field(max_length=255)]], Field(max_length=100), AfterValidator(_type_rules)]
