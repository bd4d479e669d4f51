import orjson
import pytest

from storage_service.app.core import errors
from storage_service.app.edge.respond import send_bytes, send_empty, send_json, send_problem
from tests.edge.asgi import Client, request


async def test_json_has_type_and_length() -> None:
    client = Client()
    await send_json(client.send, 201, {"a": "€"}, [(b"x-a", b"1")])
    assert client.status == 201
    assert client.headers[b"content-type"] == b"application/json"
    assert int(client.headers[b"content-length"]) == len(client.body)
    assert client.headers[b"x-a"] == b"1"
    assert orjson.loads(client.body) == {"a": "€"}


async def test_bytes_and_empty() -> None:
    client = Client()
    await send_bytes(client.send, 200, b"abc")
    assert (client.body, client.headers) == (b"abc", {b"content-length": b"3"})
    for status, headers in ((204, {}), (304, {}), (200, {b"content-length": b"0"})):
        client = Client()
        await send_empty(client.send, status)
        assert (client.status, client.headers, client.body) == (status, headers, b"")


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("*/*", b"application/json"),
        ("application/json, */*", b"application/json"),
        ("Application/Problem+JSON", b"application/problem+json"),
    ],
)
async def test_problem_is_plain_json_unless_asked(accept: str, content_type: bytes) -> None:
    client = Client()
    asked = request(target=b"/files/%ff", headers=[("accept", accept)], client=client)
    await send_problem(asked, errors.Unauthenticated("Not authenticated"))
    assert client.status == 401
    assert client.headers[b"content-type"] == content_type
    assert client.headers[b"www-authenticate"] == b"Bearer"
    assert client.headers[b"cache-control"] == b"no-store"
    body = orjson.loads(client.body)
    assert body["detail"] == "Not authenticated"
    assert body["instance"] == "/files/%ff"
    assert client.headers[b"x-request-id"].decode() == body["request_id"] == asked.request_id


async def test_faults_that_json_does_not_know_are_written_as_text() -> None:
    client = Client()
    error = errors.ValidationFailed("Invalid", [{"loc": ["body"], "msg": "m", "input": b"x"}])
    await send_problem(request(client=client), error)
    assert client.status == 422
    assert orjson.loads(client.body)["detail"][0]["input"] == "b'x'"


async def test_head_gets_the_head_alone() -> None:
    client = Client()
    await send_problem(request("HEAD", client=client), errors.NoSuchKey())
    assert client.status == 404
    assert int(client.headers[b"content-length"]) > 0
    assert client.body == b""


async def test_not_modified_has_validators_and_no_body() -> None:
    client = Client()
    await send_problem(request(client=client), errors.NotModified("e", 0), [(b"vary", b"Origin")])
    assert (client.status, client.body) == (304, b"")
    assert client.headers[b"etag"] == b'"e"'
    assert b"last-modified" in client.headers
    assert client.headers[b"vary"] == b"Origin"
    assert b"content-type" not in client.headers
    assert b"content-length" not in client.headers
