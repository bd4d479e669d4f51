"""What a start finds where the catalog should be."""

from pathlib import Path

import apsw

from storage_service.app.backends.recovery import examine
from storage_service.app.backends.volume import Layout, open_volume
from tests.support.store import opened


def test_first_start_that_was_killed_before_its_tables_is_begun_again(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    open_volume(tmp_path, None)
    for content in ("nothing", "WAL mode"):
        connection = apsw.Connection(str(layout.catalog))
        if content == "WAL mode":
            connection.execute("PRAGMA journal_mode=WAL").fetchall()
        connection.close()
        assert examine(layout) == "fresh", content


def test_blank_catalog_of_a_store_that_holds_something_is_damaged(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.bucket()
        store.settle()
    layout = Layout(tmp_path)
    layout.catalog.write_bytes(b"")
    assert examine(layout) == "damaged"
