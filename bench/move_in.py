"""`storage import` beside `rclone copy`: the same objects from one instance of the service into another, in turns.

    python -m bench.move_in [--objects 2000] [--rounds 3] [--data DIR]

Needs rclone on the path. Prints objects a second of both, and the ratio of each round, as min / median / max.
"""

import argparse
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from bench.processes import Server
from storage_service.remote import Endpoint, S3Server

ACCESS, SECRET = "bench-access-key", "bench-secret-of-root"
# Sizes in bytes and their shares, as of a store of documents and photos.
SIZES = ((0, 2), (1_000, 25), (10_000, 40), (100_000, 25), (1_000_000, 7), (8 << 20, 1))
FLOOR = 0.6
THREADS = 8


def service(place: Path, name: str) -> Server:
    """Power-safe, one worker, as it comes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    root = place / name
    root.mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "STORAGE_PATH": str(root / "data"),
        "PORT": str(port),
        "SECRET_KEY": "a-secret-of-the-bench-of-more-than-32-bytes",
        "STORAGE_SERVICE_API_KEY": "b1" * 32,
        "S3_ROOT_ACCESS_KEY": ACCESS,
        "S3_ROOT_SECRET_KEY": SECRET,
    }
    command = [sys.executable, "-m", "storage_service.cli.main", "serve"]
    return Server(name, 1, command, environment, port, "/readyz", root / "log")


def url_of(server: Server) -> str:
    return f"http://127.0.0.1:{server.port}"


def fill(server: S3Server, bucket: str, count: int) -> int:
    """Bytes in all."""
    server.create_bucket(bucket)
    dice = random.Random(1)  # noqa: S311 - sizes
    sizes = dice.choices([size for size, _ in SIZES], [share for _, share in SIZES], k=count)

    def put(number: int) -> None:
        headers = {"content-type": "image/jpeg", "x-amz-meta-number": str(number)}
        server.put(bucket, f"folder {number % 50}/{number:06}.jpg", headers, os.urandom(sizes[number]))

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(put, range(count)))
    server.close()
    return sum(sizes)


def timed(command: list[str], environment: Mapping[str, str], place: Path) -> float:
    """Seconds. Raises: CalledProcessError."""
    started = time.perf_counter()
    subprocess.run(command, env=environment, cwd=place, check=True, capture_output=True)  # noqa: S603
    return time.perf_counter() - started


def import_seconds(source: Server, target: Server, bucket: str, place: Path) -> float:
    environment = {**target.environment, "SOURCE_ACCESS_KEY": ACCESS, "SOURCE_SECRET_KEY": SECRET}
    command = [sys.executable, "-m", "storage_service.cli.main", "import", url_of(source)]
    named = ["--bucket", "objects", "--to", bucket, "--state", str(place / f"{bucket}.state")]
    return timed([*command, *named], environment, place)


def rclone_seconds(source: Server, target: Server, bucket: str, place: Path) -> float:
    environment = {"PATH": os.environ["PATH"], "HOME": str(place)}
    for name, server in (("SOURCE", source), ("TARGET", target)):
        told = {"TYPE": "s3", "PROVIDER": "Minio", "ENDPOINT": url_of(server)}
        told |= {"ACCESS_KEY_ID": ACCESS, "SECRET_ACCESS_KEY": SECRET}
        environment |= {f"RCLONE_CONFIG_{name}_{word}": value for word, value in told.items()}
    return timed(["rclone", "copy", "source:objects", f"target:{bucket}"], environment, place)


def spread(values: list[float]) -> str:
    return f"{min(values):.2f} / {statistics.median(values):.2f} / {max(values):.2f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, default=Path("/var/tmp"), help="A directory on a real disk.")  # noqa: S108
    asked = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="bench-move-in-", dir=asked.data))
    try:
        with ExitStack() as stack:
            source, target = (stack.enter_context(service(place, name)) for name in ("source", "target"))
            size = fill(S3Server(Endpoint(url_of(source), ACCESS, SECRET)), "objects", asked.objects)
            print(f"{asked.objects} objects, {size / 2**20:.0f} MiB")
            ours, theirs = [], []
            for number in range(asked.rounds):
                ours.append(asked.objects / import_seconds(source, target, f"import-{number}", place))
                theirs.append(asked.objects / rclone_seconds(source, target, f"rclone-{number}", place))
            ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
            print(f"storage import  {spread(ours)} objects/s\nrclone copy     {spread(theirs)} objects/s")
            print(f"ratio           {spread(ratios)}   (floor {FLOOR})")
    finally:
        shutil.rmtree(place)
    return 0


if __name__ == "__main__":
    sys.exit(main())
