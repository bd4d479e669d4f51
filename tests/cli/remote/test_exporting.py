"""`storage export`: nothing of an object is lost on the way out."""

import json
from pathlib import Path
from typing import Any

import pytest

from storage_service.client import Client
from storage_service.client.options import PutOptions
from tests.cli.remote.conftest import Storage, tree
from tests.support.service import Service

METADATA = {"title": "Räksmörgås", "pages": 3, "plain": "text"}


def lines(root: Path) -> dict[str, dict[str, Any]]:
    records = [json.loads(line) for line in (root / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    return {record["key"]: record for record in records}


def fill(storage: Storage) -> None:
    storage.fill(**{"a": b"1", "a/b": b"22", "../odd": b"333"})
    said: PutOptions = {"metadata": METADATA, "tags": {"kind": "note"}, "cache_control": "max-age=60"}
    said["content_language"] = "sv"
    storage.store.put("doc.txt", b"text", **said)


def test_export_to_a_directory_has_all_with_a_manifest(storage: Storage) -> None:
    fill(storage)
    assert storage("export", storage.bucket, "./out").out.startswith("4 copied")
    found = lines(storage.here / "out")
    assert {key: (storage.here / "out" / line["path"]).read_bytes() for key, line in found.items()} == {
        key: storage.store.get(key).read() for key in storage.listed()
    }
    assert found["doc.txt"]["path"] == "objects/doc.txt"
    assert (found["doc.txt"]["metadata"], found["doc.txt"]["tags"]) == (METADATA, {"kind": "note"})
    assert (found["doc.txt"]["cache_control"], found["doc.txt"]["content_language"]) == ("max-age=60", "sv")
    assert json.loads((storage.here / "out/bucket.json").read_text())["name"] == storage.bucket


def test_repeated_export_copies_what_is_new(storage: Storage) -> None:
    fill(storage)
    storage("export", storage.bucket, "./out")
    storage.fill(new=b"1")
    assert storage("export", storage.bucket, "./out", "--json").json["copied"] == 1
    assert "new" in lines(storage.here / "out")


def test_export_that_fails_has_no_manifest(storage: Storage) -> None:
    fill(storage)
    storage.files(**{"out/objects": b"in the way"})
    assert storage("export", storage.bucket, "./out").code == 1
    assert not (storage.here / "out/manifest.jsonl").exists()


def test_export_of_a_prefix_has_only_that(storage: Storage) -> None:
    fill(storage)
    assert storage("export", f"{storage.bucket}/a", "./out").code == 0
    assert {*lines(storage.here / "out")} == {"a", "a/b"}


def test_export_to_another_object_store_keeps_what_is_said(
    storage: Storage, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its S3 door is the other object store."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "remotekey")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-remote")
    fill(storage)
    name = f"{storage.bucket}-copy"
    with Client(service.url, token=service.token("tests")) as owner:
        owner.buckets.create(name)
        command = ("export", storage.bucket, f"s3://{name}/from", "--endpoint", service.url, "--json")
        done = storage(*command).json
        assert (done["copied"], done["failed"]) == (4, [])
        copy = owner.bucket(name).head("from/doc.txt")
        assert (copy.tags, copy.content_type) == ({"kind": "note"}, "text/plain")
        assert (copy.metadata["plain"], copy.metadata["pages"]) == ("text", "3")
        assert (copy.record["cache_control"], copy.record["content_language"]) == ("max-age=60", "sv")
        assert owner.bucket(name).get("from/../odd").read() == b"333"
        storage.fill(a=b"changed")
        assert storage(*command).json["copied"] == 1
        assert owner.bucket(name).get("from/a").read() == b"changed"


def test_export_to_a_bucket_that_is_not_there_is_refused(
    storage: Storage, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "remotekey")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-remote")
    done = storage("export", storage.bucket, "s3://no-such-bucket-at-all", "--endpoint", service.url)
    assert (done.code, done.err.count("\n")) == (3, 1)


@pytest.mark.parametrize("target", ["out", "s3://", "-"])
def test_target_that_is_neither_path_nor_bucket_is_wrong_usage(storage: Storage, target: str) -> None:
    assert storage("export", storage.bucket, target).code == 2
    assert tree(storage.here) == {}
