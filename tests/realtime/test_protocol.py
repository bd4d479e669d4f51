"""What clients of SelfDB may say, and how a change reads to them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from storage_service.app.core.events import Event, EventKind
from storage_service.app.realtime.protocol import (
    OPERATIONS,
    Authenticate,
    BadMessage,
    Ping,
    Said,
    Subscribe,
    Unsubscribe,
    parse,
    render_change,
    render_connected,
    render_error,
)

FILE = Event(
    7, 1_795_260_151_000, "object.created", 1, "films", "b-id", "ann", "a/é.mp4", "v", "f", 5, "e", "video/mp4", "u"
)
BUCKET = Event(8, 1_795_260_151_000, "bucket.created", 1, "films", "b-id", "ann")
GOOD: list[tuple[dict[str, Any], Said]] = [
    ({"type": "ping"}, Ping()),
    ({"type": "ping", "more": 1}, Ping()),
    ({"type": "authenticate", "token": "t"}, Authenticate("t")),
    (
        {"type": "subscribe", "subscription_id": "s", "data": {"table": "files_changes"}},
        Subscribe("s", "files"),
    ),
    (
        {"type": "subscribe", "subscription_id": "s", "data": {"table": "buckets_changes", "bucket": None}},
        Subscribe("s", "buckets"),
    ),
    (
        {"type": "subscribe", "subscription_id": "s", "data": {"table": "files", "bucket": "b", "prefix": "a/"}},
        Subscribe("s", "files", "b", "a/"),
    ),
    ({"type": "unsubscribe", "subscription_id": "s"}, Unsubscribe("s")),
]


@pytest.mark.parametrize(("message", "said"), GOOD)
def test_what_clients_say_is_understood(message: dict[str, Any], said: Said) -> None:
    assert parse(json.dumps(message)) == said


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "1",
        "{}",
        '{"type":"unknown"}',
        '{"type":["ping"]}',
        '{"type":"authenticate"}',
        '{"type":"authenticate","token":""}',
        '{"type":"authenticate","token":5}',
        '{"type":"subscribe","data":{"table":"files"}}',
        '{"type":"subscribe","subscription_id":"s"}',
        '{"type":"subscribe","subscription_id":"s","data":{"table":"users_changes"}}',
        '{"type":"subscribe","subscription_id":"s","data":{"table":"files","bucket":1}}',
        '{"type":"subscribe","subscription_id":"s","data":{"table":"files","prefix":null}}',
        json.dumps({"type": "unsubscribe", "subscription_id": "s" * 201}),
    ],
)
def test_what_is_not_of_the_protocol_is_told_so(text: str) -> None:
    with pytest.raises(BadMessage):
        parse(text)


@pytest.mark.parametrize(
    ("wish", "event", "wanted"),
    [
        (Subscribe("s", "files"), FILE, True),
        (Subscribe("s", "files"), BUCKET, False),
        (Subscribe("s", "buckets"), BUCKET, True),
        (Subscribe("s", "buckets"), FILE, False),
        (Subscribe("s", "files", "films"), FILE, True),
        (Subscribe("s", "files", "b-id"), FILE, True),
        (Subscribe("s", "files", "others"), FILE, False),
        (Subscribe("s", "files", None, "a/"), FILE, True),
        (Subscribe("s", "files", None, "b"), FILE, False),
    ],
)
def test_a_subscription_wants_its_table_its_bucket_and_its_prefix(wish: Subscribe, event: Event, wanted: bool) -> None:
    assert wish.wants(event) == wanted


def test_a_file_reads_as_a_row_of_its_table() -> None:
    told = json.loads(render_change("s", FILE))
    assert (told["type"], told["subscription_id"]) == ("database_change", "s")
    data = told["data"]
    assert (data["operation"], data["table"], data["old_data"]) == ("INSERT", "files", None)
    assert data["data"] == {
        "id": "f",
        "filename": "é.mp4",
        "object_name": "a/é.mp4",
        "bucket_id": "b-id",
        "bucket_name": "films",
        "owner_id": "u",
        "content_type": "video/mp4",
        "size": 5,
        "etag": "e",
        "version_id": "v",
        "updated_at": "2026-11-21T11:22:31.000Z",
        "event": "object.created",
        "sequence": 7,
    }


def test_a_bucket_reads_as_a_row_of_its_table() -> None:
    data = json.loads(render_change("s", BUCKET))["data"]
    assert (data["operation"], data["table"]) == ("INSERT", "buckets")
    assert {"id": "b-id", "name": "films", "owner_id": "ann"}.items() <= data["data"].items()


@pytest.mark.parametrize("kind", list(OPERATIONS))
def test_only_what_was_deleted_has_an_old_row(kind: EventKind) -> None:
    event = Event(1, 1, kind, 1, "b", "b-id", "ann", None if kind.startswith("bucket") else "k")
    data = json.loads(render_change("s", event))["data"]
    assert (data["old_data"] is not None) == (data["operation"] == "DELETE")
    assert data["data"] is not None


def test_other_words_are_short() -> None:
    assert json.loads(render_connected(None)) == {"type": "connected", "user_id": None}
    assert json.loads(render_error("no")) == {"type": "error", "message": "no"}
    assert json.loads(render_error("no", "s")) == {"type": "error", "message": "no", "subscription_id": "s"}
