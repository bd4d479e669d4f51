"""A store of a million objects: pages of its list while others write, its start, and the rebuild of its catalog."""

import contextlib
import json
import random
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator

from bench.client import Wrong
from bench.figures import percentile
from bench.load import Drive
from bench.processes import Server
from bench.rounds import Bench, client_of, puts
from bench.targets import BUCKET, REPOSITORY, Place, ours

CURSORS = 200
PREFIXES = 1_000
PAGE = 1_000
WRITES_PER_SECOND = 1_000
WARM_PAGES = 5
REBUILD_SECONDS = 1_800
DURATION = re.compile(r"dur=([0-9.]+)")


def list_million(bench: Bench, round_number: int) -> None:
    """Pages of 1,000 keys behind random cursors, and pages over the 1,000 prefixes, while 1,000 PUT/s go on."""
    place = bench.large()
    chance = random.Random(round_number)  # noqa: S311 - which pages are read
    with ours(1, place) as server:
        with _writing(server, place):
            keys = [_ask(server, {"start_after": _key(chance, bench.plan.many)}) for _ in range(CURSORS + WARM_PAGES)]
            folders = [_ask(server, _folder(chance)) for _ in range(CURSORS + WARM_PAGES)]
        bench.add(
            "list_million",
            round_number,
            server,
            objects=bench.plan.many,
            page_p50_ms=percentile(keys[WARM_PAGES:], 0.5),
            page_p95_ms=percentile(keys[WARM_PAGES:], 0.95),
            prefixes_p50_ms=percentile(folders[WARM_PAGES:], 0.5),
            prefixes_p95_ms=percentile(folders[WARM_PAGES:], 0.95),
        )


def _key(chance: random.Random, many: int) -> str:
    number = chance.randrange(many)
    return f"l/{number % PREFIXES:03d}/{number:08d}"


def _folder(chance: random.Random) -> dict[str, str]:
    """The page from the root's `l/` on: each of its rows is a prefix."""
    behind = f"l/{chance.randrange(PREFIXES // 10):03d}/~"
    return {"prefix": "l/", "delimiter": "/", "start_after": behind, "envelope": "true"}


def _ask(server: Server, query: dict[str, str]) -> float:
    """Milliseconds that the service says a page took it. Raises: Wrong for an empty page."""
    url = f"{server.url}/files/list/{BUCKET}?{urllib.parse.urlencode({'limit': PAGE, **query})}"
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - our own address
        timing, page = answer.headers["server-timing"], json.loads(answer.read())
    found = page["prefixes"] if isinstance(page, dict) else page
    if not found and "delimiter" in query:
        raise Wrong(f"an empty page: {url}")
    return float(DURATION.search(timing)[1])  # type: ignore[index]


@contextlib.contextmanager
def _writing(server: Server, place: Place) -> Iterator[None]:
    """1,000 small PUTs a second by another process, until the block ends."""
    words = [sys.executable, "-m", "bench.paced", str(server.port), str(WRITES_PER_SECOND), place.secret_key]
    writer = subprocess.Popen(  # noqa: S603 - ourselves
        words, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        if writer.stdout is None or writer.stdout.readline().strip() != "begun":
            raise Wrong("the paced writer did not begin")
        yield
        said, _ = writer.communicate(timeout=60)
    finally:
        writer.kill()
        writer.wait()
    if (found := json.loads(said))["rate"] < WRITES_PER_SECOND * 0.8:
        raise Wrong(f"too few writes went on beside the pages: {found}")


def start_million(bench: Bench, round_number: int) -> None:
    """Seconds until it is ready, after a clean stop and after SIGKILL under writes."""
    place = bench.large()
    with ours(1, place) as server:
        clean = server.ready_seconds
        bench.generator.run(server, puts("k", place), Drive(32, bench.plan.warm_seconds, numbered=True))
        server.kill()
    with ours(1, place) as server:
        bench.add(
            "start_million",
            round_number,
            server,
            objects=bench.plan.many,
            clean_seconds=round(clean, 3),
            killed_seconds=round(server.ready_seconds, 3),
        )


def rebuild_million(bench: Bench, round_number: int) -> None:
    """`storage reindex`: seconds, and how many objects were found again."""
    place = bench.large()
    with ours(1, place) as server:
        client_of(server, place).drain(60)
        before = client_of(server, place).objects()
    words = [sys.executable, "-m", "storage_service.cli.main", "reindex"]
    environment = dict(server.environment)
    started = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - ourselves
        words, cwd=place.logs, env=environment, capture_output=True, text=True, timeout=REBUILD_SECONDS, check=False
    )
    spent = time.perf_counter() - started
    if done.returncode:
        raise Wrong(f"reindex: {done.stdout}{done.stderr}"[-400:])
    with ours(1, place) as server:
        found = client_of(server, place).objects()
        if found != before:
            raise Wrong(f"{found} objects after the rebuild, {before} before")
        bench.add("rebuild_million", round_number, server, objects=found, rebuild_seconds=round(spent, 2))
