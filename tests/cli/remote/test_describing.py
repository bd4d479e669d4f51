"""What `cp` and `sync` say of objects besides their bytes."""

import pytest

from storage_service.cli.transfer.said import pairs_of
from tests.cli.remote.conftest import Storage, tree

SAID = [
    *("--content-type", "text/x-odd", "--cache-control", "max-age=7", "--content-encoding", "gzip"),
    *("--content-disposition", 'attachment; filename="x"', "--metadata", "by=Zoë", "--metadata", "n=1=2"),
    *("--tag", "kind=note", "--tag", "empty="),
]
FIELDS = {
    "content_type": "text/x-odd",
    "cache_control": "max-age=7",
    "content_encoding": "gzip",
    "content_disposition": 'attachment; filename="x"',
    "metadata": {"by": "Zoë", "n": "1=2"},
    "tags": {"kind": "note", "empty": ""},
}


def said(storage: Storage, key: str) -> dict[str, object]:
    record = storage.store.head(key).record
    return {name: record[name] for name in FIELDS}


def test_files_trees_and_standard_input_become_what_is_said(storage: Storage) -> None:
    storage.files(**{"t/a.txt": b"1", "t/d/b.txt": b"2"})
    assert storage("cp", "./t/a.txt", f"{storage.bucket}/one", *SAID).code == 0
    assert storage("cp", "-", f"{storage.bucket}/piped", *SAID, stdin=b"3").code == 0
    assert storage("cp", "-r", "./t", f"{storage.bucket}/cp", *SAID).code == 0
    assert storage("sync", "./t", f"{storage.bucket}/sync", *SAID).code == 0
    assert len(storage.listed()) == 6
    assert [key for key in storage.listed() if said(storage, key) != FIELDS] == []


def test_copy_within_the_store_is_described_and_keeps_what_is_not_said(storage: Storage) -> None:
    storage.store.put("a", b"1", metadata={"old": 1}, tags={"kind": "old"}, cache_control="no-store")
    assert storage("cp", f"{storage.bucket}/a", f"{storage.bucket}/b", "--metadata", "new=1").code == 0
    assert storage("cp", f"{storage.bucket}/a", f"{storage.bucket}/c", *SAID).code == 0
    found = said(storage, "b")
    assert (found["metadata"], found["tags"], found["cache_control"]) == ({"new": "1"}, {"kind": "old"}, "no-store")
    assert said(storage, "c") == FIELDS
    assert said(storage, "a")["metadata"] == {"old": 1}


def test_only_what_says_so_already_is_unchanged(storage: Storage) -> None:
    storage.files(**{"t/a": b"1", "t/b": b"2"})
    for words, copied in ((SAID, 2), (SAID, 0), (["--tag", "kind=note"], 2), (["--tag", "kind=note"], 0), ([], 0)):
        assert storage("sync", "./t", storage.bucket, "--json", *words).json["copied"] == copied
    across = ("cp", "-r", f"{storage.bucket}/", f"{storage.bucket}-2/", "--json", "--content-type", "text/x-odd")
    storage.client.buckets.create(f"{storage.bucket}-2")
    assert [storage(*across).json["copied"] for _ in range(2)] == [2, 0]


@pytest.mark.parametrize(
    "words", [["--metadata", "alone"], ["--tag", "=value"], ["--metadata", ""], ["--content-type", "html"]]
)
def test_pair_or_type_that_is_none_is_wrong_usage(storage: Storage, words: list[str]) -> None:
    storage.files(a=b"1")
    assert storage("cp", "./a", f"{storage.bucket}/", *words).code == 2
    assert storage.listed() == []


@pytest.mark.parametrize("target", ["./down", "-"])
def test_local_file_cannot_be_described(storage: Storage, target: str) -> None:
    storage.fill(a=b"1")
    assert storage("cp", f"{storage.bucket}/a", target, "--tag", "a=b").code == 2
    assert tree(storage.here) == {}


def test_pairs_are_read() -> None:
    assert pairs_of(["a=1", "b=", "c==", "a=2"]) == {"a": "2", "b": "", "c": "="}
