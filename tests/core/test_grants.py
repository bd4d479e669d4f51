"""Access control lists: canned ones, and what each grant lets whom do."""

import pytest

from storage_service.app.core.errors import InvalidArgument
from storage_service.app.core.grants import (
    CANNED,
    ON_BUCKET,
    ON_OBJECT,
    Grant,
    Parties,
    allows,
    are_public,
    canned,
    parse_grants,
    render_grants,
    without_public,
)
from storage_service.app.core.policy.names import KNOWN

ANN, BOB, NO_ONE = frozenset({"ann"}), frozenset({"bob"}), frozenset[str]()
OWN = Parties("ann", "ann")
ANOTHERS = Parties("bob", "ann")  # bob's object in ann's bucket


@pytest.mark.parametrize(
    ("name", "parties", "others"),
    [
        ("private", OWN, ()),
        ("public-read", OWN, (Grant("READ", group="AllUsers"),)),
        ("public-read-write", OWN, (Grant("READ", group="AllUsers"), Grant("WRITE", group="AllUsers"))),
        ("authenticated-read", OWN, (Grant("READ", group="AuthenticatedUsers"),)),
        ("bucket-owner-read", ANOTHERS, (Grant("READ", id="ann"),)),
        ("bucket-owner-full-control", ANOTHERS, (Grant("FULL_CONTROL", id="ann"),)),
        ("bucket-owner-full-control", OWN, ()),
    ],
)
def test_canned_lists(name: str, parties: Parties, others: tuple[Grant, ...]) -> None:
    assert canned(name, parties) == (Grant("FULL_CONTROL", id=parties.owner), *others)


def test_an_unknown_canned_list_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        canned("public", OWN)


@pytest.mark.parametrize("name", CANNED)
def test_grants_survive_json(name: str) -> None:
    assert parse_grants(render_grants(canned(name, ANOTHERS))) == canned(name, ANOTHERS)


@pytest.mark.parametrize(
    ("grant", "ids", "permission", "on_object", "allowed"),
    [
        (Grant("READ", group="AllUsers"), NO_ONE, "s3:listbucket", False, True),
        (Grant("READ", group="AllUsers"), NO_ONE, "s3:getobject", False, False),  # a bucket's list opens no object
        (Grant("READ", group="AllUsers"), NO_ONE, "s3:getobject", True, True),
        (Grant("READ", group="AllUsers"), NO_ONE, "s3:getobjectacl", True, False),
        (Grant("READ", group="AuthenticatedUsers"), NO_ONE, "s3:getobject", True, False),
        (Grant("READ", group="AuthenticatedUsers"), BOB, "s3:getobject", True, True),
        (Grant("READ", group="LogDelivery"), BOB, "s3:getobject", True, False),
        (Grant("READ", id="bob"), BOB, "s3:getobjectversion", True, True),
        (Grant("READ", id="bob"), ANN, "s3:getobject", True, False),
        (Grant("WRITE", id="bob"), BOB, "s3:putobject", False, True),
        (Grant("WRITE", id="bob"), BOB, "s3:putobject", True, False),
        (Grant("WRITE", id="bob"), BOB, "s3:putbucketpolicy", False, False),
        (Grant("READ_ACP", id="bob"), BOB, "s3:getbucketacl", False, True),
        (Grant("WRITE_ACP", id="bob"), BOB, "s3:putobjectacl", True, True),
        (Grant("FULL_CONTROL", id="bob"), BOB, "s3:putobjectacl", True, True),
        (Grant("FULL_CONTROL", id="bob"), BOB, "s3:deletebucket", False, False),
    ],
)
def test_what_a_grant_allows(
    grant: Grant, ids: frozenset[str], permission: str, on_object: bool, allowed: bool
) -> None:
    assert allows([grant], ids, permission, on_object=on_object) is allowed


def test_the_world_is_everyone_and_everyone_with_a_name() -> None:
    public = [name for name in CANNED if are_public(canned(name, OWN))]
    assert public == ["public-read", "public-read-write", "authenticated-read"]
    assert without_public(canned("public-read-write", OWN)) == canned("private", OWN)


def test_grants_speak_of_actions_that_policies_know() -> None:
    for table in (ON_BUCKET, ON_OBJECT):
        assert frozenset().union(*table.values()) <= KNOWN
