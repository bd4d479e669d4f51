"""The signature doctor names provoked faults, and tells no secret."""

from datetime import timedelta
from ipaddress import ip_network
from typing import Any
from urllib.parse import quote

import pytest

from storage_service.app.core.errors import StorageError
from storage_service.app.edge.proxies import Proxies
from storage_service.app.edge.request import Request
from storage_service.app.s3.auth.doctor import Diagnosis, Doctor
from storage_service.app.s3.auth.failures import FailureLog
from storage_service.app.s3.auth.names import PublicNames
from tests.s3.auth.signed import (
    ACCESS_KEY,
    HOST,
    NOW,
    SECRET,
    V2,
    V4,
    V4_URL,
    authenticator,
    open_ring,
    request_of,
    sign,
    wire,
)

PUBLIC = "http://localhost:8001"
TARGET = f"http://{HOST}/bucket/key"


async def diagnosed(request: Request, region: str | None = None, now: Any = NOW) -> Diagnosis:
    """What the doctor says of a request that was refused."""
    log = FailureLog(now.timestamp)
    auth = authenticator(PUBLIC, now=now, failures=log, region=region)
    with pytest.raises(StorageError):
        await auth.authenticate(request, "bucket", "key")
    (failed,) = log.newest(10)
    return Doctor(await open_ring(), PublicNames([PUBLIC]), 8001, region).diagnose(failed)


def moved(url: str, path: str = "/bucket/key", auth: Any = V4, **headers: str | None) -> Request:
    """Signed for `url`, arriving on `path` with other headers."""
    return wire(sign(auth, url=url), path=path, **headers)


@pytest.mark.parametrize("auth", [V4, V4_URL])
async def test_host_that_a_proxy_tells_elsewhere_is_proved(auth: Any) -> None:
    found = await diagnosed(moved(TARGET, auth=auth, host="storage:8001", x_forwarded_host=HOST))
    assert (found.fault, found.proved, found.line, found.signed, found.arrived) == (
        "host",
        True,
        "host",
        HOST,
        "storage:8001",
    )
    assert found.proxy_line == "proxy_set_header Host $http_host;"


async def test_host_that_nobody_tells_is_what_is_left() -> None:
    found = await diagnosed(moved(TARGET, host="storage_upstream"))
    assert (found.fault, found.proved, found.arrived) == ("host", False, "storage_upstream")
    found = await diagnosed(moved(TARGET, host="storage.default.svc.local", x_forwarded_for="192.0.2.1"))
    assert (found.fault, found.proved) == ("host", False)
    assert "the secret is wrong" in found.advice


@pytest.mark.parametrize(
    ("signed", "arrived"),
    [(f"{HOST}:8443", HOST), (HOST, f"{HOST}:8001"), (f"{HOST}:9000", f"{HOST}:8001")],
)
async def test_port(signed: str, arrived: str) -> None:
    found = await diagnosed(moved(f"http://{signed}/bucket/key", host=arrived))
    assert (found.fault, found.proved, found.signed, found.arrived) == ("port", True, signed, arrived)


@pytest.mark.parametrize(("prefix", "told"), [("/s3", {}), ("/own/path", {"x_forwarded_prefix": "/own/path"})])
async def test_prefix(prefix: str, told: dict[str, str]) -> None:
    found = await diagnosed(moved(f"http://{HOST}{prefix}/bucket/key", **told))
    assert (found.fault, found.proved, found.signed) == ("prefix", True, f"{prefix}/bucket/key")
    assert found.proxy_line == f"proxy_set_header X-Forwarded-Prefix {prefix};"


@pytest.mark.parametrize("trusted", ["192.0.2.0/24", "127.0.0.0/8"])
async def test_proxy_that_nobody_believes_is_told_of(trusted: str) -> None:
    told = {"x_forwarded_prefix": "/own/path", "x_forwarded_host": "www.example.org"}
    request = moved(f"http://{HOST}/own/path/bucket/key", **told)
    Proxies([ip_network(trusted)]).admit(request.scope)
    if trusted.startswith("127"):
        assert (await authenticator(PUBLIC).authenticate(request, "bucket", "key")).access_key == ACCESS_KEY
    else:
        found = await diagnosed(request)
        assert (found.fault, "not in TRUSTED_PROXIES" in found.advice) == ("prefix", True)
    assert "not in TRUSTED_PROXIES" not in (await diagnosed(moved(TARGET, host=f"{HOST}:8001"))).advice


@pytest.mark.parametrize("minutes", [-20, 20])
async def test_clock(minutes: int) -> None:
    found = await diagnosed(wire(sign(V4)), now=NOW + timedelta(minutes=minutes))
    assert (found.fault, found.proved, found.signed) == ("clock", True, "20260524T120000Z")


