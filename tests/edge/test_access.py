"""Headers -> principal: the contract's precedence as a table, and nothing unknown let through."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_service.app.core.errors import Unauthenticated
from storage_service.app.core.security import (
    ANON_KEY_HOLDER,
    ANONYMOUS,
    SERVICE,
    Principal,
)
from storage_service.app.core.tokens import TokenVerifier
from storage_service.app.edge.access import Access

ANON = "a0" * 32
KEY = "b1" * 32
VERIFIER = TokenVerifier("a secret of this test and of nothing else, 0123456789")
TOKEN = VERIFIER.mint("ann@example.org", 3600)
ANN = VERIFIER.verify(TOKEN)
OLD = VERIFIER.mint("ann@example.org", -1)
ACCESS = Access(VERIFIER, ANON, KEY)
REFUSED = None


def headers(**fields: str | bytes) -> list[tuple[bytes, bytes]]:
    return [
        (name.replace("_", "-").encode(), value if isinstance(value, bytes) else value.encode())
        for name, value in fields.items()
    ]


def bearer(token: str) -> dict[str, Any]:
    return {"authorization": f"Bearer {token}"}


TABLE: list[tuple[str, dict[str, Any], Principal | None]] = [
    ("nothing", {}, ANONYMOUS),
    ("other headers", {"host": "a", "x-amz-date": "b", "cookie": KEY}, ANONYMOUS),
    ("token", bearer(TOKEN), ANN),
    ("scheme in capitals", {"authorization": f"BEARER {TOKEN}"}, ANN),
    ("scheme in small letters, spaces", {"authorization": f" bearer   {TOKEN} "}, ANN),
    ("anon key as apikey", {"apikey": ANON}, ANON_KEY_HOLDER),
    ("anon key as X-API-Key", {"x_api_key": ANON}, ANON_KEY_HOLDER),
    ("anon key as Bearer", bearer(ANON), ANON_KEY_HOLDER),
    ("anon key twice", {"apikey": ANON, "x_api_key": ANON}, ANON_KEY_HOLDER),
    ("service key as X-API-Key", {"x_api_key": KEY}, SERVICE),
    ("service key as Bearer", bearer(KEY), SERVICE),
    ("service key beside anon apikey", {"x_api_key": KEY, "apikey": ANON}, SERVICE),
    ("token wins over apikey", bearer(TOKEN) | {"apikey": ANON}, ANN),
    ("token wins over X-API-Key", bearer(TOKEN) | {"x_api_key": ANON}, ANN),
    ("token wins over the service key", bearer(TOKEN) | {"x_api_key": KEY}, ANN),
    ("token wins over a wrong apikey", bearer(TOKEN) | {"apikey": "wrong"}, ANN),
    ("anon Bearer beside apikey", bearer(ANON) | {"apikey": ANON}, ANON_KEY_HOLDER),
    ("expired token does not sink to anon", bearer(OLD) | {"apikey": ANON}, REFUSED),
    ("expired token does not rise to service", bearer(OLD) | {"x_api_key": KEY}, REFUSED),
    ("wrong apikey", {"apikey": "wrong"}, REFUSED),
    ("service key as apikey", {"apikey": KEY}, REFUSED),
    ("wrong X-API-Key", {"x_api_key": "wrong"}, REFUSED),
    ("wrong apikey beside anon X-API-Key", {"apikey": "wrong", "x_api_key": ANON}, REFUSED),
    ("wrong apikey beside the service key", {"apikey": "wrong", "x_api_key": KEY}, REFUSED),
    ("anon apikey beside wrong X-API-Key", {"apikey": ANON, "x_api_key": "wrong"}, REFUSED),
    ("token as apikey", {"apikey": TOKEN}, REFUSED),
    ("token as X-API-Key", {"x_api_key": TOKEN}, REFUSED),
    ("empty apikey", {"apikey": ""}, REFUSED),
    ("empty X-API-Key", {"x_api_key": ""}, REFUSED),
    ("empty Authorization", {"authorization": ""}, REFUSED),
    ("Bearer without a token", {"authorization": "Bearer"}, REFUSED),
    ("Bearer undefined", bearer("undefined"), REFUSED),
    ("Bearer null beside apikey", bearer("null") | {"apikey": ANON}, REFUSED),
    ("token without a scheme", {"authorization": TOKEN}, REFUSED),
    ("Basic", {"authorization": "Basic YTpi"}, REFUSED),
    ("AWS4", {"authorization": "AWS4-HMAC-SHA256 Credential=a"}, REFUSED),
    ("tab after the scheme", {"authorization": f"Bearer\t{TOKEN}"}, REFUSED),
    ("two tokens in one", {"authorization": f"Bearer {TOKEN}, Bearer {TOKEN}"}, REFUSED),
    ("anon key cut", {"apikey": ANON[:-1]}, REFUSED),
    ("anon key in capitals", {"apikey": ANON.upper()}, REFUSED),
    ("bytes beyond ASCII", {"authorization": b"Bearer \xff\xfe", "apikey": b"\xff"}, REFUSED),
]


@pytest.mark.parametrize(("sent", "principal"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
async def test_credentials_table(sent: dict[str, Any], principal: Principal | None) -> None:
    if principal is not REFUSED:
        assert ACCESS.identify(headers(**sent)) == principal
        assert await ACCESS.resolve(headers(**sent)) == principal
        return
    for attempt in (ACCESS.identify, ACCESS.resolve):
        with pytest.raises(Unauthenticated) as raised:
            answer = attempt(headers(**sent))
            if not isinstance(answer, Principal):
                await answer
        assert raised.value.detail == "Invalid authentication credentials"


@pytest.mark.parametrize("name", ["authorization", "apikey", "x_api_key"])
def test_credential_sent_twice_is_refused(name: str) -> None:
    value = {"authorization": f"Bearer {TOKEN}"}.get(name, ANON)
    with pytest.raises(Unauthenticated):
        ACCESS.identify(headers(**{name: value}) * 2)


@pytest.mark.parametrize("name", ["authorization", "apikey", "x_api_key"])
@pytest.mark.parametrize("value", ["", "None", "Bearer ", "Bearer None", "Bearer", ANON, KEY])
def test_without_keys_no_key_is_right(name: str, value: str) -> None:
    for unset in (None, ""):
        with pytest.raises(Unauthenticated):
            Access(VERIFIER, unset, unset).identify(headers(**{name: value}))


@given(st.binary(max_size=80), st.sampled_from([b"authorization", b"apikey", b"x-api-key"]))
def test_any_other_bytes_are_refused(value: bytes, name: bytes) -> None:
    with pytest.raises(Unauthenticated):
        ACCESS.identify([(name, value)])


class Backend:
    """A look-up that records what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Principal]] = []

    async def __call__(self, token: str, principal: Principal) -> Principal:
        self.asked.append((token, principal))
        return Principal("user", "u-1", principal.ids | {"u-1"}, admin=True)


async def test_backend_is_asked_about_tokens_only() -> None:
    backend = Backend()
    access = Access(VERIFIER, ANON, KEY, backend)
    for sent in ({}, {"apikey": ANON}, {"x_api_key": KEY}, bearer(ANON), bearer(KEY)):
        await access.resolve(headers(**sent))
    assert backend.asked == []
    with pytest.raises(Unauthenticated):
        await access.resolve(headers(**bearer(OLD)))
    assert backend.asked == []
    found = await access.resolve(headers(**bearer(TOKEN), apikey=ANON))
    assert (found.subject, found.admin) == ("u-1", True)
    assert backend.asked == [(TOKEN, ANN)]
