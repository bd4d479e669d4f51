"""Access keys: how they are made and limited, what the ring finds, and what a limited key may never do."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_service.app.core.errors import (
    AccessDenied,
    AccessKeyExists,
    InvalidArgument,
    NoSuchAccessKey,
    ServiceUnavailable,
    StorageError,
)
from storage_service.app.core.key_making import (
    check_key,
    make_key,
    parse_key,
    parse_record,
    parse_scope,
    render_record,
    revoked,
)
from storage_service.app.core.keys import AccessKey, Keyring
from storage_service.app.core.objects import Bucket, BucketOptions
from storage_service.app.core.security import (
    ACTIONS,
    KEY_ACTIONS,
    LIMITED,
    Action,
    KeyScope,
    Place,
    Principal,
    authorize,
    may_see,
)

OWNER = "ann@example.org"
PHOTOS = Bucket(1, "0199-uuid", "photos", OWNER, 1, 0, 0)
OTHERS = Bucket(2, "0199-other", "others", OWNER, 1, 0, 0)


class InMemory:
    """Key records of a test."""

    def __init__(self, *keys: AccessKey) -> None:
        self.kept = {key.access_key: key for key in keys}
        self.changes = 0
        self.used: dict[str, int] = {}
        self.broken = False

    def all(self) -> list[AccessKey]:
        if self.broken:
            raise OSError(5, "Input/output error")
        return list(self.kept.values())

    def add(self, key: AccessKey) -> None:
        if key.access_key in self.kept:
            raise AccessKeyExists("there")
        self.kept[key.access_key] = key
        self.changes += 1

    def replace(self, key: AccessKey) -> None:
        if key.access_key not in self.kept:
            raise NoSuchAccessKey("gone")
        self.kept[key.access_key] = key
        self.changes += 1

    def generation(self) -> int:
        return self.changes

    def last_used(self) -> Mapping[str, int]:
        return self.used

    def note_used(self, used: Mapping[str, int]) -> None:
        if self.broken:
            raise OSError(28, "No space left on device")
        self.used |= used


def key_of(owner: str = OWNER, **options: Any) -> AccessKey:
    return make_key(owner, frozenset({owner, "ann"}), **{"scope": None, **options})


# The ring


async def test_ring_finds_a_key_with_its_principal() -> None:
    key = key_of()
    ring = Keyring(InMemory(key))
    await ring.refresh()
    found = ring.find(key.access_key)
    assert found is not None
    assert found[0].secret == key.secret
    assert (found[1].kind, found[1].subject) == ("user", OWNER)
    assert found[1].ids == {OWNER, "ann"}
    assert ring.find("another") is None


async def test_ring_is_stale_after_every_change_and_forgets_revoked_keys() -> None:
    key = key_of()
    records = InMemory(key)
    ring = Keyring(records)
    stale = [ring.stale]
    await ring.refresh()
    stale.append(ring.stale)
    records.replace(revoked(key))
    stale.append(ring.stale)
    await ring.refresh()
    assert stale == [True, False, True]
    assert ring.find(key.access_key) is None


async def test_many_who_find_it_stale_read_once() -> None:
    records = InMemory(key_of())
    ring = Keyring(records)
    reads = []
    found = records.all
    records.all = lambda: reads.append(1) or found()  # type: ignore[method-assign,func-returns-value]
    await asyncio.gather(*(ring.refresh() for _ in range(20)))
    assert len(reads) == 1


async def test_root_key_needs_no_record_and_wins_over_one() -> None:
    stored = replace(key_of(), access_key="ROOT")
    ring = Keyring(InMemory(stored), AccessKey("ROOT", "root-secret", "@service"))
    await ring.refresh()
    found = ring.find("ROOT")
    assert found is not None
    assert (found[0].secret, found[1].admin, found[1].subject) == ("root-secret", True, "@service")


async def test_keys_of_admins_are_admin() -> None:
    key = key_of()
    for admins, admin in (([OWNER], True), (["ann"], True), (["bob"], False)):
        ring = Keyring(InMemory(key), admins=admins)
        await ring.refresh()
        found = ring.find(key.access_key)
        assert found is not None
        assert found[1].admin is admin


async def test_records_that_cannot_be_read_close_the_door() -> None:
    records = InMemory(key_of())
    records.broken = True
    ring = Keyring(records)
    with pytest.raises(ServiceUnavailable):
        await ring.refresh()
    assert ring.stale


async def test_uses_are_written_down_together_but_not_the_roots() -> None:
    key = key_of()
    records = InMemory(key)
    ring = Keyring(records, AccessKey("ROOT", "root-secret", "@service"))
    for at_ms in (5, 9):
        ring.note_use(key.access_key, at_ms)
        ring.note_use("ROOT", at_ms)
    await ring.save_uses()
    assert records.used == {key.access_key: 9}
    records.broken = True
    ring.note_use(key.access_key, 11)
    await ring.save_uses()
    assert records.used == {key.access_key: 9}


# Making


def test_made_keys_look_like_awss_and_differ() -> None:
    made = [key_of() for _ in range(50)]
    assert {(len(key.access_key), len(key.secret)) for key in made} == {(20, 40)}
    assert all(key.access_key.isalnum() and key.access_key.upper() == key.access_key for key in made)
    assert len({key.access_key for key in made} | {key.secret for key in made}) == 100


def test_secret_does_not_stand_in_what_is_logged() -> None:
    key = key_of()
    assert key.secret not in repr(key)
    assert key.secret not in repr(key.principal)


@pytest.mark.parametrize(
    "changed",
    [
        {"access_key": "ab"},
        {"access_key": "with/slash"},
        {"access_key": "with:colon"},
        {"access_key": "x" * 129},
        {"access_key": "ключ"},
        {"secret": "short"},
        {"secret": "with\nline-break"},
        {"owner": ""},
        {"description": "x" * 1025},
        {"description": "\x1b[2J"},
        {"expires_ms": 1},
    ],
)
def test_key_that_cannot_be_one_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        check_key(replace(key_of(), **changed))


@pytest.mark.parametrize(
    ("text", "owner", "scope"),
    [
        ("key:secret-key", "@service", None),
        ("key:secret-key:ann", "ann", None),
        ("key:secret-key:ann:rw", "ann", None),
        ("key:secret-key:ann:r", "ann", KeyScope((), frozenset({"read", "list"}))),
        ("key:secret-key:ann:w:photos", "ann", KeyScope((Place("photos"),), frozenset({"write", "delete"}))),
        ("key:secret-key::rw:photos/a/b:c/", "@service", KeyScope((Place("photos", "a/b:c/"),))),
    ],
)
def test_key_in_one_line(text: str, owner: str, scope: KeyScope | None) -> None:
    key = parse_key(text)
    assert (key.access_key, key.secret, key.owner, key.scope) == ("key", "secret-key", owner, scope)


def test_key_in_json() -> None:
    key = parse_key(
        {
            "access_key": "backup",
            "secret_key": "secret:with,signs",
            "owner": "ann",
            "buckets": ["photos/2026/", "docs"],
            "actions": ["read", "list"],
            "description": "nightly",
        }
    )
    assert key.scope == KeyScope((Place("photos", "2026/"), Place("docs")), frozenset({"read", "list"}))
    assert (key.secret, key.description) == ("secret:with,signs", "nightly")


@pytest.mark.parametrize(
    "value",
    [
        "key",
        "key:short",
        "key:secret-key:ann:rx",
        "key:secret-key:ann:rw:UPPER",
        {"access_key": "key"},
        {"access_key": "key", "secret_key": "secret-key", "bucket": "photos"},
        {"access_key": "key", "secret_key": "secret-key", "buckets": "photos"},
        {"access_key": "key", "secret_key": "secret-key", "actions": ["fly"]},
        7,
    ],
)
def test_unreadable_key_is_refused_without_its_secret(value: object) -> None:
    with pytest.raises(InvalidArgument) as raised:
        parse_key(value)
    assert "secret-key" not in raised.value.detail


PLACES = st.tuples(st.sampled_from(["photos", "docs"]), st.text(max_size=8)).map(lambda pair: Place(*pair))
SCOPES = st.none() | st.builds(
    KeyScope,
    st.lists(PLACES, max_size=3).map(tuple),
    st.frozensets(st.sampled_from(sorted(KEY_ACTIONS)), min_size=1),
)


@given(SCOPES, st.text(max_size=20), st.none() | st.integers(0, 2**50), st.none() | st.integers(0, 2**50))
def test_record_says_all(
    scope: KeyScope | None, description: str, expires_ms: int | None, revoked_ms: int | None
) -> None:
    key = replace(key_of(), scope=scope, description=description, expires_ms=expires_ms, revoked_ms=revoked_ms)
    assert parse_record(render_record(key)) == key


@pytest.mark.parametrize(
    "damage", [{"format": 2}, {"scope": {}}, {"scope": {"buckets": None, "actions": []}}, {"ids": None}, {"id": ...}]
)
def test_damaged_record_is_no_key_without_limits(damage: dict[str, Any]) -> None:
    record = render_record(key_of(scope=KeyScope((Place("photos"),)))) | damage
    if damage.get("id") is ...:
        del record["id"]
    with pytest.raises((KeyError, TypeError, ValueError)):
        parse_record(record)


def test_revoked_key_has_no_secret_and_keeps_its_first_date() -> None:
    key = revoked(key_of())
    assert (key.secret, key.holds(0)) == ("", False)
    assert revoked(key).revoked_ms == key.revoked_ms


# Limits


def limited(*places: str, actions: tuple[str, ...] = (), admin: bool = False) -> Principal:
    return Principal("user", OWNER, frozenset({OWNER}), admin=admin, limits=parse_scope(places, actions))


def allows(principal: Principal, action: Action, bucket: Bucket | None, key: str | None = None) -> bool:
    try:
        authorize(principal, action, bucket, key)
    except StorageError as error:
        assert isinstance(error, AccessDenied)
        return False
    return True


@pytest.mark.parametrize("action", ACTIONS)
def test_limits_never_widen(action: Action) -> None:
    stranger = Principal("user", "bob", frozenset({"bob"}))
    for bucket in (PHOTOS, replace(PHOTOS, options=BucketOptions(public=True))):
        narrowed = replace(stranger, limits=KeyScope((Place("photos"),)))
        assert allows(stranger, action, bucket, "a") >= allows(narrowed, action, bucket, "a")


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("admin", [False, True])
def test_key_of_one_bucket_reaches_no_other(action: Action, admin: bool) -> None:
    assert not allows(limited("photos", admin=admin), action, OTHERS, "a")


@pytest.mark.parametrize("action", ["admin", "read_metrics", "manage_keys", "create_bucket"])
def test_limited_key_of_an_admin_is_no_admin(action: Action) -> None:
    assert not allows(limited("photos", admin=True), action, None)


# Action -> what a key must hold for it, with a bucket `photos` and the key `dir/a`, limited to a prefix or not.
@pytest.mark.parametrize(
    ("action", "holds"),
    [
        ("read_object", "read"),
        ("read_object_meta", "read"),
        ("write_object", "write"),
        ("write_object_meta", "write"),
        ("delete_object", "delete"),
        ("list_objects", "list"),
    ],
)
def test_key_needs_action_and_prefix(action: Action, holds: str) -> None:
    for held in sorted(KEY_ACTIONS):
        assert allows(limited("photos/dir/", actions=(held,)), action, PHOTOS, "dir/a") is (held == holds)
    whole = limited("photos/dir/")
    assert allows(whole, action, PHOTOS, "dir/")
    for outside in ("di", "dir", "Dir/a", "other/dir/a", "", None):
        assert not allows(whole, action, PHOTOS, outside)


@pytest.mark.parametrize("action", ["update_bucket", "delete_bucket", "write_config", "read_config"])
def test_key_of_a_prefix_does_not_touch_the_bucket(action: Action) -> None:
    assert allows(limited("photos"), action, PHOTOS)
    assert not allows(limited("photos/dir/"), action, PHOTOS)


def test_limited_key_sees_its_buckets_only() -> None:
    assert allows(limited("photos"), "list_buckets", None)
    assert not allows(limited("photos", actions=("read",)), "list_buckets", None)
    assert may_see(limited("photos/dir/"), PHOTOS)
    assert not may_see(limited("photos", admin=True), OTHERS)
    assert may_see(limited(actions=("read",)), OTHERS)


def test_every_action_is_placed() -> None:
    assert set(ACTIONS) - set(LIMITED) == {"manage_keys", "read_metrics", "admin"}
