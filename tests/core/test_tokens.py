"""Tokens: what is accepted, who comes of it, and every trick we know (S3 of the test bench)."""

import json
from base64 import b64encode, urlsafe_b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st
from jose import jws

from storage_service.app.core.errors import Unauthenticated
from storage_service.app.core.tokens import (
    CACHED_TOKENS,
    CLOCK_SKEW_SECONDS,
    MAX_TOKEN_BYTES,
    TokenVerifier,
)

SECRET = "a secret of this test and of nothing else, 0123456789"
NOW = 1_800_000_000
UUID = "0b9f2f6e-7c1d-4b0e-9f53-0d6b3a6f2c11"
RSA_KEY = rsa.generate_private_key(65537, 2048)
PRIVATE_PEM = RSA_KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
PUBLIC_KEY = RSA_KEY.public_key()
PUBLIC_PEM = PUBLIC_KEY.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


class Clock:
    """Seconds since 1970, moved by hand."""

    def __init__(self) -> None:
        self.at = float(NOW)

    def __call__(self) -> float:
        return self.at


def verifier(**options: Any) -> TokenVerifier:
    return TokenVerifier(SECRET, **{"now": lambda: float(NOW)} | options)


def signed(claims: object, key: str = SECRET, algorithm: str = "HS256", **header: Any) -> str:
    payload: Any = claims if isinstance(claims, dict) else json.dumps(claims).encode()
    return str(jws.sign(payload, key, headers=header, algorithm=algorithm))


def good(**changes: Any) -> dict[str, Any]:
    claims = {"sub": "ann@example.org", "exp": NOW + 60} | changes
    return {name: value for name, value in claims.items() if value is not None}


def part(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def raw(header: object, claims: object, signature: bytes = b"x" * 32) -> str:
    return f"{part(header)}.{part(claims)}.{part(signature)}"


def hmac_with_public_key() -> str:
    """HS256 over the public PEM: jose refuses to make it, so it is made by hand."""
    import hashlib  # noqa: PLC0415
    import hmac  # noqa: PLC0415

    text = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(good())}"
    return f"{text}.{part(hmac.digest(PUBLIC_PEM.encode(), text.encode(), hashlib.sha256))}"


TRICKS = {
    "alg none without signature": f"{part({'alg': 'none'})}.{part(good())}.",
    "alg none with a signature": raw({"alg": "none"}, good()),
    "alg nOnE": raw({"alg": "nOnE"}, good()),
    "alg missing": raw({"typ": "JWT"}, good()),
    "alg a list": raw({"alg": ["HS256"]}, good()),
    "alg an object": raw({"alg": {"a": "HS256"}}, good()),
    "alg null": raw({"alg": None}, good()),
    "signed with RS256": signed(good(), PRIVATE_PEM, "RS256"),
    "HS256 keyed with a public key": hmac_with_public_key(),
    "HS512 with the right key": signed(good(), algorithm="HS512"),
    "HS384 with the right key": signed(good(), algorithm="HS384"),
    "another key": signed(good(), "another secret of the same length, 0123456789 0123456"),
    "an empty key": raw({"alg": "HS256"}, good()),
    "unknown crit": signed(good(), crit=["exp-strict"]),
    "crit of b64": signed(good(), crit=["b64"], b64=False),
    "empty crit": signed(good(), crit=[]),
    "null crit": signed(good(), crit=None),
    "no exp": signed(good(exp=None)),
    "exp null": signed({"sub": "ann@example.org", "exp": None}),
    "exp text": signed(good(exp=str(NOW + 60))),
    "exp true": signed(good(exp=True)),
    "exp infinite": signed({"sub": "ann", "exp": float("inf")}),
    "exp not a number": signed({"sub": "ann", "exp": float("nan")}),
    "exp a list": signed(good(exp=[NOW + 60])),
    "expired a second ago": signed(good(exp=NOW - 1)),
    "expires this second": signed(good(exp=NOW)),
    "nbf in the future": signed(good(nbf=NOW + CLOCK_SKEW_SECONDS + 1)),
    "nbf text": signed(good(nbf="now")),
    "nbf null": signed({**good(), "nbf": None}),
    "iat in the future": signed(good(iat=NOW + CLOCK_SKEW_SECONDS + 1)),
    "for another audience": signed(good(aud="billing")),
    "a refresh token": signed(good(token_type="refresh")),
    "kid a path, other key": signed(good(), "x" * 40, kid="../../../../dev/null"),
    "kid an SQL query, other key": signed(good(), "x" * 40, kid="a' UNION SELECT 'x"),
    "jku, other key": signed(good(), "x" * 40, jku="https://attacker.example/jwks.json"),
    "jwk inside, signed with it": signed(good(), "x" * 40, jwk={"kty": "oct", "k": part(b"x" * 40)}),
    "x5u, other key": signed(good(), "x" * 40, x5u="https://attacker.example/cert.pem"),
    "1 MiB": signed(good(pad="x" * 2**20)),
    "a byte over the limit": signed(good()).ljust(MAX_TOKEN_BYTES + 1, "A"),
    "JWE of five parts": ".".join([part({"alg": "dir", "enc": "A256GCM"}), "", "YQ", "YQ", "YQ"]),
    "two parts": ".".join(signed(good()).split(".")[:2]),
    "four parts": signed(good()) + ".YQ",
    "JSON serialisation": json.dumps({"payload": part(good()), "signatures": []}),
    "empty": "",
    "dots": "..",
    "one word": "undefined",
    "NUL": "\0",
    "not ASCII": "é" * 40,
    "surrogate": "\ud800",
    "padded": signed(good()) + "=",
    "newline after": signed(good()) + "\n",
    "space inside": signed(good()).replace(".", " .", 1),
    "junk that lax base64 skips": signed(good())[:-4] + "!" + signed(good())[-4:],
    "header not JSON": raw(b"{", good()),
    "header not UTF-8": raw(b"\xff\xfe", good()),
    "header a list": raw(["HS256"], good()),
    "header nested deeply": raw(b"[" * 5000, good()),
    "claims nested deeply": raw({"alg": "HS256"}, b"[" * 2000),
    "claims a list": signed(["sub", "exp"]),
    "claims a number": signed(7),
    "nobody": signed(good(sub=None)),
    "sub empty": signed(good(sub="")),
    "sub a list": signed(good(sub=["ann"])),
    "sub true": signed(good(sub=True)),
    "sub too long": signed(good(sub="x" * 256)),
    "sub with NUL": signed(good(sub="a\0b")),
    "sub half a surrogate": signed(good(sub="\ud800")),
    "sub of the service": signed(good(sub="@service")),
    "user_id of the service": signed(good(user_id="@service")),
}


