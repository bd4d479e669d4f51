"""What is configured on a bucket besides its options: policy, CORS, lifecycle, tags; and questions about access.

The same documents that S3's calls write, in JSON instead of XML.
"""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import AfterValidator, Field, model_validator

from storage_service.app.core.objects import new_id
from storage_service.app.schemas.fields import Count, Name, TagName, TagValue, Wire, no_default

MAX_CORS_RULES = 100
MAX_LIFECYCLE_RULES = 1000
MAX_BUCKET_TAGS = 50  # S3's limit
Method = Literal["GET", "PUT", "POST", "DELETE", "HEAD"]


def _one_wildcard(value: str) -> str:
    if value.count("*") > 1:
        raise ValueError("has more than one wildcard")
    return value


def _storable(value: dict[str, Any]) -> dict[str, Any]:
    """Python reads numbers of any size, and halves of characters; JSON elsewhere does not."""
    try:
        orjson.dumps(value)
    except TypeError as error:  # orjson's error is one
        raise ValueError(f"cannot be stored: {error}") from None
    return value


PolicyIn = Annotated[dict[str, Any], AfterValidator(_storable)]
Printable = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[!-~ ]+$")]
Wild = Annotated[Printable, AfterValidator(_one_wildcard)]
Plain = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[!-)+-~ ]+$")]
Days = Annotated[int, Field(ge=1, le=36_500)]


class CorsRule(Wire):
    """Which pages of other origins may ask what."""

    id: str | None = Field(None, max_length=255)
    origins: list[Wild] = Field(min_length=1, max_length=100, examples=[["https://app.example.org"]])
    methods: list[Method] = Field(min_length=1, max_length=5)
    headers: list[Wild] = Field([], max_length=100)
    expose: list[Plain] = Field([], max_length=100)
    max_age: int | None = Field(None, ge=0, le=10**9, description="Seconds a browser may remember the answer.")


class LifecycleFilter(Wire):
    """Which objects a rule is about; all conditions together. None: all objects."""

    prefix: str | None = Field(None, max_length=1024)
    tags: dict[TagName, TagValue] | None = Field(None, max_length=10)
    size_over: Count | None = Field(None, description="Only objects larger than so many bytes.")
    size_under: Count | None = Field(None, description="Only objects smaller than so many bytes.")

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.size_under is not None and self.size_under <= (self.size_over or 0):
            raise ValueError("size_under must be larger than size_over")
        return self


class Expiration(Wire):
    """Exactly one of the three."""

    days: Days | None = Field(None, description="After its last change.")
    date: datetime | None = Field(None, description="On this day, at midnight UTC.")
    marker: bool | None = Field(None, description="Delete markers with nothing behind them go.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(value is not None for value in (self.days, self.date, self.marker)) != 1:
            raise ValueError("exactly one of days, date and marker is needed")
        return self


class Noncurrent(Wire):
    days: Days = Field(description="After they were replaced.")
    keep: int | None = Field(None, ge=1, le=100, description="So many newer ones stay in any case.")


class LifecycleRule(Wire):
    """What ends by itself, and when."""

    id: str = Field("", max_length=255)
    status: Literal["Enabled", "Disabled"] = "Enabled"
    filter: LifecycleFilter = LifecycleFilter(prefix=None, tags=None, size_over=None, size_under=None)
    expiration: Expiration | None = None
    noncurrent: Noncurrent | None = None
    abort_days: Days | None = Field(None, description="Unfinished uploads end so many days after they began.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.expiration is None and self.noncurrent is None and self.abort_days is None:
            raise ValueError("a rule needs expiration, noncurrent or abort_days")
        narrow = self.filter.tags or self.filter.size_over is not None or self.filter.size_under is not None
        if self.abort_days is not None and narrow:
            raise ValueError("abort_days goes with no tags and no sizes")
        if self.expiration is not None and self.expiration.marker is not None and self.filter.tags:
            raise ValueError("marker goes with no tags")
        return self


class ConfigurationIn(Wire):
    """What is left out stays; null takes it away."""

    policy: PolicyIn | None = Field(None, description="As S3's bucket policy.", json_schema_extra=no_default)
    cors: list[CorsRule] | None = Field(None, max_length=MAX_CORS_RULES, json_schema_extra=no_default)
    lifecycle: list[LifecycleRule] | None = Field(None, max_length=MAX_LIFECYCLE_RULES, json_schema_extra=no_default)
    tags: dict[TagName, TagValue] | None = Field(None, max_length=MAX_BUCKET_TAGS, json_schema_extra=no_default)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        ids = [rule.id for rule in self.lifecycle or () if rule.id]
        if len(set(ids)) != len(ids):
            raise ValueError("two lifecycle rules have the same id")
        if any(name.lower().startswith("aws:") for name in self.tags or ()):
            raise ValueError("names of tags do not begin with aws:")
        return self

    def config(self) -> dict[str, Any]:
        """What was sent, as the store keeps it: nothing of it empty."""
        made = {
            "policy": orjson.dumps(self.policy).decode() if self.policy else None,
            "cors": [rule.model_dump(exclude_none=True) for rule in self.cors or ()] or None,
            "lifecycle": [lifecycle_record(rule) for rule in self.lifecycle or ()] or None,
            "tags": dict(self.tags or {}) or None,
        }
        return {name: value for name, value in made.items() if name in self.model_fields_set}


def lifecycle_record(rule: LifecycleRule) -> dict[str, Any]:
    """A rule as the store keeps it. Two conditions or more are an And in S3's XML."""
    record = rule.model_dump(exclude_none=True, exclude={"filter", "expiration"})
    found = rule.filter.model_dump(exclude_none=True)
    if len(found) - ("tags" in found) + len(found.get("tags", ())) > 1:
        found["and"] = True
    record |= {"id": rule.id or new_id(), "filter": found}
    if rule.expiration is not None:
        record["expiration"] = rule.expiration.model_dump(exclude_none=True)
        if rule.expiration.date is not None:
            record["expiration"]["date"] = _midnight(rule.expiration.date.date())
    return record


def _midnight(day: date) -> str:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).strftime("%Y-%m-%dT00:00:00.000Z")


class ConfigurationOut(Wire):
    """`is_public`: whether policy, ACL or the bucket's own option let the world in."""

    policy: dict[str, Any] | None
    cors: list[CorsRule]
    lifecycle: list[LifecycleRule]
    tags: dict[str, str]
    is_public: bool


def configuration_record(config: dict[str, Any], *, is_public: bool) -> dict[str, Any]:
    policy = config.get("policy")
    return {
        "policy": orjson.loads(policy) if policy else None,
        "cors": config.get("cors") or [],
        "lifecycle": [_shown(rule) for rule in config.get("lifecycle") or ()],
        "tags": config.get("tags") or {},
        "is_public": is_public,
    }


def _shown(rule: dict[str, Any]) -> dict[str, Any]:
    """Of both ways S3 has to name a prefix, one."""
    wanted = rule.get("filter") or {"prefix": rule.get("prefix", "")}
    return {**rule, "filter": {name: value for name, value in wanted.items() if name != "and"}}


AskableAction = Literal["list_objects", "read_object", "write_object", "delete_object", "read_bucket", "update_bucket"]


class AccessQuestion(Wire):
    """May this user do that?"""

    user: Name | None = Field(None, description="An id of the user; null: somebody without any credential.")
    action: AskableAction = "read_object"
    key: str = Field("", max_length=1024, description="Of the file; of a list its prefix.")
    policy: PolicyIn | None = Field(None, description="Ask as if this were the bucket's policy.")


class AccessAnswer(Wire):
    allowed: bool
    reason: str
