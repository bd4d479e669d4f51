"""`storage keys create | list | revoke`."""

import json

import pytest

from tests.cli.conftest import Store


def made(store: Store, *arguments: str) -> dict[str, str]:
    done = store.service.run("keys", "create", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    record: dict[str, str] = json.loads(done.stdout)
    return record


def listed(store: Store, *arguments: str) -> dict[str, dict[str, object]]:
    done = store.service.run("keys", "list", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return {record["access_key"]: record for record in json.loads(done.stdout)}


def test_created_key_is_printed_as_clients_read_it(store: Store) -> None:
    done = store.service.run("keys", "create")
    first, second = done.stdout.splitlines()
    assert first.startswith("AWS_ACCESS_KEY_ID=") and second.startswith("AWS_SECRET_ACCESS_KEY=")
    assert second.partition("=")[2] not in store.service.run("keys", "list").stdout


@pytest.mark.ci
def test_limits_and_owner_are_kept(store: Store) -> None:
    record = made(store, "--owner", "ann", "--bucket", "photos/2026/", "--allow", "read", "--days", "7")
    kept = listed(store)[record["access_key"]]
    assert (kept["owner"], kept["buckets"], kept["actions"]) == ("ann", ["photos/2026/"], ["read"])
    assert kept["expires_at"] is not None
    assert "secret_key" not in kept


@pytest.mark.ci
def test_revoked_key_is_listed_with_all_only(store: Store) -> None:
    access_key = made(store)["access_key"]
    done = store.service.run("keys", "revoke", access_key)
    assert (done.returncode, done.stdout) == (0, f"{access_key} is revoked.\n")
    assert access_key not in listed(store)
    assert listed(store, "--all")[access_key]["revoked_at"]


@pytest.mark.ci
def test_what_cannot_be_done_is_refused_in_one_line(store: Store) -> None:
    for arguments in (["revoke", "NOSUCHKEY"], ["create", "--allow", "fly"], ["create", "--bucket", "UPPER"]):
        done = store.service.run("keys", *arguments)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1), arguments