@pytest.mark.parametrize("trick", TRICKS)
def test_trick_is_refused_with_the_same_words(trick: str) -> None:
    with pytest.raises(Unauthenticated) as raised:
        verifier().verify(TRICKS[trick])
    assert raised.value.detail == "Invalid authentication credentials"
    assert raised.value.__cause__ is None


@given(st.text(max_size=200) | st.from_regex(r"[\w-]{1,40}\.[\w-]{1,40}\.[\w-]{1,43}"))
def test_garbage_is_refused(token: str) -> None:
    with pytest.raises(Unauthenticated):
        verifier().verify(token)


@given(st.data())
def test_token_changed_in_one_character_is_refused(data: st.DataObject) -> None:
    token = signed(good())
    # The last character of a signature has spare bits; jose's decoder overlooks them.
    at = data.draw(st.integers(0, len(token) - 2))
    other = data.draw(st.characters(codec="utf-8").filter(lambda letter: letter != token[at]))
    with pytest.raises(Unauthenticated):
        verifier().verify(token[:at] + other + token[at + 1 :])


@pytest.mark.parametrize(
    ("claims", "subject", "ids"),
    [
        ({"sub": "ann@example.org"}, "ann@example.org", {"ann@example.org"}),
        ({"sub": UUID}, UUID, {UUID}),
        ({"sub": None, "user_id": UUID}, UUID, {UUID}),
        ({"sub": UUID, "email": "ann@example.org"}, UUID, {UUID, "ann@example.org"}),
        ({"sub": None, "uid": 7, "email": "a@b.c"}, "7", {"7", "a@b.c"}),
        ({"sub": "a", "user_id": "b", "uid": "c", "email": "d"}, "a", {"a", "b", "c", "d"}),
        ({"sub": "Zoë Ω"}, "Zoë Ω", {"Zoë Ω"}),
    ],
)
def test_ids_of_a_token(claims: dict[str, Any], subject: str, ids: set[str]) -> None:
    principal = verifier().verify(signed(good(**claims)))
    assert (principal.kind, principal.subject, principal.ids) == ("user", subject, frozenset(ids))
    assert principal.expires_at == NOW + 60
    assert not principal.admin


B_LOGIN = {"user_id": UUID, "role": "ADMIN", "token_type": "access", "iss": "selfdb", "iat": NOW}


