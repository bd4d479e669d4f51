from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.http import parse_date as werkzeug_date
from werkzeug.http import parse_etags

from storage_service.app.core.errors import InvalidArgument, NotModified, PreconditionFailed
from storage_service.app.core.objects import ANY_WRITE, WriteConditions
from storage_service.app.edge.conditions import (
    Conditions,
    check,
    if_range_holds,
    parse_conditions,
    parse_date,
    write_conditions,
)
from storage_service.app.edge.names import http_date
from tests.edge.asgi import request

AT_MS = 1_700_000_000_999
AT = "Tue, 14 Nov 2023 22:13:20 GMT"
BEFORE = "Tue, 14 Nov 2023 22:13:19 GMT"
AFTER = "Tue, 14 Nov 2023 22:13:21 GMT"

Outcome = type[Exception] | None


def outcome(headers: dict[str, str], method: str) -> Outcome:
    conditions = parse_conditions(request(method, headers=headers.items()))
    try:
        check(conditions, "abc", AT_MS, method)
    except (PreconditionFailed, NotModified) as error:
        return type(error)
    return None


@pytest.mark.parametrize(
    ("headers", "get", "delete"),
    [
        ({}, None, None),
        ({"if-match": '"abc"'}, None, None),
        ({"if-match": "abc"}, None, None),
        ({"if-match": '"x", "abc"'}, None, None),
        ({"if-match": "*"}, None, None),
        ({"if-match": '"x"'}, PreconditionFailed, PreconditionFailed),
        ({"if-match": 'W/"abc"'}, PreconditionFailed, PreconditionFailed),
        ({"if-match": '"*"'}, PreconditionFailed, PreconditionFailed),
        ({"if-none-match": '"abc"'}, NotModified, PreconditionFailed),
        ({"if-none-match": 'W/"abc"'}, NotModified, PreconditionFailed),
        ({"if-none-match": "*"}, NotModified, PreconditionFailed),
        ({"if-none-match": '"x", W/"y"'}, None, None),
        ({"if-modified-since": AT}, NotModified, None),
        ({"if-modified-since": AFTER}, NotModified, None),
        ({"if-modified-since": BEFORE}, None, None),
        ({"if-modified-since": "yesterday"}, None, None),
        ({"if-unmodified-since": AT}, None, None),
        ({"if-unmodified-since": BEFORE}, PreconditionFailed, PreconditionFailed),
        # The order of RFC 9110 §13.2.2: ETags silence dates; If-Match comes first.
        ({"if-match": '"abc"', "if-unmodified-since": BEFORE}, None, None),
        ({"if-none-match": '"x"', "if-modified-since": AT}, None, None),
        ({"if-match": '"x"', "if-none-match": '"abc"'}, PreconditionFailed, PreconditionFailed),
        ({"if-match": '"abc"', "if-none-match": '"abc"'}, NotModified, PreconditionFailed),
        ({"if-unmodified-since": BEFORE, "if-none-match": '"abc"'},) + (PreconditionFailed,) * 2,
    ],
)
def test_conditions_of_a_get_and_a_delete(headers: dict[str, str], get: Outcome, delete: Outcome) -> None:
    assert outcome(headers, "GET") == outcome(headers, "HEAD") == get
    assert outcome(headers, "DELETE") == delete


def test_no_condition_is_none_and_not_modified_carries_its_headers() -> None:
    assert parse_conditions(request(headers=[("range", "bytes=0-1")])) is None
    with pytest.raises(NotModified) as caught:
        check(Conditions(if_none_match=("abc",)), "abc", AT_MS, "GET")
    assert (caught.value.etag, caught.value.at_ms) == ("abc", AT_MS)


@pytest.mark.parametrize("value", ["", " ", '"abc', 'abc"', '"a"b"', "W/", '"a" "b"x"'])
def test_malformed_etags_are_refused_rather_than_ignored(value: str) -> None:
    if value == "W/":  # reads as a bare word, which matches nothing
        assert outcome({"if-match": value}, "GET") is PreconditionFailed
        return
    with pytest.raises(InvalidArgument):
        parse_conditions(request(headers=[("if-match", value)]))


def test_etags_of_repeated_headers_count_together() -> None:
    asked = request(headers=[("if-match", '"a"'), ("if-match", '"b", W/"c"')])
    assert write_conditions(asked) == WriteConditions(if_match=("a", "b"))


@pytest.mark.parametrize(
    ("header", "holds"),
    [
        (None, True),
        ('"abc"', True),
        ("abc", True),
        ('W/"abc"', False),
        ('"x"', False),
        (AT, True),
        (BEFORE, False),
        (AFTER, False),
        ("", False),
        ("not a date", False),
        ('"abc", "x"', False),
    ],
)
def test_if_range(header: str | None, holds: bool) -> None:
    assert if_range_holds(header, "abc", AT_MS) is holds


def test_write_conditions() -> None:
    assert write_conditions(request()) is ANY_WRITE
    assert write_conditions(request(), must_be_new=True) == WriteConditions(must_be_new=True)
    both = request(headers=[("if-match", 'W/"a"'), ("if-none-match", "*")])
    assert write_conditions(both, file_id="f") == WriteConditions((), ("*",), file_id="f")


@pytest.mark.parametrize(
    "date",
    ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"],
)
def test_the_three_forms_of_http_dates(date: str) -> None:
    assert parse_date(date) == 784_111_777


@given(st.integers(0, 4_000_000_000))
def test_dates_survive_the_way_through_a_header(second: int) -> None:
    assert parse_date(http_date(second * 1000 + 999).decode()) == second


@given(st.text(max_size=80) | st.from_regex(r"[A-Z][a-z]{2}, \d+ Nov \d+ \d+:\d+:\d+ [GM+-]\w*"))
def test_any_text_is_a_date_or_none_and_agrees_with_werkzeug(text: str) -> None:
    ours = parse_date(text)
    if len(text) <= 64:
        try:
            theirs = werkzeug_date(text)
        except OverflowError:  # werkzeug forgot it
            theirs = None
        assert ours == (None if theirs is None else int(theirs.timestamp()))


# Not the empty tag, which werkzeug reads as None.
TAG = st.text("!#abc,/:", min_size=1, max_size=4).filter(lambda tag: tag != "*")


@given(st.lists(st.tuples(TAG, st.booleans()), min_size=1, max_size=4))
def test_etag_lists_agree_with_werkzeug(tags: list[tuple[str, bool]]) -> None:
    header = ", ".join(f'W/"{tag}"' if weak else f'"{tag}"' for tag, weak in tags)
    ours = parse_conditions(request(headers=[("if-match", header), ("if-none-match", header)]))
    theirs = parse_etags(header)
    assert ours is not None
    assert set(ours.if_match or ()) == set(theirs.as_set())
    assert set(ours.if_none_match or ()) == set(theirs.as_set(include_weak=True))


@given(st.text(st.characters(max_codepoint=255)))
def test_any_header_parses_or_is_refused(value: str) -> None:
    with suppress(InvalidArgument):
        parse_conditions(request(headers=[("if-none-match", value)]))
