"""Commands that look, make and delete: their effects are looked up through the API."""

from datetime import UTC, datetime

import httpx
import pytest

from storage_service.cli.completion import complete_bucket, complete_stored
from storage_service.client import NotFound
from tests.cli.remote.conftest import Storage
from tests.support.service import OWNER, SERVICE_KEY, Service


def test_bucket_is_made_set_shown_and_deleted(storage: Storage) -> None:
    name = f"{storage.bucket}-made"
    assert storage("buckets", "create", name, "--public", "--quota", "1M").code == 0
    found = storage.client.buckets.get(name)
    assert (found.public, found.record["quota_bytes"]) == (True, 2**20)
    done = storage(
        "buckets", "set", name, "--private", "--quota", "none", "--max-object", "2k", "--allow-type", "image/*"
    )
    assert done.code == 0
    record = storage.client.buckets.get(name).record
    assert (record["is_public"], record["quota_bytes"], record["max_object_bytes"]) == (False, None, 2048)
    assert record["allowed_mime_types"] == ["image/*"]
    assert "max object   2.0 KiB" in storage("buckets", "info", name).out
    assert name in {row["name"] for row in storage("buckets", "list", "--json").json}
    assert storage("buckets", "delete", name).code == 0
    with pytest.raises(NotFound):
        storage.client.buckets.get(name)


def test_bucket_with_files_is_deleted_only_by_force(storage: Storage) -> None:
    storage.fill(a=b"1")
    refused = storage("buckets", "delete", storage.bucket)
    assert (refused.code, refused.err.count("\n")) == (3, 1)
    assert storage.listed() == ["a"]
    assert storage("buckets", "delete", storage.bucket, "--force").code == 0


def test_set_without_a_change_is_wrong_usage(storage: Storage) -> None:
    assert storage("buckets", "set", storage.bucket).code == 2


def test_ls_shows_a_level_or_all(storage: Storage) -> None:
    storage.fill(**{"a.txt": b"12345", "d/b": b"1", "d/e/c": b"1"})
    level = storage("ls", storage.bucket).out.splitlines()
    assert [line.split()[-1] for line in level] == ["a.txt", "d/"]
    assert "5 B" in level[0]
    deep = storage("ls", "-r", f"{storage.bucket}/d/").out.splitlines()
    assert [line.split()[-1] for line in deep] == ["d/b", "d/e/c"]
    records = storage("ls", storage.bucket, "--json").json
    assert (records[0]["object_name"], records[0]["size"], records[1]) == ("a.txt", 5, {"prefix": "d/"})
    assert storage.bucket in storage("ls").out


def test_ls_of_nothing_is_told_from_an_empty_bucket(storage: Storage) -> None:
    assert storage("ls", storage.bucket) == (0, "", "")
    assert storage("ls", storage.bucket, "--json").json == []
    assert storage("ls", f"{storage.bucket}/none").code == 1
    assert storage("ls", "no-such-bucket").code == 1


def test_cat_writes_the_bytes(storage: Storage) -> None:
    storage.fill(a=b"\x00\xff1", b=b"2")
    done = storage("cat", f"{storage.bucket}/b", f"{storage.bucket}/b")
    assert (done.code, done.out) == (0, "22")
    missing = storage("cat", f"{storage.bucket}/none")
    assert (missing.code, missing.out) == (1, "")
    assert missing.err.startswith("storage: ")


def test_du_adds_up(storage: Storage) -> None:
    storage.fill(**{"a": b"123", "d/b": b"12", "d/e/c": b"1"})
    rows = storage("du", storage.bucket, "--json", "--depth", "2").json
    assert [(row["prefix"], row["files"], row["bytes"]) for row in rows] == [("d/", 2, 3), ("d/e/", 1, 1), ("", 3, 6)]
    assert storage("du", f"{storage.bucket}/d/", "--depth", "0").out.split() == [
        "3",
        "B",
        "2",
        "files",
        f"{storage.bucket}/d/",
    ]


