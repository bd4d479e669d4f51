"""Latency and rate of the document providers, beside the figures their description names.

    python -m bench.providers                    the local disk, and an S3 server beside it: versitygw, else moto
    S3_ENDPOINT_URL=... S3_ACCESS_KEY=... S3_SECRET_KEY=... python -m bench.providers      that S3 server instead

Latency is one upload of 4 KiB; the rate is that of 16 MiB up and down. Plain provider calls, and whole encrypted
documents through `DocumentStorageService`. One thread; nothing else should run.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from storage_service.providers import (
    DocumentCipher,
    DocumentStorageService,
    LocalStorageProvider,
    S3StorageProvider,
    StorageProvider,
)
from storage_service.providers.documents.cipher import make_key_file
from storage_service.providers.s3_client import S3Config

SMALL_BYTES = 4 * 1024
LARGE_BYTES = 16 * 1024 * 1024
MB = 1_000_000
# Upload latency and throughput as the description of document storage has them.
DESCRIBED = {
    "Local FS": ("10-50ms", "~100MB/s"),
    "S3 (same region)": ("50-200ms", "~50MB/s"),
    "S3 (cross-region)": ("200-500ms", "~10MB/s"),
}
HEAD = ("storage", "described", "", "upload 4 KiB, ms", "", "16 MiB, MB/s", "", "document, MB/s", "")
SECOND = ("", "latency", "rate", "median", "p95", "up", "down", "up", "down")


class Row(NamedTuple):
    """Measured: milliseconds, then MB/s."""

    median_ms: float
    p95_ms: float
    up: float
    down: float
    document_up: float
    document_down: float


def measure(provider: StorageProvider, cipher: DocumentCipher, rounds: int) -> Row:
    """Every figure of one provider; what it stored is deleted again."""
    run = f"bench-{uuid4().hex[:8]}"
    small, large = os.urandom(SMALL_BYTES), os.urandom(LARGE_BYTES)
    times = [_seconds(partial(provider.upload_file, f"{run}/{number}", small)) for number in range(rounds)]
    service = DocumentStorageService(provider, cipher)
    path = ""

    def store() -> None:
        nonlocal path
        path = service.store_encrypted_document(large, run, "bench.bin")

    try:
        ups = [_rate(lambda: provider.upload_file(f"{run}/large", large)) for _ in range(3)]
        downs = [_rate(lambda: provider.download_file(f"{run}/large")) for _ in range(3)]
        stored = [_rate(store) for _ in range(3)]
        read = [_rate(lambda: service.retrieve_encrypted_document(path)) for _ in range(3)]
    finally:
        provider.delete_files([*provider.list_files(f"{run}/"), *([path] if path else [])])
    ordered = sorted(times)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    rates = [statistics.median(found) for found in (ups, downs, stored, read)]
    return Row(statistics.median(times) * 1000, p95 * 1000, *rates)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _rate(work: Callable[[], object]) -> float:
    return LARGE_BYTES / MB / _seconds(work)


def targets(stack: ExitStack, directory: Path) -> Iterator[tuple[str, str, StorageProvider]]:
    """Name, the described row it stands beside, provider."""
    yield "local disk", "Local FS", LocalStorageProvider(directory / "objects")
    if os.environ.get("S3_ENDPOINT_URL"):
        config = S3Config(
            os.environ.get("S3_BUCKET", "bench-providers"),
            os.environ["S3_ACCESS_KEY"],
            os.environ["S3_SECRET_KEY"],
            os.environ.get("S3_REGION"),
            os.environ["S3_ENDPOINT_URL"],
        )
        provider = S3StorageProvider(config)
        provider.ensure_bucket()
        yield os.environ["S3_ENDPOINT_URL"], "S3 (same region)", provider
    else:
        from tests.support.s3_servers import SERVERS, new_bucket  # noqa: PLC0415 - of the tests' requirements

        name = "versitygw" if shutil.which("versitygw") else "moto"
        yield name, "S3 (same region)", new_bucket(stack.enter_context(SERVERS[name](directory)))


def table(rows: list[tuple[str, str, Row | None]]) -> str:
    """Lines in columns."""
    lines: list[tuple[str, ...]] = [HEAD, SECOND]
    for name, described, row in rows:
        figures = ["-"] * 6 if row is None else [f"{row[0]:.1f}", f"{row[1]:.1f}", *(f"{rate:.0f}" for rate in row[2:])]
        lines.append((name, *DESCRIBED[described], *figures))
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    return "\n".join("  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)) for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.providers", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100, help="small uploads to take the median of")
    parser.add_argument("--data", type=Path, default=Path("/var/tmp"), help="where the local disk is tried")  # noqa: S108
    wanted = parser.parse_args()
    rows: list[tuple[str, str, Row | None]] = []
    with tempfile.TemporaryDirectory(dir=wanted.data) as name, ExitStack() as stack:
        directory = Path(name)
        make_key_file(directory / "key.pem")
        cipher = DocumentCipher.load(directory / "key.pem")
        for title, described, provider in targets(stack, directory):
            rows.append((title, described, measure(provider, cipher, wanted.rounds)))
    rows.append(("(not measured)", "S3 (cross-region)", None))
    print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
