"""What SelfDB's backend knew of its files: from a real dump of a real PostgreSQL, and from CSV."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from storage_service.app.process.admin import Refused
from storage_service.app.process.selfdb_tables import Named, read_table
from tests.support.postgres import postgres
from tests.support.tools import require_tool

BUCKET, FILE = "223e4567-e89b-42d3-a456-426614174000", "123e4567-e89b-42d3-a456-426614174000"
OTHER = "323e4567-e89b-42d3-a456-426614174000"
OWNER = "6f1d0f5e-5b0c-4c53-9a5e-0d6a1a1f6a01"
SCHEMA = """
CREATE TABLE buckets(id uuid PRIMARY KEY, name text, minio_bucket_name text, is_public bool);
CREATE TABLE files(id uuid PRIMARY KEY, filename text, object_name text, content_type text, size bigint, owner_id uuid,
                   bucket_id uuid REFERENCES buckets);
CREATE TABLE users(id int, email text);
INSERT INTO users VALUES (1, 'a@example.org');
"""
NAMES = ["Käte 1.png", "tab\tand\nline", "back\\slash \\n", "\\.", "", "a\r\nb", None]


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgres() as url:
        found = url.replace("+psycopg", "")
        with psycopg.connect(found) as connection:
            connection.execute(SCHEMA.encode())
            row = "INSERT INTO buckets VALUES (%s, 'My photos', 'my-photos', true), (%s, 'plain', NULL, false)"
            connection.execute(row, (BUCKET, OTHER))
            for number, name in enumerate(NAMES):
                row = "INSERT INTO files VALUES (%s, %s, %s, 'image/png', 5, %s, %s)"
                values = (FILE[:-1] + str(number), name, f"{number}.png", OWNER if number else None, BUCKET)
                connection.execute(row, values)
            connection.execute("UPDATE files SET bucket_id = %s WHERE object_name = '6.png'", (OTHER,))
        yield found


@pytest.mark.parametrize(
    "options", [[], ["--data-only", "--table", "buckets", "--table", "files"], ["--quote-all-identifiers"]]
)
def test_every_plain_dump_gives_names_types_owners_and_ids(database: str, tmp_path: Path, options: list[str]) -> None:
    dump = tmp_path / "selfdb.sql"
    subprocess.run([require_tool("pg_dump"), *options, "--file", str(dump), database], check=True, timeout=120)
    found = read_table(dump)
    assert [found["my-photos", f"{number}.png"].filename for number in range(6)] == NAMES[:6]
    assert found["plain", "6.png"] == Named("", "image/png", OWNER, f"{FILE[:-1]}6", OTHER)
    assert found["my-photos", "0.png"] == Named("Käte 1.png", "image/png", "", FILE, BUCKET)
    assert len(found) == len(NAMES)


@pytest.mark.parametrize("options", [["--format=custom"], ["--inserts"], ["--table=users"]])
def test_dump_that_tells_nothing_is_refused_with_what_helps(database: str, tmp_path: Path, options: list[str]) -> None:
    dump = tmp_path / "selfdb.dump"
    subprocess.run([require_tool("pg_dump"), *options, "--file", str(dump), database], check=True, timeout=120)
    with pytest.raises(Refused, match=r"pg_dump -Fp|without --inserts"):
        read_table(dump)


@pytest.mark.parametrize("text", ["", "filename\na\n", "bucket_name\nphotos\n"])
def test_csv_without_the_columns_it_needs_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "names.csv"
    path.write_text(text)
    with pytest.raises(Refused, match="object_name"):
        read_table(path)