def test_find_takes_what_meets_all_criteria(storage: Storage) -> None:
    storage.fill(**{"a.jpg": b"1" * 2000, "d/b.jpg": b"1"})
    storage.store.put("d/c.txt", b"text", tags={"kind": "note"})

    def found(*criteria: str) -> list[str]:
        return [line.partition("/")[2] for line in storage("find", storage.bucket, *criteria).out.splitlines()]

    assert found("--name", "*.jpg") == ["a.jpg", "d/b.jpg"]
    assert found("--name", "d/*") == ["d/b.jpg", "d/c.txt"]
    assert found("--name", "*.jpg", "--smaller", "1k") == ["d/b.jpg"]
    assert found("--larger", "1k", "--newer", "1h") == ["a.jpg"]
    assert found("--older", "1h") == []
    assert found("--type", "text/*") == ["d/c.txt"]
    assert found("--tag", "kind=note") == found("--tag", "kind") == ["d/c.txt"]
    assert storage("find", storage.bucket, "--name", "none").code == 1
    assert storage("find", storage.bucket, "--name", "a*", "--print0").out == f"{storage.bucket}/a.jpg\0"


def test_rm_deletes_what_is_named_and_keeps_neighbours(storage: Storage) -> None:
    storage.fill(**{"d": b"1", "d/a": b"1", "d/b/c": b"1", "d-other": b"1", "x": b"1"})
    assert storage("rm", f"{storage.bucket}/x").code == 0
    assert storage("rm", "-r", f"{storage.bucket}/d", "--dry-run").code == 0
    assert storage.listed() == ["d", "d-other", "d/a", "d/b/c"]
    assert storage("rm", "-r", f"{storage.bucket}/d").code == 0
    assert storage.listed() == ["d-other"]
    assert storage.store.restore("d/a").size == 1  # it was in the trash


def test_rm_of_a_whole_bucket_wants_a_yes(storage: Storage, service: Service) -> None:
    storage.fill(a=b"1")
    assert storage("rm", storage.bucket).code == 2
    assert storage("rm", "-r", storage.bucket).code == 2
    assert storage.listed() == ["a"]
    assert storage("rm", "-r", storage.bucket, "--yes", "--purge").code == 0
    assert storage.listed() == []
    headers = {"x-api-key": SERVICE_KEY}
    (left,) = httpx.get(f"{service.url}/api/v1/trash/{storage.bucket}", headers=headers).json()["files"]
    kept = datetime.fromisoformat(left["purge_at"]) - datetime.fromisoformat(left["deleted_at"])
    assert kept.total_seconds() <= 60


def test_rm_goes_on_past_what_is_not_there(storage: Storage) -> None:
    storage.fill(a=b"1", b=b"1")
    names = [f"{storage.bucket}/{key}" for key in ("a", "none", "b")]
    done = storage("rm", *names, "--json")
    assert (done.code, done.json["deleted"], [*done.json["failed"]]) == (1, [names[0], names[2]], [names[1]])
    assert storage.listed() == []


@pytest.mark.parametrize("count", [1, 3])
def test_rm_names_what_could_not_be_deleted(storage: Storage, service: Service, count: int) -> None:
    """Of a user who may list another's bucket."""
    storage.client.buckets.update(storage.bucket, is_public=True)
    keys = [f"d/{number}" for number in range(count)]
    storage.fill(**dict.fromkeys(keys, b"1"))
    done = storage("rm", "-r", f"{storage.bucket}/d", "--json", "--token", service.token("stranger"))
    assert (done.code, done.json["deleted"], len(done.json["failed"])) == (1, [], count)
    assert storage.listed() == keys


def test_rm_of_what_is_not_there_has_exit_code_1(storage: Storage) -> None:
    assert storage("rm", f"{storage.bucket}/none").code == 1
    assert storage("rm", "-r", f"{storage.bucket}/none").code == 1


def test_link_downloads_without_a_login_until_it_ends(storage: Storage) -> None:
    storage.fill(**{"a b.txt": b"linked"})
    made = storage("link", f"{storage.bucket}/a b.txt", "--expires", "10m", "--json").json
    assert httpx.get(made["url"]).content == b"linked"
    left = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert 0 < left.total_seconds() <= 600
    assert storage("link", f"{storage.bucket}/none").code == 1


def test_link_to_upload_keeps_its_terms(storage: Storage) -> None:
    url = storage("link", f"{storage.bucket}/new", "--upload", "--max-size", "5", "--once").out.strip()
    assert httpx.put(url, content=b"too large").status_code == 413
    assert httpx.put(url, content=b"right").status_code == 201
    assert httpx.put(url, content=b"again").status_code in {403, 409, 410}
    assert storage.store.get("new").read() == b"right"
    assert storage("link", f"{storage.bucket}/new", "--once").code == 2


