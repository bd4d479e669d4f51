"""Changes as they happen, through both clients; the text of the stream, pure."""

import threading
from pathlib import Path
from typing import Any

import pytest

from storage_service.client import Client, Event, NotFound, wire
from storage_service.client.sse import Message, Reader
from tests.support.service import SERVICE_KEY, Service

STREAM = (
    b"retry: 2000\n\n: alive\n\nid: 1\ndata: one\n\nid: 2\r\nevent: reset\r\ndata: two\r\ndata: lines\r\n\r\n"
    b"id: 7\n\nid: 8\ndata: \xc3\xa9\n\nid: 9\ndata: half"
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_stream_is_read_in_whatever_pieces_it_comes(size: int) -> None:
    reader = Reader()
    found = [message for at in range(0, len(STREAM), size) for message in reader.feed(STREAM[at : at + size])]
    assert found == [Message("message", "one", "1"), Message("reset", "two\nlines", "2"), Message("message", "é", "8")]
    assert reader.last_id == "8"  # the half one comes again


def test_id_without_data_counts_once_it_is_complete() -> None:
    reader = Reader("3")
    assert list(reader.feed(b"id: 4\n")) == []
    assert reader.last_id == "3"
    assert list(reader.feed(b"\n")) == []
    assert reader.last_id == "4"


def take(client: Client, count: int, **asked: Any) -> list[Event]:
    events = client.follow(**asked)
    return [next(iter(events)) for _ in range(count)]


def test_listener_outlives_the_service_and_misses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "FIRST_PAUSE_SECONDS", 0.2)
    with (
        Service(tmp_path / "data", tmp_path) as service,
        Client(service.url, api_key=SERVICE_KEY, retries=60) as client,
    ):
        client.buckets.create("news")
        bucket = client.bucket("news")
        heard: list[Event] = []
        first = threading.Event()

        def listen() -> None:
            for event in client.follow(after=0, bucket="news", prefix="a/"):
                heard.append(event)
                first.set()
                if event.key == "a/3":
                    return

        listener = threading.Thread(target=listen)
        listener.start()
        bucket.put("a/1", b"1")
        bucket.put("b/1", b"1")
        assert first.wait(60)
        service.kill_all()
        service.start(60)
        bucket.put("a/2", b"22")
        bucket.put("a/3", b"333")
        listener.join(60)
        assert [(event.event, event.key, event.size) for event in heard] == [
            ("object.created", "a/1", 1),
            ("object.created", "a/2", 2),
            ("object.created", "a/3", 3),
        ]
        assert [event.id for event in heard] == sorted({event.id for event in heard})
        with pytest.raises(NotFound):
            take(client, 1, bucket="no-such-bucket")
