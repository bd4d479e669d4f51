"""Signed links: whole or refused, for every grant and every changed character."""

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from typing import get_args

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_service.app.core.errors import AccessDenied, InvalidArgument, LinkExpired
from storage_service.app.core.links import LABEL, LinkGrant, LinkSigner, Method
from storage_service.app.core.objects import MAX_KEY_BYTES, new_id
from storage_service.app.core.tokens import TokenVerifier

SECRET = "a secret of this test and of nothing else, 0123456789"
NOW = 1_800_000_000
SIGNER = LinkSigner([SECRET])
GRANT = LinkGrant(new_id(), "2024/cat.jpg", "PUT", NOW + 60)
FULL = replace(
    GRANT,
    max_bytes=5 * 2**30,
    content_type="image/jpeg",
    once=new_id(),
    uploader="0b9f2f6e-7c1d-4b0e-9f53-0d6b3a6f2c11",
    file_id=new_id(),
    overwrite=False,
    disposition="inline",
)
KEYS = st.text(min_size=1, max_size=250).filter(lambda key: len(key.encode()) <= MAX_KEY_BYTES)
GRANTS = st.builds(
    LinkGrant,
    bucket=st.uuids().map(str),
    key=KEYS,
    method=st.sampled_from(get_args(Method)),
    expires_at=st.integers(NOW + 1, 2**40),
    max_bytes=st.none() | st.integers(0, 2**50),
    content_type=st.none() | st.text(max_size=80),
    once=st.none() | st.uuids().map(str),
    uploader=st.text(max_size=80),
    file_id=st.none() | st.uuids().map(str),
    overwrite=st.booleans(),
    disposition=st.sampled_from([None, "inline", "attachment"]),
)


@given(GRANTS)
def test_grant_comes_back_as_it_was_signed(grant: LinkGrant) -> None:
    token = SIGNER.sign(grant)
    assert SIGNER.verify(token, NOW) == grant
    assert re.fullmatch(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}", token, re.ASCII)


@given(st.data())
def test_link_changed_in_one_character_is_refused(data: st.DataObject) -> None:
    token = SIGNER.sign(FULL)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda letter: letter != token[at]))
    with pytest.raises(AccessDenied):
        SIGNER.verify(token[:at] + other + token[at + 1 :], NOW)


@given(st.data())
def test_shortened_or_lengthened_link_is_refused(data: st.DataObject) -> None:
    token = SIGNER.sign(GRANT)
    end = data.draw(st.integers(0, len(token) - 1))
    for other in (token[:end], token[end + 1 :], token + data.draw(st.text(min_size=1))):
        with pytest.raises(AccessDenied):
            SIGNER.verify(other, NOW)


@given(st.text(max_size=200))
def test_garbage_is_refused(token: str) -> None:
    with pytest.raises(AccessDenied) as raised:
        SIGNER.verify(token, NOW)
    assert raised.value.detail == "This link is not valid"


def test_every_character_of_the_signature_counts() -> None:
    token = SIGNER.sign(GRANT)
    # Two base64 spellings of the last byte, the second with spare bits set.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]
    assert urlsafe_b64decode(twin[-43:] + "=") == urlsafe_b64decode(token[-43:] + "=")
    with pytest.raises(AccessDenied):
        SIGNER.verify(twin, NOW)


def test_link_ends_at_its_instant() -> None:
    token = SIGNER.sign(GRANT)
    assert SIGNER.verify(token, GRANT.expires_at - 0.001) == GRANT
    with pytest.raises(LinkExpired, match="This link has expired"):
        SIGNER.verify(token, GRANT.expires_at)


def test_changed_and_expired_link_is_refused_as_changed() -> None:
    token = SIGNER.sign(GRANT)
    with pytest.raises(AccessDenied):
        SIGNER.verify(token[:-1] + ("A" if token[-1] != "A" else "E"), NOW + 10**6)


def test_previous_secret_is_accepted_and_never_signs() -> None:
    previous = "the secret of last year, 0123456789 0123456789"
    both = LinkSigner([SECRET, previous])
    assert both.verify(LinkSigner([previous]).sign(GRANT), NOW) == GRANT
    assert both.sign(GRANT) == SIGNER.sign(GRANT)
    with pytest.raises(AccessDenied):
        LinkSigner([previous]).verify(both.sign(GRANT), NOW)


def test_link_is_short_and_holds_no_secret() -> None:
    token = SIGNER.sign(replace(FULL, key="k" * 700))
    assert len(token) < 1500
    assert len(SIGNER.sign(FULL)) < 500
    shown = urlsafe_b64decode(token.partition(".")[0] + "==")
    assert SECRET.encode() not in shown + token.encode()


def test_longest_keys_fit_and_what_does_not_is_said() -> None:
    for letter in ("k", "é", "猫", "😺"):
        key = letter * (MAX_KEY_BYTES // len(letter.encode()))
        assert SIGNER.verify(SIGNER.sign(replace(FULL, key=key)), NOW).key == key
    with pytest.raises(InvalidArgument, match="too long for a link"):
        SIGNER.sign(replace(FULL, uploader="u" * 8000))


def test_oversized_token_is_refused_before_it_is_hashed() -> None:
    with pytest.raises(AccessDenied):
        SIGNER.verify("A" * 2**20 + "." + "A" * 43, NOW)


def test_links_and_login_tokens_have_different_keys() -> None:
    head, _, _ = SIGNER.sign(GRANT).partition(".")
    with_login_key = hmac.digest(SECRET.encode(), head.encode(), "sha256")
    forged = f"{head}.{urlsafe_b64encode(with_login_key).rstrip(b'=').decode()}"
    login = TokenVerifier(SECRET).mint("ann", 60)
    for token in (forged, login, login.rpartition(".")[0]):
        with pytest.raises(AccessDenied):
            SIGNER.verify(token, NOW)


@pytest.mark.parametrize("change", [{"v": 2}, {"z": "a limit this release does not know"}], ids=["version", "field"])
def test_link_of_a_newer_release_is_refused_rather_than_half_understood(
    change: dict[str, object],
) -> None:
    text, _, _ = SIGNER.sign(GRANT).partition(".")
    payload = orjson.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4))) | change
    newer = urlsafe_b64encode(orjson.dumps(payload)).rstrip(b"=")
    key = hmac.digest(SECRET.encode(), LABEL, "sha256")
    signature = urlsafe_b64encode(hmac.digest(key, newer, "sha256")).rstrip(b"=")
    with pytest.raises(AccessDenied):
        SIGNER.verify((newer + b"." + signature).decode(), NOW)


@pytest.mark.parametrize(
    ("method", "actions"),
    [
        ("GET", {"read_object", "read_object_meta"}),
        ("PUT", {"write_object"}),
        ("POST", {"write_object"}),
    ],
)
def test_principal_of_a_link(method: Method, actions: set[str]) -> None:
    principal = replace(FULL, method=method).principal
    assert (principal.kind, principal.subject) == ("link", FULL.uploader)
    assert not principal.ids  # it is nobody's owner
    assert principal.scope is not None
    assert (principal.scope.bucket, principal.scope.key) == (FULL.bucket, FULL.key)
    assert principal.scope.actions == actions
    assert principal.expires_at == FULL.expires_at
