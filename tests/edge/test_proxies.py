"""What is believed of a request, and from whom."""

from ipaddress import ip_network
from typing import Any

import pytest

from storage_service.app.edge.accel import PLACE
from storage_service.app.edge.proxies import BELIEVED, Proxies

PROXIES = Proxies([ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")])
FORWARDED = b"x-forwarded-for"


def admitted(peer: str | None, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    scope: dict[str, Any] = {"client": (peer, 1) if peer else None, "scheme": "http", "headers": list(headers)}
    PROXIES.admit(scope)
    return scope


@pytest.mark.parametrize(
    ("peer", "believed"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("2001:db8::7", True),
        ("11.1.2.3", False),
        ("::1", False),
        ("::ffff:11.1.2.3", False),
        ("not an address", False),
        (None, False),
    ],
)
def test_only_peers_of_the_networks_are_believed(peer: str | None, believed: bool) -> None:
    scope = admitted(peer, (FORWARDED, b"192.0.2.7"), (b"x-forwarded-proto", b"https"))
    assert (BELIEVED in scope) is believed
    assert (scope["client"] == ("192.0.2.7", 0), scope["scheme"] == "https") == (believed, believed)


@pytest.mark.parametrize(
    ("said", "client"),
    [
        (b"192.0.2.7", "192.0.2.7"),
        (b"198.51.100.9, 192.0.2.7", "192.0.2.7"),  # what the client says of itself stands first
        (b"192.0.2.7, 10.9.9.9,10.8.8.8", "192.0.2.7"),
        (b"192.0.2.7:5000", "192.0.2.7"),
        (b"[2001:db9::1]:5000", "2001:db9::1"),
        (b"2001:db9::1", "2001:db9::1"),
        (b"10.7.7.7, 10.8.8.8", "10.7.7.7"),  # from within
        (b"192.0.2.7, ::ffff:10.8.8.8", "192.0.2.7"),
        (b"", "10.0.0.1"),
    ],
)
def test_client_is_the_last_who_is_no_proxy(said: bytes, client: str) -> None:
    assert admitted("10.0.0.1", (FORWARDED, said))["client"][0] == client


def test_header_in_two_lines_is_one_list() -> None:
    assert admitted("10.0.0.1", (FORWARDED, b"192.0.2.7"), (FORWARDED, b"10.8.8.8"))["client"][0] == "192.0.2.7"


def test_scheme_that_is_none_is_left_alone() -> None:
    assert admitted("10.0.0.1", (b"x-forwarded-proto", b"gopher"))["scheme"] == "http"


@pytest.mark.parametrize(
    ("peer", "value", "believed"),
    [
        ("10.1.2.3", b"/_storage_blobs/", True),
        ("::ffff:10.1.2.3", b"/_storage_blobs/", True),
        ("2001:db8::7", b"/_storage_blobs/", True),
        ("11.1.2.3", b"/_storage_blobs/", False),
        ("::1", b"/_storage_blobs/", False),
        ("not an address", b"/_storage_blobs/", False),
        (None, b"/_storage_blobs/", False),
        ("10.1.2.3", b"", False),
        ("10.1.2.3", b"/", False),
        ("10.1.2.3", b"_storage_blobs/", False),
        ("10.1.2.3", b"/../etc/", False),
        ("10.1.2.3", b"/somewhere-else/", False),
        ("10.1.2.3", b"@named", False),
    ],
)
def test_gateway_is_believed_from_its_own_address(peer: str | None, value: bytes, believed: bool) -> None:
    scope = admitted(peer, (b"x-storage-accel", value))
    assert (scope.get(PLACE) == value) is believed


def test_request_without_the_header_has_no_place() -> None:
    assert PLACE not in admitted("10.0.0.1", (b"host", b"x"))
