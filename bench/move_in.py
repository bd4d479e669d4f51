"""`storage import` beside `rclone copy`: the same objects from one instance of the service into another."""

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.client import Wrong
from bench.processes import Server
from bench.rounds import Bench
from bench.targets import S3_KEY, Place
from storage_service.remote import Endpoint, S3Server

BUCKET = "objects"
# Sizes in bytes and their shares, as of a store of documents and photos.
SIZES = ((0, 2), (1_000, 25), (10_000, 40), (100_000, 25), (1_000_000, 7), (8 << 20, 1))
THREADS = 8
Service = tuple[Server, Place]


def import_beside_rclone(bench: Bench, round_number: int) -> None:
    """Objects a second of both, into buckets of their own on the same target."""
    if shutil.which("rclone") is None:
        raise Wrong("rclone is not on PATH")
    with bench.fresh("ours", 1, keep=False) as source, bench.fresh("ours", 1, keep=False) as target:
        size = _fill(source, bench.plan.moved)
        ways = {"import": _import_seconds, "rclone": _rclone_seconds}
        for name in sorted(ways, reverse=bool(round_number % 2)):
            seconds = ways[name](source, target, f"to-{name}")
            found = {"target": name, "rate": bench.plan.moved / seconds, "seconds": seconds, "bytes": size}
            bench.add("import", round_number, target[0], **found)


def _fill(service: Service, count: int) -> int:
    """Bytes in all."""
    server = S3Server(Endpoint(service[0].url, S3_KEY, service[1].s3_secret))
    server.create_bucket(BUCKET)
    dice = random.Random(1)  # noqa: S311 - sizes
    sizes = dice.choices([size for size, _ in SIZES], [share for _, share in SIZES], k=count)

    def put(number: int) -> None:
        headers = {"content-type": "image/jpeg", "x-amz-meta-number": str(number)}
        server.put(BUCKET, f"folder {number % 50}/{number:06}.jpg", headers, os.urandom(sizes[number]))

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(put, range(count)))
    server.close()
    return sum(sizes)


def _import_seconds(source: Service, target: Service, bucket: str) -> float:
    given = {"SOURCE_ACCESS_KEY": S3_KEY, "SOURCE_SECRET_KEY": source[1].s3_secret}
    state = source[1].logs / f"import-{source[1].store.name}.state"
    command = [sys.executable, "-m", "storage_service.cli.main", "import", source[0].url]
    named = ["--bucket", BUCKET, "--to", bucket, "--state", str(state)]
    return _timed([*command, *named], {**target[0].environment, **given}, target[1].logs)


def _rclone_seconds(source: Service, target: Service, bucket: str) -> float:
    environment = {"PATH": os.environ["PATH"], "HOME": str(target[1].logs)}
    for name, (server, place) in (("SOURCE", source), ("TARGET", target)):
        told = {"TYPE": "s3", "PROVIDER": "Minio", "ENDPOINT": server.url}
        told |= {"ACCESS_KEY_ID": S3_KEY, "SECRET_ACCESS_KEY": place.s3_secret}
        environment |= {f"RCLONE_CONFIG_{name}_{word}": value for word, value in told.items()}
    return _timed(["rclone", "copy", f"source:{BUCKET}", f"target:{bucket}"], environment, target[1].logs)


def _timed(command: list[str], environment: Mapping[str, str], place: Path) -> float:
    """Seconds. Raises: Wrong."""
    started = time.perf_counter()
    done = subprocess.run(  # noqa: S603
        command, env=environment, cwd=place, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Wrong(f"{' '.join(command[:3])}: {done.stdout}{done.stderr}"[-400:])
    return time.perf_counter() - started
