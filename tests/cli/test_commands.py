"""The commands beside `check`: what they print, their exit codes, with a service and without."""

import json
import subprocess
import sys
import time
from pathlib import Path

import apsw
import httpx
import pytest
from jose import jwt

from tests.cli.conftest import BUCKET, KEYS, Store, body_of
from tests.support.service import ANON_KEY, REPOSITORY, SECRET_KEY, Service

CAT = "2024/cat.jpg"


def test_help_does_not_load_the_service() -> None:
    code = "import sys, storage_service.cli.main; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"fastapi", "pydantic", "apsw", "httpx", "uvicorn"}
    assert not [name for name in loaded if name.startswith("storage_service.app")]


@pytest.mark.ci
def test_wrong_usage_has_its_own_exit_code(store: Store) -> None:
    for arguments in (["nonsense"], ["where", "no-slash"], ["token"], ["view"], ["token", "me", "--claim", "bare"]):
        assert store.service.run(*arguments).returncode == 2, arguments


@pytest.mark.ci
def test_directory_without_a_store_is_refused_in_one_line(tmp_path: Path) -> None:
    service = Service(tmp_path / "nothing", tmp_path)
    for command in ("check", "settle", "reindex", "where", "view"):
        arguments = {"where": ["photos/a"], "view": ["--rebuild"]}.get(command, [])
        done = service.run(command, *arguments)
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr.startswith(f"storage: {tmp_path}/nothing holds no storage yet")
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "nothing").exists()


def test_service_that_is_down_is_not_healthy(store: Store) -> None:
    done = store.service.run("health")
    assert done.returncode == 1
    assert done.stdout.startswith("down, not ready (http://127.0.0.1:")


@pytest.mark.ci
def test_service_that_is_ready_is_healthy(store: Store) -> None:
    with store.service as service:
        done = service.run("health")
        assert (done.returncode, done.stdout) == (0, f"healthy, ready ({service.url})\n")


@pytest.mark.ci
def test_problems_are_shown_and_count_with_strict(store: Store) -> None:
    (store.data / ".storage/lost_after.json").write_text('{"lost_after": 7}')
    with store.service as service:
        done = service.run("health")
        assert (done.returncode, done.stdout.splitlines()[0]) == (0, f"degraded, ready ({service.url})")
        assert "change 7" in done.stdout
        assert service.run("health", "--strict").returncode == 1


@pytest.mark.ci
def test_settle_without_a_service_settles(store: Store) -> None:
    with store.service as service:
        for jobs in service.pids("jobs"):
            service.kill(jobs.pid)
        with service.client() as client:
            client.put(f"/files/upload-direct/{BUCKET}/late", content=b"late").raise_for_status()
        service.kill_all()
        done = service.run("settle")
        assert (done.returncode, done.stdout) == (0, "Everything is settled.\n")
    assert (store.data / BUCKET / "late").read_bytes() == b"late"


@pytest.mark.ci
def test_settle_gives_up_at_its_timeout(store: Store) -> None:
    connection = apsw.Connection(str(store.data / ".storage/catalog.db"))
    with store.service as service:
        connection.execute("INSERT INTO journal(at_ms,bucket,op,actor,doc,failures) VALUES(1,1,'put','','{',4)")
        connection.execute("UPDATE journal SET failures=0 WHERE doc IS NOT NULL")
        started = time.monotonic()
        done = service.run("settle", "--wait", "--timeout", "0.1")
        assert time.monotonic() - started < 5.0
        assert (done.returncode, done.stdout) == (1, "")
        assert "1 changes" in done.stderr
        connection.execute("DELETE FROM journal WHERE doc IS NOT NULL")
        connection.close()


def test_where_names_the_files(store: Store) -> None:
    found = store.where(CAT)
    assert Path(found["blob"]).read_bytes() == body_of(CAT)
    assert json.loads(Path(found["sidecar"]).read_text())["key"] == CAT
    assert Path(found["view"]) == store.data / BUCKET / CAT
    assert (found["state"], found["deleted"], found["not_shown"]) == ("settled", False, None)
    done = store.service.run("where", f"{BUCKET}/{CAT}")
    assert done.stdout.startswith(f"blob     {found['blob']}\n")


@pytest.mark.ci
def test_where_says_why_a_key_is_not_shown(store: Store) -> None:
    with store.service as service, service.client() as client:
        for key in ("a//b", "deep", "deep/er"):
            client.put(f"/files/upload-direct/{BUCKET}/{key}", content=b"x").raise_for_status()
        service.run("settle", "--wait")
    assert store.where("a//b")["not_shown"] == "this key cannot be a file name"
    assert [store.where(key)["view"] is None for key in ("deep", "deep/er")].count(True) == 1  # a file or a directory


