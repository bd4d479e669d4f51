"""R3: the catalog is lost, cut, scribbled over or old, and is made again from the sidecars."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import apsw
import httpx
import pytest

from tests.power.bench import SMALL_DISK
from tests.power.door import Door
from tests.power.filled import BUCKET, compare, delete_all, fill, make_bucket, put_all, settle
from tests.support.model import ABSENT
from tests.support.service import Service

pytestmark = pytest.mark.timeout(900)

PAGE_BYTES: Final = 4096
OBJECTS: Final = 150
MANY_OBJECTS: Final = 1500  # enough for the rebuild to be seen at work
PATHS: Final = ("/files/download/filled/dir0/key00000", "/files/list/filled", "/buckets")


def catalog_of(service: Service) -> Path:
    return service.data / ".storage/catalog.db"


def set_aside(service: Service) -> list[Path]:
    """Files of a former catalog that were kept."""
    live = {"catalog.db", "catalog.db-wal", "catalog.db-shm"}
    kept = (service.data / ".storage").rglob("*catalog*")
    return [path for path in kept if path.is_file() and path.name not in live]


def delete_catalog(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def truncate_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 // PAGE_BYTES * PAGE_BYTES)


def truncate_to_nothing(path: Path) -> None:
    os.truncate(path, 0)


def truncate_inside_a_page(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1000)


def overwrite_pages(path: Path) -> None:
    random_ = random.Random(3)
    with path.open("r+b") as file:
        pages = path.stat().st_size // PAGE_BYTES
        for page in random_.sample(range(1, pages), k=min(12, pages - 1)):
            file.seek(page * PAGE_BYTES)
            file.write(random_.randbytes(PAGE_BYTES))


def overwrite_head(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(os.urandom(100))


def foreign_database(path: Path) -> None:
    path.write_bytes(b"this is no database\n" * 500)


def reads_whole(catalog: Path, scratch: Path) -> bool:
    """Whether SQLite finds no fault in a copy: after a kill the WAL may hold every page that was damaged."""
    scratch.mkdir()
    for path in catalog.parent.glob("catalog.db*"):
        shutil.copy(path, scratch)
    try:
        connection = apsw.Connection(str(scratch / catalog.name))
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        return tables != [(0,)] and connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
    except apsw.Error:
        return False


DAMAGES: Final = [
    delete_catalog,
    truncate_half,
    truncate_to_nothing,
    truncate_inside_a_page,
    overwrite_pages,
    overwrite_head,
    foreign_database,
]


@pytest.mark.ci
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("ending", ["stopped", "killed"])
def test_settled_objects_outlive_the_catalog(tmp_path: Path, damage: Callable[[Path], None], ending: str) -> None:
    with Service(tmp_path / "data", tmp_path, 1, SMALL_DISK) as service:
        make_bucket(service)
        ledger = fill(service, OBJECTS)
        settle(service)
        if ending == "stopped":
            service.stop()
        service.kill_all()
        damage(catalog_of(service))
        is_whole = reads_whole(catalog_of(service), tmp_path / "copy")
        service.start()
        assert compare(service, ledger) == []
        kept = is_whole or damage is delete_catalog
        assert bool(set_aside(service)) != kept, "what is damaged is set aside, and nothing else"
        put_all(service, ["after/rebuild"], "third", ledger)
        service.restart()
        assert compare(service, ledger) == []


@pytest.mark.ci
def test_older_copy_of_the_catalog_brings_nothing_deleted_back(tmp_path: Path) -> None:
    with Service(tmp_path / "data", tmp_path, 1, SMALL_DISK) as service:
        make_bucket(service)
        ledger = fill(service, OBJECTS)
        settle(service)
        service.stop()
        shutil.copy(catalog_of(service), tmp_path / "older.db")
        service.start()
        put_all(service, [f"later/{number}" for number in range(40)], "later", ledger)
        put_all(service, [f"dir0/key{number:05d}" for number in (0, 35, 70)], "later", ledger)
        delete_all(service, [f"dir2/key{number:05d}" for number in (2, 9, 23)], ledger)
        settle(service)
        service.stop()
        delete_catalog(catalog_of(service))
        shutil.copy(tmp_path / "older.db", catalog_of(service))
        service.start()
        assert compare(service, ledger) == []


@pytest.mark.ci
def test_what_was_never_settled_is_said_to_be_lost(tmp_path: Path) -> None:
    with Service(tmp_path / "data", tmp_path, 1, SMALL_DISK) as service:
        make_bucket(service)
        ledger = fill(service, OBJECTS)
        settle(service)
        for jobs in service.pids("jobs"):
            service.kill(jobs.pid)  # nobody settles what comes now
        put_all(service, ["unsettled/1"], "first", ledger)
        service.kill_all()
        delete_catalog(catalog_of(service))
        service.start()
        report = json.loads(service.run("check", "--json").stdout)
        if compare(service, ledger):  # it may have been settled in time after all
            assert report["lost_after"]
        assert [found for found in compare(service, ledger) if found.key != "unsettled/1"] == []


@pytest.mark.ci
def test_journal_of_a_damaged_catalog_is_salvaged(tmp_path: Path) -> None:
    """Damage in one place does not cost what stands, unsettled, elsewhere in the file."""
    with Service(tmp_path / "data", tmp_path, 1, SMALL_DISK) as service:
        make_bucket(service)
        ledger = fill(service, OBJECTS)
        settle(service)
        for jobs in service.pids("jobs"):
            service.kill(jobs.pid)
        put_all(service, [f"unsettled/{number}" for number in range(5)], "first", ledger)
        service.kill_all()
        truncate_inside_a_page(catalog_of(service))
        service.start()
        lost = {found.key for found in compare(service, ledger)}
        report = json.loads(service.run("check", "--json").stdout)
        assert not lost or report["lost_after"]
        assert all(key.startswith("unsettled/") for key in lost)


@pytest.mark.ci
def test_catalog_that_another_process_locks_refuses_writes_and_nothing_else(tmp_path: Path) -> None:
    with Service(tmp_path / "data", tmp_path, 1, SMALL_DISK) as service, Door(service, BUCKET) as door:
        make_bucket(service)
        ledger = fill(service, 20)
        settle(service)
        stranger = apsw.Connection(str(catalog_of(service)))
        stranger.execute("BEGIN IMMEDIATE")
        refused = door.put("locked", b"x")
        assert compare(service, ledger) == []
        stranger.execute("ROLLBACK")
        stranger.close()
        assert (refused.status_code, refused.json()["code"]) == (503, "service_unavailable")
        assert "retry-after" in refused.headers
        assert door.observe("locked") == ABSENT
        put_all(service, ["after/lock"], "third", ledger)
        settle(service)
        assert compare(service, ledger) == []


@pytest.mark.ci
def test_while_it_rebuilds_it_answers_503_with_its_progress(tmp_path: Path) -> None:
    """The rebuild is held still in the middle: no wrong 404 meanwhile, and everything is there after it."""
    with Service(tmp_path / "data", tmp_path, 1, SMALL_DISK) as service:
        make_bucket(service)
        ledger = fill(service, MANY_OBJECTS)
        settle(service)
        service.stop()
        delete_catalog(catalog_of(service))
        service.launch()
        jobs = hold_the_rebuild(service)
        with service.client() as client:
            while not ask_until_answered(client, "/health").json()["rebuild"]["total"]:
                service.kill(jobs, signal.SIGCONT)  # it was about to count: a little further
                time.sleep(0.01)
                service.kill(jobs, signal.SIGSTOP)
            refusals = [ask_until_answered(client, path) for path in PATHS]
            ready, health = (ask_until_answered(client, path) for path in ("/readyz", "/health"))
        service.kill(jobs, signal.SIGCONT)
        service.wait_until_ready(30.0)
        assert compare(service, ledger) == []
    assert [response.status_code for response in refusals] == [503] * len(PATHS)
    assert all("retry-after" in response.headers for response in refusals)
    assert (ready.status_code, health.status_code) == (503, 200)
    for response in [*refusals, ready, health]:
        assert re.search(r"\d+ of \d+ objects read", response.text), response.text
    assert 0 <= health.json()["rebuild"]["done"] < health.json()["rebuild"]["total"]


def hold_the_rebuild(service: Service) -> int:
    """Freeze the process that rebuilds once it has begun to write; its pid."""
    fresh = catalog_of(service).with_suffix(".new")
    deadline = time.monotonic() + 30.0
    while not fresh.exists():
        assert time.monotonic() < deadline, service.log_tail()
        time.sleep(0.002)
    (jobs,) = service.pids("jobs")
    service.kill(jobs.pid, signal.SIGSTOP)
    assert fresh.exists(), "it was quicker than this test"
    return jobs.pid


def ask_until_answered(client: httpx.Client, path: str) -> httpx.Response:
    """The first answer: connections wait in the listener until a worker is there."""
    deadline = time.monotonic() + 30.0
    while True:
        try:
            return client.get(path)
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
