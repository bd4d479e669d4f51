import pytest

from storage_service.app.edge.cors import TUS, Cors, is_preflight, requested_headers
from storage_service.app.edge.request import Request
from tests.edge.asgi import Client, request

APP = "https://app.example"


def from_origin(origin: str | None, client: Client | None = None, **extra: str) -> Request:
    named = [(name.replace("_", "-"), value) for name, value in extra.items()]
    return request("OPTIONS", headers=[*([("origin", origin)] if origin else []), *named], client=client)


def test_open_service_lets_any_origin_read_and_says_so_always() -> None:
    headers = dict(Cors().headers(from_origin(None)))
    assert headers[b"access-control-allow-origin"] == b"*"
    assert headers[b"access-control-expose-headers"] == b"*"
    assert b"vary" not in headers


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (APP, True),
        ("https://APP.example", True),
        ("https://evil.example", False),
        (None, False),
        ("null", False),
        (APP + ".evil.example", False),
    ],
)
def test_listed_origins_are_named_and_answers_vary(origin: str | None, allowed: bool) -> None:
    headers = dict(Cors((APP + "/",)).headers(from_origin(origin)))
    assert (b"access-control-allow-origin" in headers) is allowed
    assert headers[b"vary"] == b"Origin"
    if allowed and origin:
        assert headers[b"access-control-allow-origin"] == origin.encode()


async def test_preflight_allows_methods_and_the_headers_asked_for() -> None:
    client = Client()
    asked = from_origin(
        APP,
        client,
        access_control_request_method="PUT",
        access_control_request_headers="X-Own, apikey",
    )
    assert is_preflight(asked)
    await Cors().preflight(asked)
    assert (client.status, client.body) == (204, b"")
    headers = client.headers
    assert headers[b"access-control-allow-origin"] == b"*"
    assert headers[b"access-control-allow-headers"].startswith(b"X-Own, apikey, ")
    assert TUS in headers[b"access-control-allow-headers"]
    assert set(headers[b"access-control-allow-methods"].split(b", ")) == set(
        b"GET PUT POST DELETE PATCH HEAD OPTIONS".split()
    )
    assert int(headers[b"access-control-max-age"]) > 0
    assert b"access-control-allow-credentials" not in headers


def test_preflight_of_a_foreign_origin_gets_no_permission() -> None:
    headers = dict(Cors((APP,)).preflight_headers(from_origin("https://evil.example")))
    assert set(headers) == {b"vary"}


@pytest.mark.parametrize("asked", ["", "a\r\nset-cookie: x", "a b", ",", "a" * 3000, "(x)"])
def test_insane_header_lists_are_not_echoed(asked: str) -> None:
    answer = requested_headers(from_origin(APP, access_control_request_headers=asked))
    assert answer.startswith(b"Authorization, ")


def test_options_without_its_two_headers_is_no_preflight() -> None:
    assert not is_preflight(from_origin(APP))
    assert not is_preflight(from_origin(None, access_control_request_method="PUT"))