@pytest.mark.ci
def test_where_finds_what_is_in_the_trash_and_tells_absent_keys(store: Store) -> None:
    with store.service as service, service.client() as client:
        client.delete(f"/files/{BUCKET}/{CAT}").raise_for_status()
        service.run("settle", "--wait")
        found = store.where(CAT)
        assert (found["deleted"], found["view"]) == (True, None)
        done = service.run("where", f"{BUCKET}/absent")
        assert (done.returncode, done.stderr) == (1, f"storage: there is no object {BUCKET}/absent\n")


def test_token_is_accepted_and_carries_its_claims(store: Store) -> None:
    done = store.service.run("token", "ada@example.org", "--ttl", "60", "--claim", "role=USER", "--claim", "n=3")
    claims = jwt.decode(done.stdout.strip(), SECRET_KEY, algorithms=["HS256"])
    assert (claims["sub"], claims["role"], claims["n"]) == ("ada@example.org", "USER", 3)
    assert claims["exp"] - claims["iat"] == 60
    with store.service as service:
        headers = {"authorization": f"Bearer {done.stdout.strip()}"}
        answer = httpx.post(f"{service.url}/buckets", headers=headers, json={"name": "hers"})
        assert (answer.status_code, answer.json()["owner_id"]) == (201, "ada@example.org")


@pytest.mark.parametrize("arguments", [["@service"], [""], ["me", "--days", "0"]])
def test_token_for_nobody_is_refused(store: Store, arguments: list[str]) -> None:
    done = store.service.run("token", *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)


def test_keys_are_masked_unless_revealed(store: Store) -> None:
    masked = store.service.run("keys").stdout
    assert SECRET_KEY not in masked
    assert f"{SECRET_KEY[:4]}... ({len(SECRET_KEY)} characters)" in masked
    revealed = store.service.run("keys", "--reveal").stdout
    assert f"SECRET_KEY={SECRET_KEY}\n" in revealed
    assert f"ANON_KEY={ANON_KEY}\n" in revealed


@pytest.mark.ci
def test_view_is_rebuilt_and_strangers_stay(store: Store) -> None:
    for key in KEYS[:2]:
        (store.data / BUCKET / key).unlink()
    mine = store.data / BUCKET / "mine.txt"
    mine.write_bytes(b"mine")
    stale = store.data / BUCKET / "old-name"
    stale.hardlink_to(store.blob("note.txt"))
    done = store.service.run("view", "--rebuild")
    assert done.stdout.startswith(f"{len(KEYS)} names, 2 of them new; 0 keys cannot be file names\n")
    assert (done.returncode, mine.read_bytes()) == (1, b"mine")
    assert "view_foreign: photos/mine.txt" in done.stdout
    for key in KEYS:
        assert (store.data / BUCKET / key).read_bytes() == body_of(key)


@pytest.mark.ci
def test_view_is_rebuilt_beside_a_service(store: Store) -> None:
    with store.service as service:
        (store.data / BUCKET / CAT).unlink()
        done = service.run("view", "--rebuild")
        assert (done.returncode, done.stdout) == (
            0,
            f"{len(KEYS)} names, 1 of them new; 0 keys cannot be file names\n",
        )


@pytest.mark.ci
def test_reindex_makes_the_catalog_from_sidecars(store: Store) -> None:
    connection = apsw.Connection(str(store.data / ".storage/catalog.db"))
    connection.execute("DELETE FROM objects")
    connection.close()
    assert ("row_missing", CAT) in store.codes()
    done = store.service.run("reindex")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{len(KEYS)} versions read in ")
    assert store.codes("--deep") == set()
    assert list((store.data / ".storage").glob("catalog-aside-*.db"))


@pytest.mark.ci
def test_reindex_keeps_what_was_never_settled(store: Store) -> None:
    with store.service as service:
        for jobs in service.pids("jobs"):
            service.kill(jobs.pid)
        with service.client() as client:
            client.put(f"/files/upload-direct/{BUCKET}/late", content=b"late").raise_for_status()
        service.kill_all()
        done = service.run("reindex")
        assert (done.returncode, done.stderr.count("lost")) == (0, 0), done.stderr
        service.start()
        assert httpx.get(f"{service.url}/storage/{BUCKET}/late").content == b"late"


@pytest.mark.ci
def test_reindex_is_refused_while_a_service_runs(store: Store) -> None:
    with store.service as service:
        done = service.run("reindex")
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
        assert "is already served by another process" in done.stderr
