"""What conditions of policies learn of a request."""

from datetime import UTC, datetime, timedelta

import pytest

from storage_service.app.core.policy.conditions import KNOWN_KEYS
from storage_service.app.edge.facts import HEADERS, OTHERS, QUERY, facts_of
from storage_service.app.edge.request import Request
from tests.edge.asgi import request

V4 = ("authorization", "AWS4-HMAC-SHA256 Credential=a")
TAGS = ("x-amz-tagging", "Team=a%20b&x=&x=2")
OF_PRINCIPAL = frozenset({"aws:userid", "aws:username", "aws:principaltype"})  # known by `core.protection`


def ask(name: str, target: bytes = b"/", *headers: tuple[str, str], method: str = "GET") -> list[str] | None:
    return values(name, request(method, target, headers))


def values(name: str, asked: Request) -> list[str] | None:
    found = facts_of(asked)(name)
    return None if found is None else list(found)


@pytest.mark.parametrize(
    ("name", "target", "headers", "found"),
    [
        ("s3:prefix", b"/?prefix=a%2Fb", [], ["a/b"]),
        ("s3:prefix", b"/", [], None),
        ("s3:prefix", b"/?prefix=", [], [""]),
        ("s3:delimiter", b"/?delimiter=/", [], ["/"]),
        ("s3:max-keys", b"/?max-keys=10", [], ["10"]),
        ("s3:versionid", b"/?versionId=v", [], ["v"]),
        ("s3:x-amz-acl", b"/", [("x-amz-acl", "private")], ["private"]),
        ("s3:x-amz-acl", b"/?X-Amz-Acl=private", [], ["private"]),  # presigned
        ("s3:x-amz-grant-read", b"/", [("x-amz-grant-read", 'id="a"')], ['id="a"']),
        ("s3:x-amz-copy-source", b"/", [("x-amz-copy-source", "/b/a%20b?versionId=v")], ["b/a b"]),
        ("s3:object-lock-mode", b"/", [("x-amz-object-lock-mode", "GOVERNANCE")], ["GOVERNANCE"]),
        ("s3:requestobjecttag/team", b"/", [TAGS], ["a b"]),
        ("s3:requestobjecttag/x", b"/", [TAGS], ["", "2"]),
        ("s3:requestobjecttag/y", b"/", [TAGS], None),
        ("s3:requestobjecttagkeys", b"/", [TAGS], ["Team", "x", "x"]),
        ("s3:requestobjecttagkeys", b"/", [], None),
        ("s3:requestobjecttagkeys", b"/", [("x-amz-tagging", "a&" * 2000)], None),
        ("aws:referer", b"/", [("referer", "https://example.org/")], ["https://example.org/"]),
        ("aws:useragent", b"/", [("user-agent", "curl")], ["curl"]),
        ("s3:if-none-match", b"/", [("if-none-match", "*")], ["*"]),
        ("s3:authtype", b"/", [V4], ["REST-HEADER"]),
        ("s3:authtype", b"/?X-Amz-Signature=a", [], ["REST-QUERY-STRING"]),
        ("s3:authtype", b"/", [], None),
        ("s3:signatureversion", b"/", [V4], ["AWS4-HMAC-SHA256"]),
        ("s3:signatureversion", b"/", [("authorization", "AWS a:b")], ["AWS"]),
        ("s3:signatureversion", b"/", [], None),
        ("s3:signatureage", b"/?X-Amz-Date=yesterday", [], None),
        ("s3:object-lock-remaining-retention-days", b"/", [], None),
        ("s3:nonsense", b"/", [], None),
    ],
)
def test_facts(name: str, target: bytes, headers: list[tuple[str, str]], found: list[str] | None) -> None:
    assert ask(name, target, *headers) == found


def test_the_callers_address_and_the_scheme() -> None:
    asked = request()
    assert values("aws:sourceip", asked) is None
    assert values("aws:securetransport", asked) == ["false"]
    asked.scope.update({"client": ("192.0.2.1", 5000), "scheme": "https"})
    assert values("aws:sourceip", asked) == ["192.0.2.1"]
    assert values("aws:securetransport", asked) == ["true"]


def test_times_are_counted_from_now() -> None:
    before = datetime.now(UTC) - timedelta(hours=1)
    [age] = ask("s3:signatureage", b"/", ("x-amz-date", before.strftime("%Y%m%dT%H%M%SZ"))) or []
    assert abs(int(age) - 3_600_000) < 120_000
    until = datetime.now(UTC) + timedelta(days=5, hours=1)
    header = ("x-amz-object-lock-retain-until-date", until.isoformat())
    assert ask("s3:object-lock-remaining-retention-days", b"/", header) == ["5"]
    [now] = ask("aws:currenttime") or []
    assert abs((datetime.fromisoformat(now) - datetime.now(UTC)).total_seconds()) < 60
    assert ask("aws:epochtime") is not None


def test_every_key_that_a_policy_may_name_is_answered_somewhere() -> None:
    answered = {*OTHERS, *QUERY, *HEADERS, *OF_PRINCIPAL}
    assert {name for name in KNOWN_KEYS if not name.startswith("s3:x-amz-")} == {
        name for name in answered if not name.startswith("s3:x-amz-")
    }