@pytest.mark.parametrize(
    ("claims", "admin"),
    [
        (B_LOGIN, True),
        (B_LOGIN | {"role": "USER"}, False),
        (B_LOGIN | {"role": "admin"}, False),
        (B_LOGIN | {"role": ["ADMIN"]}, False),
        ({"role": "ADMIN"}, False),
        ({"user_id": UUID, "role": "ADMIN"}, False),
        ({"is_superuser": True}, False),
        ({"sub": "root@example.org"}, True),
        ({"email": "root@example.org"}, True),
        ({"sub": "Root@example.org"}, False),
    ],
)
def test_admins(claims: dict[str, Any], admin: bool) -> None:
    keeper = verifier(admins=["root@example.org"])
    assert keeper.verify(signed(good(**claims))).admin is admin


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_only_the_chosen_algorithm_is_accepted(algorithm: str) -> None:
    keeper = verifier(algorithm=algorithm)
    assert keeper.verify(signed(good(), algorithm=algorithm)).subject == "ann@example.org"
    for other in {"HS256", "HS384", "HS512"} - {algorithm}:
        with pytest.raises(Unauthenticated):
            keeper.verify(signed(good(), algorithm=other))


@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_clocks_may_differ_a_little(name: str) -> None:
    token = signed(good(**{name: NOW + CLOCK_SKEW_SECONDS}))
    assert verifier().verify(token).subject == "ann@example.org"


def test_fractions_of_a_second_are_times_too() -> None:
    assert verifier().verify(signed(good(exp=NOW + 0.5))).expires_at == NOW + 0.5


def test_issuer_is_checked_when_one_is_set() -> None:
    keeper = verifier(issuer="selfdb")
    assert keeper.verify(signed(good(iss="selfdb"))).subject == "ann@example.org"
    for issuer in (None, "other", ["selfdb"]):
        with pytest.raises(Unauthenticated):
            keeper.verify(signed(good(iss=issuer)))


def test_previous_secret_is_accepted_and_never_signs() -> None:
    previous = "the secret of last year, 0123456789 0123456789"
    keeper = verifier(previous=previous)
    assert keeper.verify(signed(good(), previous)).subject == "ann@example.org"
    assert verifier().verify(keeper.mint("ann", 60)).subject == "ann"


def test_minted_token_holds_until_its_last_second() -> None:
    clock = Clock()
    keeper = verifier(now=clock, issuer="selfdb")
    token = keeper.mint(UUID, 60, email="ann@example.org")
    assert keeper.verify(token).ids == {UUID, "ann@example.org"}
    clock.at += 59
    assert keeper.verify(token).subject == UUID
    clock.at += 1  # the cached answer must not outlive the token
    with pytest.raises(Unauthenticated):
        keeper.verify(token)


def test_claims_cannot_replace_what_mint_decides() -> None:
    token = verifier().mint("ann", 60, exp=NOW + 10**9)
    assert verifier().verify(token).expires_at == NOW + 60


@pytest.mark.parametrize("subject", ["", "@service", "a\nb", "x" * 256])
def test_mint_refuses_a_subject_it_would_not_accept(subject: str) -> None:
    with pytest.raises(ValueError, match="not an id"):
        verifier().mint(subject, 60)


def test_cache_is_bounded() -> None:
    keeper = verifier()
    for number in range(CACHED_TOKENS + 1):
        keeper._cache[number.to_bytes(4)] = keeper.verify(signed(good()))
    assert len(keeper._cache) == CACHED_TOKENS


def test_refused_tokens_take_no_room_in_the_cache() -> None:
    keeper = verifier()
    for token in TRICKS.values():
        with pytest.raises(Unauthenticated):
            keeper.verify(token)
    assert len(keeper._cache) == 0


@pytest.mark.parametrize("algorithm", ["none", "RS256", "ES256", "hs256", ""])
def test_other_algorithms_cannot_be_configured(algorithm: str) -> None:
    with pytest.raises(ValueError, match="ALGORITHM must be one of"):
        verifier(algorithm=algorithm)


KEY_FILES = {
    "public PEM": PUBLIC_PEM,
    "private PEM": PRIVATE_PEM,
    "PEM on one line": PUBLIC_PEM.replace("\n", "\\n"),
    "DER": b64encode(PUBLIC_KEY.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode(),
    "SSH": PUBLIC_KEY.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode(),
    "JWK": '{"kty": "RSA", "n": "AQAB", "e": "AQAB"}',
}


@pytest.mark.parametrize("form", KEY_FILES)
def test_key_files_are_no_shared_secret(form: str) -> None:
    with pytest.raises(ValueError, match="is a key file"):
        TokenVerifier(KEY_FILES[form])
    with pytest.raises(ValueError, match="is a key file"):
        TokenVerifier(SECRET, previous=KEY_FILES[form])


@pytest.mark.parametrize("secret", ["MII" + "a" * 45, '{"not": "a key"}' * 3, "0" * 64])
def test_secrets_that_only_look_like_key_files_are_taken(secret: str) -> None:
    keeper = TokenVerifier(secret)
    assert keeper.verify(keeper.mint("ann", 60)).subject == "ann"