async def test_url_that_expired() -> None:
    found = await diagnosed(wire(sign(V4_URL, expires=60)), now=NOW + timedelta(minutes=2))
    assert (found.fault, found.signed) == ("expired", "20260524T120100Z")


@pytest.mark.parametrize(
    ("signed", "arrived"),
    [("a%2520b", "a%20b"), ("a%2Bb", "a%20b"), ("dir/", "dir"), ("a%252Fb", "a%2Fb")],
)
async def test_encoding(signed: str, arrived: str) -> None:
    found = await diagnosed(moved(f"http://{HOST}/bucket/{signed}", f"/bucket/{arrived}"))
    assert (found.fault, found.proved, found.line) == ("encoding", True, "path")


async def test_secret() -> None:
    wrong = sign(V4, url=f"{PUBLIC}/bucket/key", secret="another-secret-altogether")
    found = await diagnosed(wire(wrong))
    assert (found.fault, found.proved) == ("secret", False)
    for auth in (V2, V4):  # under a name that nobody declared, and no proxy in sight
        found = await diagnosed(wire(sign(auth, secret="another-secret-altogether")))
        assert (found.fault, found.proved) == ("secret", False)


@pytest.mark.parametrize("auth", [V4, V4_URL])
async def test_region(auth: Any) -> None:
    found = await diagnosed(wire(sign(auth, region="eu-west-1")), region="us-east-1")
    assert (found.fault, found.proved, found.signed, found.arrived) == ("region", True, "eu-west-1", "us-east-1")


@pytest.mark.parametrize("auth", [V4, V4_URL])
async def test_unsigned_header(auth: Any) -> None:
    found = await diagnosed(wire(sign(auth, "PUT"), x_amz_acl="public-read"))
    assert (found.fault, found.proved, found.line) == ("unsigned header", True, "x-amz-acl")


async def test_signed_header_that_was_changed_or_removed() -> None:
    signed = sign(V4, headers={"Accept-Encoding": "identity"})
    if "accept-encoding" in signed.headers["Authorization"]:
        found = await diagnosed(wire(signed, accept_encoding="gzip"))
        assert (found.fault, found.proved, found.line) == ("header", True, "accept-encoding")
    signed = sign(V4, "PUT", headers={"x-amz-meta-note": "1"})
    found = await diagnosed(wire(signed, x_amz_meta_note=None))
    assert (found.fault, found.line) == ("header", "x-amz-meta-note")


async def test_method() -> None:
    signed = sign(V4, "HEAD")
    signed.method = "GET"
    found = await diagnosed(wire(signed))
    assert (found.fault, found.proved, found.signed, found.arrived) == ("method", True, "HEAD", "GET")


async def test_unknown_key_and_what_cannot_be_read() -> None:
    assert (await diagnosed(wire(sign(V4, access_key="UNKNOWN")))).fault == "access key"
    assert (await diagnosed(wire(sign(V4), authorization="AWS4-HMAC-SHA256 nonsense"))).fault == "malformed"


async def test_neither_secrets_nor_other_credentials_are_kept() -> None:
    canary = "canary-of-a-secret"
    log = FailureLog(NOW.timestamp)
    headers = {"x-amz-server-side-encryption-customer-key": canary}
    signed = wire(sign(V4, "PUT", headers=headers, secret="wrong-secret"), cookie=canary, apikey=canary)
    bearer = request_of("GET", b"/bucket/key", {"host": HOST, "authorization": f"Bearer {canary}"})
    for request in (signed, bearer):
        with pytest.raises(StorageError):
            await authenticator(PUBLIC, failures=log).authenticate(request, "bucket", "key")
    doctor = Doctor(await open_ring(), PublicNames([PUBLIC]), 8001)
    said = [(failed, doctor.diagnose(failed)) for failed in log.newest(10)]
    assert len(said) == 2
    assert canary not in repr(said)
    assert SECRET not in repr(said)
    signature = signed.headers[b"authorization"].decode().rpartition("Signature=")[2]
    assert all(signature not in repr(diagnosis) for _, diagnosis in said)


async def test_memory_is_bounded() -> None:
    log = FailureLog(NOW.timestamp)
    for _ in range(200):
        request = wire(sign(V4, secret="wrong-secret"), x_padding="x" * 100_000)
        with pytest.raises(StorageError):
            await authenticator(failures=log).authenticate(request, "bucket", "key")
    kept = log.newest(1000)
    assert len(kept) == 64
    assert sum(len(value) for failed in kept for _, value in failed.headers) < 64 * 8192


async def test_diagnosis_names_the_key_and_shows_what_arrived() -> None:
    found = await diagnosed(moved(TARGET, path=f"/bucket/{quote('key')}", host="storage:8001", x_forwarded_host=HOST))
    assert found.access_key == ACCESS_KEY
    assert found.canonical.startswith("GET\n/bucket/key\n\nhost:storage:8001\n")
    assert found.advice
