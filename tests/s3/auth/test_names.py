"""A signature holds under every declared name, and under what a trusted proxy says; under nothing else."""

from ipaddress import ip_network
from typing import Any

import pytest

from storage_service.app.core.errors import SignatureDoesNotMatch
from storage_service.app.edge.proxies import Proxies
from storage_service.app.s3.auth.names import Name, name_of
from tests.s3.auth.signed import ACCESS_KEY, V2, V2_URL, V4, V4_URL, ask, request_of, sign, wire

FORWARDED = {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"}  # as every proxy says it
BEHIND = "storage:8001"  # what a proxy makes of the host


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://files.example.org", Name(b"files.example.org")),
        ("https://files.example.org:443/s3", Name(b"files.example.org", b"/s3")),
        ("http://files.example.org:443", Name(b"files.example.org:443")),
        ("http://localhost:8001", Name(b"localhost:8001")),
        ("http://[::1]:8001/a/b/", Name(b"[::1]:8001", b"/a/b")),
    ],
)
def test_name_of_a_url(url: str, name: Name) -> None:
    assert name_of(url) == name


@pytest.mark.parametrize("auth", [V4, V4_URL])
@pytest.mark.parametrize("public", ["https://files.example.org", "https://example.org/s3", "http://10.0.0.1:9000/a/b"])
async def test_declared_name_verifies_behind_a_proxy(auth: Any, public: str) -> None:
    signed = sign(auth, url=f"{public}/bucket/key")
    behind = wire(signed, path="/bucket/key", host=BEHIND)
    assert (await ask(behind, "http://localhost:8001", public)).access_key == ACCESS_KEY
    with pytest.raises(SignatureDoesNotMatch):
        await ask(wire(signed, path="/bucket/key", host=BEHIND), "http://localhost:8001", "https://other.example.org")


@pytest.mark.parametrize("auth", [V2, V2_URL])
async def test_declared_path_verifies_for_version_2(auth: Any) -> None:
    signed = sign(auth, url="https://example.org/s3/bucket/key")
    behind = wire(signed, path="/bucket/key", host=BEHIND)
    assert (await ask(behind, "https://example.org/s3")).access_key == ACCESS_KEY
    with pytest.raises(SignatureDoesNotMatch):
        await ask(wire(signed, path="/bucket/key", host=BEHIND))


@pytest.mark.parametrize("client", ["10.1.2.3", "203.0.113.9", "not-an-address"])
async def test_forwarded_name_is_believed_from_a_trusted_proxy_only(client: str) -> None:
    signed = sign(V4_URL, url="https://new.example.org/base/bucket/key")
    headers = {"host": BEHIND, "x-forwarded-host": "new.example.org", "x-forwarded-prefix": "/base/"} | FORWARDED
    target = f"/bucket/key?{signed.url.partition('?')[2]}".encode()
    request = request_of("GET", target, headers, client)
    Proxies([ip_network("10.0.0.0/8")]).admit(request.scope)
    if client == "10.1.2.3":
        assert (await ask(request)).access_key == ACCESS_KEY
    else:
        with pytest.raises(SignatureDoesNotMatch):
            await ask(request)
