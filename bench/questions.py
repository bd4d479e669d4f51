"""The figures: what is asked of a record's rows, and what the answer must be."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from bench.figures import (
    Figure,
    Floor,
    Rows,
    at_best,
    beside,
    best,
    cpu_ms_each,
    quotients,
    ratios,
    scaled,
    shares,
    wait_ms,
    worst,
)

MIB = 2**20
KIB_PER_MB = 1024 / 1_000_000


class Question(NamedTuple):
    """How a figure is found in a record's rows; no values where its phase did not run."""

    name: str
    what: str
    unit: str
    floor: Floor
    values: Callable[[Rows], Sequence[float]]


QUESTIONS = (
    Question(
        "put4k_burst",
        "PUT 4 KiB with a JWT, 32 connections, burst of 10 s, over bare uvicorn",
        "ratio",
        Floor(0.25, "least"),
        lambda rows: ratios(rows, "put4k_burst"),
    ),
    Question(
        "put4k_sustained",
        "the same, sustained 60 s",
        "ratio",
        Floor(0.17, "least"),
        lambda rows: ratios(rows, "put4k_sustained"),
    ),
    Question(
        "put4k_drain",
        "journal drained after the sustained load",
        "s",
        Floor(20, "most"),
        lambda rows: at_best(rows, "put4k_sustained", "drain_seconds"),
    ),
    Question(
        "get4k_public",
        "GET 4 KiB public, 50,000 distinct settled keys, over bare uvicorn",
        "ratio",
        Floor(0.45, "least"),
        lambda rows: ratios(rows, "get4k_public"),
    ),
    Question(
        "commit_wait_1",
        "commit wait p99, 1 worker, 32 connections",
        "ms",
        Floor(50, "most"),
        lambda rows: wait_ms(rows, 1),
    ),
    Question(
        "commit_wait_2",
        "commit wait p99, 2 workers",
        "ms",
        Floor(50, "most"),
        lambda rows: wait_ms(rows, 2),
    ),
    Question(
        "commit_wait_4",
        "commit wait p99, 4 workers",
        "ms",
        Floor(50, "most"),
        lambda rows: wait_ms(rows, 4),
    ),
    Question(
        "wal",
        "WAL after the sustained load, the worst of 1 and 2 workers",
        "MiB",
        Floor(128, "most"),
        lambda rows: scaled(worst(rows, "put4k_sustained", "wal_bytes"), 1 / MIB),
    ),
    Question(
        "slow_uploads",
        "1,000 slow concurrent uploads: growth of PSS of all processes, each",
        "KiB",
        Floor(256, "most"),
        lambda rows: worst(rows, "slow_uploads", "per_upload_kib"),
    ),
    Question(
        "get64m_gateway",
        "GET 64 MiB, 8 connections, through nginx, over nginx alone",
        "ratio",
        Floor(0.90, "least"),
        lambda rows: ratios(rows, "get64m", "nginx", "gateway"),
    ),
    Question(
        "get64m_direct",
        "the same without nginx, over nginx alone",
        "ratio",
        Floor(0.30, "least"),
        lambda rows: ratios(rows, "get64m", "nginx"),
    ),
    Question(
        "put64m",
        "PUT 64 MiB, 4 connections, over the rate at which one core computes MD5",
        "ratio",
        Floor(0.70, "least"),
        lambda rows: quotients(rows, "put64m", "bytes_per_second", "md5_bytes_per_second"),
    ),
    Question(
        "list_page",
        "page of 1,000 of a million keys, 200 random cursors beside 1,000 PUT/s: Server-Timing p95",
        "ms",
        Floor(15, "most"),
        lambda rows: worst(rows, "list_million", "page_p95_ms"),
    ),
    Question(
        "list_prefixes",
        "the same over 1,000 prefixes",
        "ms",
        Floor(40, "most"),
        lambda rows: worst(rows, "list_million", "prefixes_p95_ms"),
    ),
    Question(
        "start_clean",
        "start with a million objects after a clean stop",
        "s",
        Floor(3, "most"),
        lambda rows: worst(rows, "start_million", "clean_seconds"),
    ),
    Question(
        "start_killed",
        "the same after SIGKILL under load",
        "s",
        Floor(3, "most"),
        lambda rows: worst(rows, "start_million", "killed_seconds"),
    ),
    Question(
        "rebuild",
        "catalog of a million objects made again from their sidecars",
        "s",
        Floor(300, "most"),
        lambda rows: worst(rows, "rebuild_million", "rebuild_seconds"),
    ),
    Question(
        "half_open",
        "p99 of 20 clients beside 2,000 half-open connections, over that without",
        "ratio",
        Floor(2, "most"),
        lambda rows: worst(rows, "half_open", "slowdown"),
    ),
    Question(
        "idle_memory",
        "idle, one worker and jobs: PSS of all processes",
        "MB",
        Floor(110, "most"),
        lambda rows: scaled(worst(rows, "idle", "pss_kib"), KIB_PER_MB),
    ),
    Question(
        "idle_cpu",
        "idle, one worker and jobs: CPU of all processes",
        "%",
        Floor(0.5, "most"),
        lambda rows: worst(rows, "idle", "cpu_percent"),
    ),
    Question(
        "zip",
        "zip of 1,000 files of 1 MiB, over a plain GET of as many bytes",
        "ratio",
        Floor(0.7, "least"),
        lambda rows: beside(rows, "zip", "zip", "get"),
    ),
    Question(
        "tus",
        "tus PATCH of 256 MiB, over a plain PUT of as many bytes",
        "ratio",
        Floor(0.9, "least"),
        lambda rows: beside(rows, "tus", "tus", "put"),
    ),
    Question(
        "import",
        "storage import of 2,000 objects, over rclone copy of the same",
        "ratio",
        Floor(0.6, "least"),
        lambda rows: beside(rows, "import", "import", "rclone"),
    ),
    Question(
        "s3_get4k",
        "S3: GET 4 KiB presigned, 32 connections, over nginx's static files",
        "ratio",
        Floor(0.13, "least"),
        lambda rows: ratios(rows, "s3_get4k", "nginx"),
    ),
    Question(
        "s3_head4k",
        "S3: HEAD of the same, over nginx",
        "ratio",
        Floor(0.12, "least"),
        lambda rows: ratios(rows, "s3_head4k", "nginx"),
    ),
    Question(
        "s3_put4k_burst",
        "S3: PUT 4 KiB presigned, burst of 10 s, over bare uvicorn",
        "ratio",
        Floor(0.25, "least"),
        lambda rows: ratios(rows, "s3_put4k_burst"),
    ),
    Question(
        "s3_put4k_sustained",
        "S3: the same, sustained 60 s",
        "ratio",
        Floor(0.18, "least"),
        lambda rows: ratios(rows, "s3_put4k_sustained"),
    ),
    Question(
        "s3_delete4k",
        "S3: DELETE 4 KiB, over nginx's WebDAV",
        "ratio",
        Floor(0.08, "least"),
        lambda rows: ratios(rows, "s3_delete4k", "nginx"),
    ),
    Question(
        "s3_delete_batch",
        "S3: DeleteObjects of 1,000 by one caller, keys/s over DELETEs on 32 connections",
        "ratio",
        Floor(4, "least"),
        lambda rows: shares(best(rows, "s3_delete_batch", "ours"), best(rows, "s3_delete4k", "ours")),
    ),
    Question(
        "s3_mixed64k",
        "S3: 45/30/15/10 GET, HEAD, PUT, DELETE of 64 KiB, over nginx",
        "ratio",
        Floor(0.15, "least"),
        lambda rows: ratios(rows, "s3_mixed64k", "nginx"),
    ),
    Question(
        "s3_list",
        "S3: 50,000 keys listed in full: CPU of all processes for a page of 1,000",
        "ms",
        Floor(6, "most"),
        lambda rows: cpu_ms_each(rows, "s3_list"),
    ),
    Question(
        "s3_get64m",
        "S3: GET 64 MiB, 8 connections, over nginx alone",
        "ratio",
        Floor(0.30, "least"),
        lambda rows: ratios(rows, "s3_get64m", "nginx"),
    ),
    Question(
        "s3_put64m",
        "S3: PUT 64 MiB, 4 connections, over nginx's WebDAV, which does not hash or sync",
        "ratio",
        Floor(0.18, "least"),
        lambda rows: ratios(rows, "s3_put64m", "nginx"),
    ),
    Question(
        "s3_multipart",
        "S3: 256 MiB in 16 MiB parts, four at a time, over nginx's PUT of the same",
        "ratio",
        Floor(0.21, "least"),
        lambda rows: ratios(rows, "s3_multipart", "nginx"),
    ),
)


def figures(rows: Rows) -> list[Figure]:
    """The figures whose phases ran."""
    found = [(question, question.values(rows)) for question in QUESTIONS]
    return [Figure(*question[:4], tuple(values)) for question, values in found if values]
