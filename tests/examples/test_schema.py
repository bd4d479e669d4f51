"""The Alembic revisions, up and down, on SQLite and on a real PostgreSQL; the models say the same."""

from collections.abc import Iterator
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from tests.examples.backend import TABLES, Backend, backend_of

INDEXES = {
    "attachment": {"idx_attachment_storage_path", "idx_attachment_storage_type"},
    "attachment_staging": {"idx_attachment_staging_storage_path", "idx_attachment_staging_storage_type"},
}
COLUMNS = {"storage_path": ("VARCHAR(500)", None), "storage_type": ("VARCHAR(50)", "'local'")}


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, settings: dict[str, str]) -> Iterator[Backend]:
    """A backend whose database has no tables yet."""
    if request.param == "postgresql":
        settings["DATABASE_URL"] = request.getfixturevalue("postgres_url")
    with backend_of(settings) as found:
        yield found
        found.drop()


def schema(backend: Backend) -> Any:
    return inspect(backend.module("db.session").get_engine())


def storage_columns(backend: Backend, table: str) -> dict[str, tuple[str, str | None]]:
    columns = schema(backend).get_columns(table, schema="document")
    return {
        column["name"]: (str(column["type"]), column["default"] and column["default"].partition("::")[0])
        for column in columns
        if column["name"].startswith("storage_")
    }


def index_names(backend: Backend, table: str) -> set[str]:
    return {str(index["name"]) for index in schema(backend).get_indexes(table, schema="document")}


def test_upgrade_adds_columns_and_indexes_and_downgrade_takes_them_away(empty: Backend) -> None:
    for _ in range(2):
        empty.upgrade("create_document_tables")
        for table in TABLES:
            assert (storage_columns(empty, table), index_names(empty, table)) == ({}, set())
        empty.upgrade("head")
        for table in TABLES:
            assert storage_columns(empty, table) == COLUMNS
            assert index_names(empty, table) == INDEXES[table]
            nullable = {column["name"]: column["nullable"] for column in schema(empty).get_columns(table, "document")}
            assert nullable["storage_path"]
        empty.downgrade("create_document_tables")
    empty.downgrade("base")
    assert schema(empty).get_table_names(schema="document") == []


def test_rows_of_before_survive_both_ways(empty: Backend) -> None:
    empty.upgrade("create_document_tables")
    with empty.session() as session:
        for table in TABLES:
            values = "(1, 'a.pdf', 'text/plain', '/old/a.pdf', '2024-01-15 10:00:00')"
            names = "user_id, filename, content_type, filepath, created_at"
            session.execute(text(f"INSERT INTO document.{table} ({names}) VALUES {values}"))
        session.commit()
    empty.upgrade("head")
    with empty.session() as session:
        for model in (empty.models.Attachment, empty.models.AttachmentStaging):
            row = session.get(model, 1)
            assert (row.filepath, row.storage_path, row.storage_type) == ("/old/a.pdf", None, "local")
    empty.downgrade("create_document_tables")
    with empty.session() as session:
        assert session.scalar(text("SELECT filename FROM document.attachment")) == "a.pdf"


def test_models_say_what_the_revisions_made(empty: Backend) -> None:
    empty.upgrade("head")
    with empty.module("db.session").get_engine().connect() as connection:
        options = {
            "include_schemas": True,
            "compare_server_default": True,
            "include_name": lambda name, kind, _: kind != "schema" or name == "document",
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, empty.models.Base.metadata) == []
