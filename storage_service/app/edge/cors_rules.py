"""A bucket's own CORS rules: which of them answers a request, and with what. Pure.

Source: AWS "Using cross-origin resource sharing (CORS)": the first rule that fits counts.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from storage_service.app.core.objects import Bucket
from storage_service.app.core.patterns import Pattern
from storage_service.app.edge.request import Headers, Request

VARY = (b"vary", b"Origin, Access-Control-Request-Headers, Access-Control-Request-Method")
MAX_ASKED_HEADERS = 100
# Methods of our own doors that S3's rules have no word for.
AS_METHOD = {"PATCH": "PUT"}


class CorsRule(NamedTuple):
    """`any_origin`: a bare `*` stands in the list; it is answered as it stands, never with credentials."""

    origins: tuple[Pattern, ...]
    any_origin: bool
    methods: tuple[str, ...]
    headers: tuple[Pattern, ...]
    expose: bytes
    max_age: bytes


Rules = tuple[CorsRule, ...]


def rules_of(bucket: Bucket) -> Rules | None:
    """The bucket's rules, compiled once for each of its generations; None if it has none of its own."""
    return bucket.derived(_compile) if "cors" in bucket.options.config else None


def _compile(bucket: Bucket) -> Rules:
    return tuple(_compile_rule(rule) for rule in bucket.options.config["cors"])


def _compile_rule(rule: dict[str, Any]) -> CorsRule:
    return CorsRule(
        origins=tuple(Pattern(text) for text in rule["origins"]),
        any_origin="*" in rule["origins"],
        methods=tuple(rule["methods"]),
        headers=tuple(Pattern(text.lower()) for text in rule["headers"]),
        expose=", ".join(rule["expose"]).encode(),
        max_age=b"%d" % rule["max_age"] if "max_age" in rule else b"",
    )


def answer_headers(rules: Rules, request: Request) -> Headers:
    """What to add to an answer; nothing but Vary where no rule fits. A preflight's headers name the method to come."""
    origin = request.header(b"origin")
    if origin is None:
        return (VARY,)
    method = request.header(b"access-control-request-method") or request.method
    found = _first(rules, origin, AS_METHOD.get(method, method), ())
    return (VARY,) if found is None else (*_common(found, origin), VARY)


def preflight_headers(rules: Rules, request: Request) -> Headers | None:
    """The answer's headers to a preflight; None if no rule fits, which is to be refused."""
    origin = request.header(b"origin") or ""
    method = request.header(b"access-control-request-method") or ""
    sent = request.header(b"access-control-request-headers") or ""
    asked = [name.strip().lower() for name in sent.split(",") if name.strip()]
    if len(asked) > MAX_ASKED_HEADERS:
        return None
    found = _first(rules, origin, AS_METHOD.get(method, method), asked)
    if found is None:
        return None
    allowed = ((b"access-control-allow-headers", ", ".join(asked).encode("latin-1")),) if asked else ()
    age = ((b"access-control-max-age", found.max_age),) if found.max_age else ()
    return (*_common(found, origin), *allowed, *age, VARY)


def _first(rules: Rules, origin: str, method: str, asked: Iterable[str]) -> CorsRule | None:
    return next((rule for rule in rules if _fits(rule, origin, method, asked)), None)


def _fits(rule: CorsRule, origin: str, method: str, asked: Iterable[str]) -> bool:
    return (
        method in rule.methods
        and any(pattern.fits(origin) for pattern in rule.origins)
        and all(any(pattern.fits(name) for pattern in rule.headers) for name in asked)
    )


def _common(rule: CorsRule, origin: str) -> Headers:
    named: Headers = ((b"access-control-allow-origin", b"*" if rule.any_origin else origin.encode("latin-1")),)
    if not rule.any_origin:
        named = (*named, (b"access-control-allow-credentials", b"true"))
    methods = (b"access-control-allow-methods", ", ".join(rule.methods).encode())
    exposed = ((b"access-control-expose-headers", rule.expose),) if rule.expose else ()
    return (*named, methods, *exposed)
