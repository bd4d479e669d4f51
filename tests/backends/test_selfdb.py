"""The SelfDB backend's word about users and files, over a transport that answers in its place."""

import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from storage_service.app.backends.selfdb import (
    MAX_CACHED_SECONDS,
    PAUSE_SECONDS,
    BackendUsers,
    backend_client,
)
from storage_service.app.core.errors import BackendUnavailable, Unauthenticated
from storage_service.app.core.security import Principal

NOW = 1_800_000_000.0
UUID = "0b9f2f6e-7c1d-4b0e-9f53-0d6b3a6f2c11"
FILE = "7d0a4c1e-2b7f-4f0c-8a55-1f2e3d4c5b6a"
ANN = Principal("user", "ann@example.org", frozenset({"ann@example.org"}), expires_at=NOW + 3600)
MINTED = Principal("user", UUID, frozenset({UUID}), expires_at=NOW + 3600)
USER = {"id": UUID, "email": "ann@example.org", "is_active": True, "is_superuser": False}

Answer = Callable[[httpx.Request], httpx.Response]


class World:
    """A backend with a clock moved by hand. `answer` may be replaced between calls."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.at = NOW
        self.requests: list[httpx.Request] = []
        client = httpx.AsyncClient(base_url="http://backend:8000/inner", transport=httpx.MockTransport(self._handle))
        self.users = BackendUsers(client, admins=["boss@example.org"], now=lambda: self.at)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answer(request)


def says(status: int = 200, **user: Any) -> Answer:
    return lambda _: httpx.Response(status, json=USER | user)


def fails(error: type[httpx.TransportError]) -> Answer:
    def answer(request: httpx.Request) -> httpx.Response:
        raise error("no", request=request)

    return answer


async def test_login_token_gets_the_id_of_its_user() -> None:
    world = World(says())
    found = await world.users.lookup("token", ANN)
    assert found.subject == UUID
    assert found.ids == {UUID, "ann@example.org"}
    assert (found.kind, found.admin, found.expires_at) == ("user", False, ANN.expires_at)
    (request,) = world.requests
    assert request.url == "http://backend:8000/inner/api/v1/users/me"
    assert request.headers["authorization"] == "Bearer token"


@pytest.mark.parametrize(
    ("user", "admin"),
    [
        ({"is_superuser": True}, True),
        ({"is_superuser": "true"}, False),
        ({"is_superuser": 1}, False),
        ({"is_superuser": None}, False),
        ({"id": "ANN", "email": "ANN@example.org"}, False),
    ],
)
async def test_superuser_is_true_or_nothing(user: dict[str, Any], admin: bool) -> None:
    assert (await World(says(**user)).users.lookup("token", ANN)).admin is admin


async def test_admin_named_by_an_id_that_only_the_backend_knows() -> None:
    world = World(says(email="boss@example.org"))
    assert (await world.users.lookup("token", MINTED)).admin


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_login_the_backend_refuses_is_refused_and_remembered(status: int) -> None:
    world = World(says(status))
    for _ in range(2):
        with pytest.raises(Unauthenticated, match="Invalid authentication credentials"):
            await world.users.lookup("token", ANN)
    assert len(world.requests) == 1


async def test_inactive_user_is_refused() -> None:
    with pytest.raises(Unauthenticated):
        await World(says(is_active=False)).users.lookup("token", ANN)


@pytest.mark.parametrize("status", [401, 404])
async def test_token_minted_by_the_backend_needs_no_login_there(status: int) -> None:
    assert await World(says(status)).users.lookup("token", MINTED) == MINTED


async def test_answer_about_another_user_is_not_believed(caplog: pytest.LogCaptureFixture) -> None:
    world = World(says(id=FILE, email="bob@example.org", is_superuser=True))
    assert await world.users.lookup("token", ANN) == ANN
    assert "another user" in caplog.text


async def test_answer_is_kept_at_most_300_seconds_and_per_token() -> None:
    world = World(says())
    await world.users.lookup("token", ANN)
    await world.users.lookup("other", ANN)
    world.at += MAX_CACHED_SECONDS - 1
    world.answer = says(is_active=False)
    assert (await world.users.lookup("token", ANN)).subject == UUID
    assert len(world.requests) == 2
    world.at += 1
    with pytest.raises(Unauthenticated):
        await world.users.lookup("token", ANN)


async def test_answer_does_not_outlive_the_token() -> None:
    world = World(says())
    short = Principal("user", ANN.subject, ANN.ids, expires_at=NOW + 5)
    await world.users.lookup("token", short)
    world.at += 5
    await world.users.lookup("token", short)
    assert len(world.requests) == 2


AWAY: list[tuple[str, Answer]] = [
    ("refused", fails(httpx.ConnectError)),
    ("slow", fails(httpx.ReadTimeout)),
    ("broken off", fails(httpx.RemoteProtocolError)),
    ("500", says(500, is_superuser=True)),
    ("502", says(502)),
    ("429", says(429)),
    ("redirect", lambda _: httpx.Response(302, headers={"location": "http://elsewhere/"})),
    ("not JSON", lambda _: httpx.Response(200, text="<html>")),
    ("a list", lambda _: httpx.Response(200, json=[USER])),
]


@pytest.mark.parametrize("answer", [row[1] for row in AWAY], ids=[row[0] for row in AWAY])
async def test_without_the_backend_the_own_ids_of_the_token_stand(answer: Answer) -> None:
    assert await World(answer).users.lookup("token", ANN) == ANN


async def test_dead_backend_is_asked_once_and_again_after_a_pause(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(fails(httpx.ConnectTimeout))
    with caplog.at_level(logging.WARNING):
        for number in range(5):
            assert await world.users.lookup(f"token {number}", ANN) == ANN
    assert len(world.requests) == len(caplog.records) == 1
    assert "token" not in caplog.text
    world.answer = says()
    world.at += PAUSE_SECONDS
    assert (await world.users.lookup("token 0", ANN)).subject == UUID


async def test_file_id_is_placed_with_the_credentials_of_the_caller() -> None:
    info = {
        "file_metadata": {"bucket_name": "photos", "object_name": "7d0a.jpg"},
        "download_url": "",
    }
    world = World(lambda _: httpx.Response(200, json=info))
    headers = [(b"apikey", b"key"), (b"authorization", b"Bearer t"), (b"cookie", b"c")]
    assert await world.users.download_info(FILE, headers) == ("photos", "7d0a.jpg")
    (request,) = world.requests
    assert request.url == f"http://backend:8000/inner/api/v1/files/{FILE}/download-info"
    assert (request.headers["apikey"], request.headers["authorization"]) == ("key", "Bearer t")
    assert "cookie" not in request.headers


@pytest.mark.parametrize("status", [401, 403, 404, 422])
async def test_file_id_the_backend_does_not_tell_is_unknown(status: int) -> None:
    assert await World(says(status)).users.download_info(FILE, []) is None


@pytest.mark.parametrize("file_id", ["cat.jpg", "../users/me", "", "7d0a4c1e/../x", FILE + "/.."])
async def test_backend_is_asked_about_ids_only(file_id: str) -> None:
    world = World(says())
    assert await world.users.download_info(file_id, []) is None
    assert world.requests == []


@pytest.mark.parametrize(
    "answer",
    [
        *[row[1] for row in AWAY],
        says(),
        lambda _: httpx.Response(200, json={"file_metadata": None}),
        lambda _: httpx.Response(200, json={"file_metadata": {"bucket_name": "photos"}}),
        lambda _: httpx.Response(200, json={"file_metadata": {"bucket_name": 1, "object_name": "a"}}),
    ],
)
async def test_silence_about_a_file_is_not_taken_for_absence(answer: Answer) -> None:
    with pytest.raises(BackendUnavailable):
        await World(answer).users.download_info(FILE, [])


async def test_client_waits_seconds_not_minutes_and_uses_no_proxy_of_the_environment() -> None:
    async with backend_client("http://backend:8000") as client:
        assert client.timeout == httpx.Timeout(2.0)
        assert not client.trust_env and not client.follow_redirects
