"""SelfDB's WebSocket against a running service, with the client that the websockets library is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from storage_service.app.core.objects import new_id
from tests.realtime.talking import Talk, talking_to
from tests.support.service import ANON_KEY, OWNER, SERVICE_KEY, Service


@contextmanager
def talking(service: Service, token: str | None = None, path: str = "/realtime/ws", **options: Any) -> Iterator[Talk]:
    with talking_to(service.url + path, token, **options) as talk:
        yield talk


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    place: Path = tmp_path_factory.mktemp("realtime")
    with Service(place / "data", place, workers=2) as running:
        yield running


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    with service.client() as client:
        yield client


@pytest.fixture
def bucket(client: httpx.Client) -> str:
    name = f"b-{new_id()[-12:]}"
    client.post("/buckets", json={"name": name, "is_public": False}).raise_for_status()
    return name


def put(client: httpx.Client, bucket: str, key: str) -> None:
    client.put(f"/files/upload-direct/{bucket}/{key}", content=b"hello").raise_for_status()


@pytest.mark.parametrize("path", ["/realtime/ws", "/api/v1/realtime/ws"])
def test_an_upload_is_heard_of_when_it_is_complete(
    service: Service, client: httpx.Client, bucket: str, path: str
) -> None:
    with talking(service, path=path) as talk:
        assert talk.ask(type="authenticate", token=service.token()) == {"type": "connected", "user_id": OWNER}
        assert talk.ask(type="ping") == {"type": "pong"}
        talk.subscribe("files_changes", bucket=bucket)
        put(client, bucket, "a.txt")
        told = talk.hear()
        assert (told["type"], told["subscription_id"], told["data"]["operation"]) == ("database_change", "s", "INSERT")
        record = told["data"]["data"]
        assert (record["bucket_name"], record["object_name"], record["size"]) == (bucket, "a.txt", 5)
        put(client, bucket, "a.txt")
        assert talk.hear()["data"]["operation"] == "UPDATE"
        client.delete(f"/files/{bucket}/a.txt").raise_for_status()
        gone = talk.hear()["data"]
        assert (gone["operation"], gone["old_data"]["object_name"]) == ("DELETE", "a.txt")


def test_each_subscription_hears_of_its_table(service: Service, client: httpx.Client) -> None:
    name = f"t-{new_id()[-12:]}"
    with talking(service, service.token()) as talk:
        talk.subscribe("buckets_changes", "b")
        talk.subscribe("files_changes", "f1", prefix="a/")
        talk.subscribe("files_changes", "f2", bucket=name)
        assert talk.ask(type="unsubscribe", subscription_id="f2") == {"type": "unsubscribed", "subscription_id": "f2"}
        client.post("/buckets", json={"name": name, "is_public": False}).raise_for_status()
        for key in ("b/1", "a/1"):
            put(client, name, key)
        heard = []
        while "f1" not in heard:
            told = talk.hear()
            if told["data"]["data"].get("bucket_name", told["data"]["data"].get("name")) == name:
                heard.append(told["subscription_id"])
        assert heard == ["b", "f1"]


def test_strangers_hear_nothing_of_private_buckets(service: Service, client: httpx.Client, bucket: str) -> None:
    public = f"open-{bucket}"
    client.post("/buckets", json={"name": public, "is_public": True}).raise_for_status()
    with talking(service, ANON_KEY) as anon, talking(service, service.token("stranger@example.org")) as stranger:
        for talk in (anon, stranger):
            talk.subscribe("files_changes", prefix="strangers/")
        put(client, bucket, "strangers/secret")
        put(client, public, "strangers/open")
        for talk in (anon, stranger):
            assert talk.hear()["data"]["data"]["bucket_name"] == public


def test_the_service_key_hears_of_everything(service: Service, client: httpx.Client, bucket: str) -> None:
    with talking(service, SERVICE_KEY) as talk:
        talk.subscribe("files_changes", bucket=bucket)
        put(client, bucket, "a")
        assert talk.hear()["data"]["data"]["object_name"] == "a"


def test_a_credential_in_the_head_is_enough(service: Service, client: httpx.Client, bucket: str) -> None:
    headers = {"Authorization": f"Bearer {service.token()}"}
    with talking(service, additional_headers=headers) as talk:
        talk.subscribe("files_changes", bucket=bucket)
        put(client, bucket, "a")
        assert talk.hear()["data"]["data"]["object_name"] == "a"


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [("/realtime/other", {}, 404), ("/events", {}, 404), ("/realtime/ws", {"Authorization": "Bearer wrong"}, 401)],
)
def test_a_handshake_that_is_refused_has_a_status(
    service: Service, path: str, headers: dict[str, str], status: int
) -> None:
    with pytest.raises(InvalidStatus) as refused, talking(service, path=path, additional_headers=headers):
        pass
    assert refused.value.response.status_code == status


def test_a_token_that_does_not_hold_ends_the_conversation(service: Service) -> None:
    with talking(service) as talk:
        assert talk.ask(type="authenticate", token="wrong")["type"] == "error"
        assert talk.closed() == 4401


def test_nobody_listens_without_saying_who_they_are(service: Service) -> None:
    with talking(service) as talk:
        refused = talk.ask(type="subscribe", subscription_id="s", data={"table": "files_changes"})
        assert refused == {"type": "error", "message": "Not authenticated", "subscription_id": "s"}
        assert talk.closed() == 4401  # after ten seconds


def test_a_conversation_ends_with_its_credential(service: Service, client: httpx.Client, bucket: str) -> None:
    with talking(service, service.token(ttl_seconds=2)) as talk:
        talk.subscribe("files_changes")
        while True:
            put(client, bucket, "a")
            try:
                talk.hear()
            except ConnectionClosed as over:
                assert over.rcvd is not None
                assert over.rcvd.code == 4401
                return


def test_wrong_words_are_told_and_go_on(service: Service) -> None:
    with talking(service, service.token()) as talk:
        for wrong in ("not json", "[]", '{"type":"subscribe","subscription_id":"s","data":{"table":"users"}}'):
            talk.connection.send(wrong)
            assert talk.hear()["type"] == "error"
        assert talk.ask(type="ping") == {"type": "pong"}


def test_too_much_ends_the_conversation(service: Service) -> None:
    for size, code in ((70_000, 1009), (300_000, 1009)):
        with talking(service, service.token()) as talk:
            talk.connection.send("x" * size)
            assert talk.closed() == code
    with talking(service, service.token()) as talk:
        talk.connection.send(b"bytes")
        assert talk.closed() == 1003


def test_a_connection_has_so_many_subscriptions_and_no_more(service: Service) -> None:
    with talking(service, service.token()) as talk:
        for number in range(100):
            talk.subscribe("files_changes", f"s{number}")
        talk.subscribe("buckets_changes", "s1")  # in the place of another
        refused = talk.ask(type="subscribe", subscription_id="one more", data={"table": "files"})
        assert (refused["type"], refused["subscription_id"]) == ("error", "one more")


def test_a_stop_ends_conversations_and_does_not_wait_for_them(tmp_path: Path) -> None:
    with Service(tmp_path / "data", tmp_path) as service, talking(service, service.token()) as talk:
        talk.subscribe("files_changes")
        assert service.stop() == 0
        assert talk.closed() == 1012
