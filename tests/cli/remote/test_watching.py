"""`storage watch`: what it prints of what happens."""

import json

from tests.cli.remote.conftest import Storage


def test_watch_tells_what_happened_in_order(storage: Storage) -> None:
    storage.fill(**{"a": b"1", "d/b": b"22"})
    storage.store.delete("a")
    done = storage("watch", storage.bucket, "--after", "0", "--count", "4", "--json")
    events = [json.loads(line) for line in done.out.splitlines()]
    assert [(event["event"], event["key"]) for event in events] == [
        ("bucket.created", None),
        ("object.created", "a"),
        ("object.created", "d/b"),
        ("object.deleted", "a"),
    ]
    line = storage("watch", f"{storage.bucket}/d/", "--after", str(events[0]["id"]), "--count", "1").out
    assert line.split()[2:] == ["object.created", "2", "B", f"{storage.bucket}/d/b"]


def test_watch_of_a_bucket_that_is_not_there_ends(storage: Storage) -> None:
    assert storage("watch", "no-such-bucket").code == 1