def test_permanent_link_says_when_it_reads_for_few(storage: Storage) -> None:
    storage.fill(a=b"open")
    private = storage("link", f"{storage.bucket}/a", "--permanent")
    assert "private" in private.err
    storage("buckets", "set", storage.bucket, "--public")
    public = storage("link", f"{storage.bucket}/a", "--permanent")
    assert (public.err, httpx.get(public.out.strip()).content) == ("", b"open")


def test_usage_tells_each_bucket_and_the_sum(storage: Storage) -> None:
    storage.fill(a=b"12345")
    found = storage("usage", "--json").json
    row = next(row for row in found["buckets"] if row["name"] == storage.bucket)
    assert (row["files"], row["current"]) == (1, 5)
    assert found["total"]["current"] == sum(row["current"] for row in found["buckets"])
    assert storage.bucket in storage("usage").out


def test_demo_fills_a_bucket_once(storage: Storage) -> None:
    name = f"{storage.bucket}-demo"
    done = storage("demo", name, "--json").json
    assert (done["added"], done["files"]) == (20, 20)
    assert httpx.get(done["url"]).headers["content-type"] == "image/png"
    assert storage.client.bucket(name).head("pictures/dusk.png").tags == {"kind": "picture", "time": "dusk"}
    assert storage("demo", name, "--json").json["added"] == 0


def test_commands_act_as_whom_they_are_told(
    storage: Storage, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"{storage.bucket}-of-owner"
    token = service.token()
    assert storage("buckets", "create", name, "--token", token).code == 0
    assert storage.client.buckets.get(name).owner_id == OWNER
    monkeypatch.delenv("STORAGE_TOKEN")
    assert storage("ls", f"{name}/").code == 3  # nobody in particular: a private bucket
    monkeypatch.setenv("SECRET_KEY", "a-secret-for-tests-of-more-than-32-bytes")
    assert storage("ls", f"{name}/").code == 3  # a key of ours is never shown to another address by itself
    assert storage("ls", f"{name}/", "--as", OWNER).code == 0
    assert storage("ls", f"{name}/", "--as", OWNER, "--token", token).code == 3


def test_service_of_this_machine_is_found_by_its_settings(service: Service) -> None:
    done = service.run("ls", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    with service.changed({"STORAGE_SERVICE_API_KEY": ""}):
        nobody = service.run("ls")
        assert (nobody.returncode, nobody.stderr.count("\n")) == (3, 1)
        assert service.run("ls", "--as", OWNER).returncode == 0


def test_dotenv_file_says_where_and_who(storage: Storage, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STORAGE_URL")
    monkeypatch.delenv("STORAGE_TOKEN")
    (storage.here / ".env").write_text(f"STORAGE_URL={service.url}\nSTORAGE_TOKEN={SERVICE_KEY}\n")
    assert storage.bucket in storage("ls").out


def test_address_that_is_none_is_refused_in_one_line(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage_service.client.wire.FIRST_PAUSE_SECONDS", 0.0)
    for url in ("http://[", "localhost:8001", "nonsense"):
        done = storage("ls", "--url", url)
        assert (done.code, done.out, done.err.count("\n")) == (3, "", 1)


def test_shell_completes_buckets_and_keys(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.fill(**{"pictures/cat.jpg": b"1", "pictures/cow.jpg": b"1", "papers": b"1"})
    assert complete_stored(storage.bucket[:-1]).count(f"{storage.bucket}/") == 1
    assert complete_stored(f"{storage.bucket}/p") == [f"{storage.bucket}/papers", f"{storage.bucket}/pictures/"]
    assert complete_stored(f"store:{storage.bucket}/pictures/ca") == [f"store:{storage.bucket}/pictures/cat.jpg"]
    assert complete_bucket(storage.bucket) == [storage.bucket]
    assert complete_stored("no-such-bucket/") == []
    monkeypatch.setenv("STORAGE_URL", "http://127.0.0.1:9")
    assert complete_stored("any") == []


def test_service_that_does_not_answer_is_refused_in_one_line(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage_service.client.wire.FIRST_PAUSE_SECONDS", 0.0)
    done = storage("ls", "--url", "http://127.0.0.1:9")
    assert (done.code, done.out, done.err.count("\n")) == (3, "", 1)
