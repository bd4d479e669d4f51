"""Ids, names, keys, counters."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from storage_service.app.core.errors import InvalidBucketName, InvalidKey
from storage_service.app.core.objects import Usage, check_bucket_name, check_key, is_uuid, new_id, now_ms, random_hex


def test_ids_are_uuids_of_version_7_that_tell_their_time() -> None:
    before, made, after = now_ms(), UUID(new_id()), now_ms()
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert before <= made.int >> 80 <= after


def test_ids_of_one_millisecond_sort_as_they_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    start = 1_800_000_000_000_000_000
    instants = [start + microseconds * 1000 for microseconds in range(0, 2000, 7)]
    clock = iter(instants)
    monkeypatch.setattr("storage_service.app.core.objects.time.time_ns", lambda: next(clock))
    made = [new_id() for _ in instants]
    assert made == sorted(made)
    assert {UUID(text).int >> 80 for text in made} == {1_800_000_000_000, 1_800_000_000_001}


def test_ids_of_many_threads_are_all_different() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: new_id(), range(1000)))
    assert len(set(made)) == 1000
    assert {len(random_hex()) for _ in range(300)} == {20}


@pytest.mark.parametrize("text", ["", "photos", "0190c2a4", "g190c2a4-6f5e-7000-8000-000000000001"])
def test_text_that_is_no_uuid(text: str) -> None:
    assert not is_uuid(text)


@pytest.mark.parametrize("name", ["abc", "a-b", "a.b", "0.1", "a" * 63, "xn--bcher-kva"])
def test_names_a_bucket_may_bear(name: str) -> None:
    assert check_bucket_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ab",
        "a" * 64,
        "Abc",
        "a_b",
        "-ab",
        "ab-",
        ".ab",
        "ab.",
        "a/b",
        "a b",
        "bücher",
        "abc\n",
        "..",
        "0190c2a4-6f5e-7000-8000-000000000001",
    ],
)
def test_names_no_bucket_may_bear(name: str) -> None:
    with pytest.raises(InvalidBucketName):
        check_bucket_name(name)


@pytest.mark.parametrize("key", ["a", "a/b", "..", "a//b", " ", "\x01", "ü", "\U0010ffff", "x" * 1024, "ü" * 512])
def test_keys_an_object_may_have(key: str) -> None:
    assert check_key(key) == key


@pytest.mark.parametrize("key", ["", "x" * 1025, "ü" * 513, "a\0b", "\ud800"])
def test_keys_no_object_may_have(key: str) -> None:
    with pytest.raises(InvalidKey):
        check_key(key)


def test_counters_add_up_field_by_field() -> None:
    assert Usage(1, 2, 3, 4, 5, 6, 7).plus(Usage(10, 20, 30, 40, 50, 60, 70)) == (11, 22, 33, 44, 55, 66, 77)
    assert Usage(1, 2, 3, 4, 5, 6, 7).plus(Usage()) == Usage(1, 2, 3, 4, 5, 6, 7)
