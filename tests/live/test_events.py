"""`GET /events` of a running service: from every worker, in order, again after a break, and never to strangers."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.live.listening import ENDED, Listener
from tests.support.service import ANON_KEY, Service

WAIT_SECONDS = 60.0


def put(client: httpx.Client, bucket: str, key: str, body: bytes = b"hello") -> None:
    client.put(f"/files/upload-direct/{bucket}/{key}", content=body).raise_for_status()


def read_to_the_end(client: httpx.Client, **query: object) -> str:
    found = client.get("/events", params={"follow": "false", **{name: str(value) for name, value in query.items()}})
    assert found.status_code == 200, found.text
    return found.text


def test_a_listener_hears_what_happens_in_the_words_of_the_contract(client: httpx.Client, bucket: str) -> None:
    with Listener(client, f"/events?bucket={bucket}") as heard:
        assert heard.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert heard.headers["cache-control"] == "no-store"
        put(client, bucket, "a/ü.txt")
        client.delete(f"/files/{bucket}/a/ü.txt").raise_for_status()
        event = heard.until(event="object.created")
        version = event.pop("version_id")
        assert event.pop("id") > 0
        assert event.pop("at").endswith("Z")
        assert len(version) == len(event.pop("file_id")) == len(event.pop("bucket_id")) == 36
        assert event == {
            "event": "object.created",
            "bucket": bucket,
            "key": "a/ü.txt",
            "size": 5,
            "etag": "5d41402abc4b2a76b9719d911017c592",
            "content_type": "text/plain",
        }
        assert heard.until(event="object.deleted")["version_id"] == version


def test_every_listener_hears_all_whichever_worker_did_it(service: Service, bucket: str) -> None:
    """Connections are dealt to two workers by chance: eight listeners and twenty connections reach both."""
    clients = [service.client() for _ in range(8)]
    try:
        listeners = [Listener(client, f"/events?bucket={bucket}&prefix=k") for client in clients]
        for listener in listeners:
            listener.__enter__()
        for number in range(20):
            with service.client() as writer:
                put(writer, bucket, f"k{number:02d}")
        for listener in listeners:
            keys = [listener.next()["key"] for _ in range(20)]
            assert keys == [f"k{number:02d}" for number in range(20)]
    finally:
        for client in clients:
            client.close()


def test_a_prefix_leaves_out_everything_else(client: httpx.Client, bucket: str) -> None:
    with Listener(client, f"/events?bucket={bucket}&prefix=a/") as heard:
        for key in ("b", "a/1", "ab", "a/2"):
            put(client, bucket, key)
        assert [heard.next()["key"], heard.next()["key"]] == ["a/1", "a/2"]


def test_nobody_hears_of_what_they_may_not_list(service: Service, client: httpx.Client, bucket: str) -> None:
    open_bucket = f"open-{bucket}"
    client.post("/buckets", json={"name": open_bucket, "is_public": True}).raise_for_status()
    put(client, bucket, "secret")
    put(client, open_bucket, "known")
    wait_for(client, open_bucket, "known")
    with service.client("stranger@example.org") as stranger, httpx.Client(base_url=service.url) as nobody:
        for caller in (stranger, nobody):
            text = read_to_the_end(caller)
            assert open_bucket in text
            assert f'"{bucket}"' not in text
            assert caller.get(f"/events?bucket={bucket}").status_code == 403
        assert nobody.get("/events", headers={"authorization": "Bearer wrong"}).status_code == 401
        assert nobody.get(f"/events?token={service.token()}&bucket={bucket}").status_code == 403
        assert nobody.get("/events", params={"follow": "false"}, headers={"apikey": ANON_KEY}).status_code == 200
    assert client.get("/events?bucket=none-such").status_code == 404


def wait_for(client: httpx.Client, bucket: str, key: str) -> None:
    """Until the feed has it."""
    deadline = time.monotonic() + WAIT_SECONDS
    while f'"key":"{key}"' not in read_to_the_end(client, bucket=bucket):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_whoever_comes_again_is_told_what_was_missed(client: httpx.Client, bucket: str) -> None:
    path = f"/events?bucket={bucket}"
    with Listener(client, path) as heard:
        put(client, bucket, "first")
        heard.until(key="first")
    for key in ("second", "third"):
        put(client, bucket, key)
    with Listener(client, path, {"Last-Event-ID": str(heard.last_id)}) as again:
        put(client, bucket, "fourth")
        assert [again.next()["key"] for _ in range(3)] == ["second", "third", "fourth"]


@pytest.mark.parametrize("wrong", ["x", "-1", "1" * 30])
def test_an_id_that_is_none_of_ours_is_refused(client: httpx.Client, wrong: str) -> None:
    found = client.get("/events", headers={"Last-Event-ID": wrong})
    assert (found.status_code, found.json()["code"]) == (400, "invalid_argument")


def test_a_stream_of_the_future_is_told_to_begin_anew(client: httpx.Client) -> None:
    with Listener(client, "/events", {"Last-Event-ID": "900000000"}) as heard:
        reset = heard.next()
        assert reset["event"] == "reset"
        assert reset["from"] == reset["id"] + 1 < 900000000


def test_head_of_the_stream_is_its_head_alone(client: httpx.Client) -> None:
    found = client.head("/events")
    assert (found.status_code, found.content) == (200, b"")
    assert found.headers["content-type"].startswith("text/event-stream")


def test_a_stream_ends_with_its_credential(service: Service) -> None:
    with (
        httpx.Client(
            base_url=service.url, headers={"authorization": f"Bearer {service.token(ttl_seconds=3)}"}
        ) as brief,
        service.client() as owner,
        Listener(brief, "/events") as heard,
    ):
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:  # it is looked at with each batch
            owner.post("/buckets", json={"name": f"t{time.time_ns()}"}).raise_for_status()
            if heard.next() == ENDED:
                return
    raise AssertionError("it outlived its credential")


def test_the_feed_goes_on_over_kills_and_restarts(tmp_path: Path) -> None:
    """A worker dies, then all of them: whoever resumes by id hears of every acknowledged file once, in order."""
    with Service(tmp_path / "data", tmp_path, workers=2) as service, service.client() as client:
        client.post("/buckets", json={"name": "films", "is_public": False}).raise_for_status()
        keys = [f"k{number}" for number in range(9)]
        heard: list[str] = []
        last: str | None = "0"
        for round_number in range(3):
            done = threading.Event()
            with Listener(client, "/events?bucket=films", {"Last-Event-ID": last or "0"}) as listener:
                for key in keys[3 * round_number : 3 * round_number + 3]:
                    with service.client() as writer:
                        put(writer, "films", key)
                if round_number == 0:
                    for process in service.pids("worker"):
                        service.kill(process.pid)
                elif round_number == 1:
                    service.kill_all()
                    service.start()
                else:
                    done.set()
                heard += take(listener, keys[-1] if done.is_set() else None)
                last = listener.last_id
            service.wait_until_ready(WAIT_SECONDS)
        assert heard == keys


def take(listener: Listener, until: str | None) -> list[str]:
    """Keys up to this one, or up to the end."""
    found: list[str] = []
    while (event := listener.next()) != ENDED:
        if event["key"] is not None:
            found.append(event["key"])
        if event["key"] == until and until is not None:
            break
    return found


def test_a_stop_does_not_wait_for_listeners(tmp_path: Path) -> None:
    with Service(tmp_path / "data", tmp_path) as service, service.client() as client:
        with Listener(client, "/events") as heard:
            assert service.stop() == 0
            assert heard.next() == ENDED
        assert "killed" not in service.log_tail()
