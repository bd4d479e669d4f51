"""The catalog's tables, and how a connection is opened."""

from typing import Literal

import apsw

from storage_service.app.core.objects import Version

Durability = Literal["power-safe", "crash-safe", "scratch"]
SYNCHRONOUS: dict[Durability, str] = {"power-safe": "FULL", "crash-safe": "NORMAL", "scratch": "OFF"}

FORMAT = 1  # of these tables; a newer one is refused
MOST_FAILURES = 5  # of settling a journal row; then it is set aside

# Columns in the order of `Version`'s fields, so that a row is a Version.
COLUMNS = "bucket,key,vid,file_id,size,etag,at_ms,mtime_ns,flags,doc,seq,meta_seq,expires_ms"
DEAD_COLUMNS = COLUMNS + ",gone_ms,gone_seq,due_ms"
UPLOAD_COLUMNS = "id,bucket,key,vid,kind,phase,at_ms,expires_ms,size,stamp,length,digest,doc,ended_ms,result"
PART_COLUMNS = "upload,number,attempt,size,etag,crc64nvme,checksum,at_ms"

TABLES = """
CREATE TABLE IF NOT EXISTS state(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS buckets(
  id INTEGER PRIMARY KEY AUTOINCREMENT, uuid TEXT NOT NULL UNIQUE, name TEXT NOT NULL, owner TEXT NOT NULL,
  generation INT NOT NULL, created_ms INT NOT NULL, updated_ms INT NOT NULL, doc TEXT NOT NULL, closed_ms INT,
  moved INT NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX IF NOT EXISTS buckets_name ON buckets(name) WHERE closed_ms IS NULL;
CREATE TABLE IF NOT EXISTS objects(
  bucket INT NOT NULL, key TEXT NOT NULL, vid TEXT NOT NULL, file_id TEXT NOT NULL, size INT NOT NULL,
  etag TEXT NOT NULL, at_ms INT NOT NULL, mtime_ns INT, flags INT NOT NULL, doc TEXT NOT NULL, seq INT NOT NULL,
  meta_seq INT NOT NULL, expires_ms INT, PRIMARY KEY(bucket, key)) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS objects_file ON objects(file_id);
CREATE INDEX IF NOT EXISTS objects_due ON objects(expires_ms) WHERE expires_ms IS NOT NULL;
CREATE TABLE IF NOT EXISTS others(
  bucket INT NOT NULL, key TEXT NOT NULL, vid TEXT NOT NULL, file_id TEXT NOT NULL, size INT NOT NULL,
  etag TEXT NOT NULL, at_ms INT NOT NULL, mtime_ns INT, flags INT NOT NULL, doc TEXT NOT NULL, seq INT NOT NULL,
  meta_seq INT NOT NULL, expires_ms INT, gone_ms INT, gone_seq INT, due_ms INT,
  PRIMARY KEY(bucket, key, seq DESC)) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS others_vid ON others(vid);
CREATE INDEX IF NOT EXISTS others_due ON others(due_ms) WHERE due_ms IS NOT NULL;
CREATE TABLE IF NOT EXISTS usage(
  scope TEXT NOT NULL, id TEXT NOT NULL, objects INT NOT NULL, bytes INT NOT NULL, noncurrent INT NOT NULL,
  noncurrent_bytes INT NOT NULL, upload_bytes INT NOT NULL, trash INT NOT NULL, trash_bytes INT NOT NULL,
  PRIMARY KEY(scope, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journal(
  seq INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INT NOT NULL, bucket INT NOT NULL, key TEXT, vid TEXT,
  op TEXT NOT NULL, actor TEXT NOT NULL, doc TEXT, victim TEXT, failures INT NOT NULL DEFAULT 0);
-- doc NULL = settled; then the row is the change feed's
CREATE INDEX IF NOT EXISTS journal_open ON journal(seq) WHERE doc IS NOT NULL;
CREATE TABLE IF NOT EXISTS bodies(seq INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS uploads(
  id TEXT PRIMARY KEY, bucket INT NOT NULL, key TEXT NOT NULL, vid TEXT NOT NULL, kind TEXT NOT NULL,
  phase TEXT NOT NULL, at_ms INT NOT NULL, expires_ms INT NOT NULL, size INT NOT NULL, stamp INT NOT NULL,
  length INT, digest TEXT NOT NULL, doc TEXT NOT NULL, ended_ms INT, result TEXT, cleared INT NOT NULL DEFAULT 0
  ) WITHOUT ROWID;
-- cleared: an ended one's files are gone
CREATE INDEX IF NOT EXISTS uploads_key ON uploads(bucket, key, id) WHERE phase='open';
CREATE INDEX IF NOT EXISTS uploads_due ON uploads(expires_ms) WHERE phase='open';
CREATE INDEX IF NOT EXISTS uploads_ended ON uploads(ended_ms) WHERE phase<>'open';
CREATE TABLE IF NOT EXISTS parts(
  upload TEXT NOT NULL, number INT NOT NULL, attempt TEXT NOT NULL, size INT NOT NULL, etag TEXT NOT NULL,
  crc64nvme TEXT NOT NULL, checksum TEXT NOT NULL, at_ms INT NOT NULL, PRIMARY KEY(upload, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS once(id TEXT PRIMARY KEY, until_ms INT NOT NULL) WITHOUT ROWID;
"""

CHECKPOINT_PAGES = 16_000  # 64 MiB of WAL: the best p99 of commits measured (commit-proof §3b)
CACHE_KIB = 32_768
BUSY_MS = 10_000


def connect(path: str, durability: Durability, *, checkpoints: bool = False) -> apsw.Connection:
    """A connection in WAL mode. `checkpoints`: only one that commits under the commit lock may checkpoint.

    Raises:
        apsw.Error: the file is not a catalog, is damaged, or cannot be read.
    """
    connection = apsw.Connection(path, statementcachesize=256)
    connection.setbusytimeout(BUSY_MS)
    for pragma in (
        "page_size=4096",
        "journal_mode=WAL",
        f"synchronous={SYNCHRONOUS[durability]}",
        f"wal_autocheckpoint={CHECKPOINT_PAGES if checkpoints else 0}",
        "journal_size_limit=67108864",
        "secure_delete=OFF",  # clearing freed pages doubles what a commit writes
        f"cache_size=-{CACHE_KIB}",
        "mmap_size=0",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


def create_tables(connection: apsw.Connection, epoch: str) -> None:
    """All tables, in one transaction; nothing happens where they are there."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(TABLES)
        for name, value in (("format", FORMAT), ("epoch", epoch), ("settled", 0), ("clock_ms", 0)):
            connection.execute("INSERT OR IGNORE INTO state VALUES(?,?)", (name, value))
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def last_sequence(connection: apsw.Connection) -> int:
    """The highest journal sequence ever given."""
    for (sequence,) in connection.execute("SELECT seq FROM sqlite_sequence WHERE name='journal'"):
        return int(sequence)
    return 0


def version_of(row: tuple[object, ...]) -> Version:
    return Version(*row)  # type: ignore[arg-type]  # SQLite's columns are typed by the schema above
