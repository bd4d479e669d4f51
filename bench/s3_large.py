"""The S3 API's large bodies beside nginx: reads, writes, and an upload in parts."""

import re
import time

from bench.client import Wrong
from bench.load import Drive
from bench.rounds import Bench, Row
from bench.s3 import BESIDE_NGINX
from bench.s3_plays import BUCKET, Caller
from bench.s3_targets import Target, came_to, fill, loaded, opened

MIB = 1 << 20
LARGE = 64 * MIB
OBJECTS, READERS = 4, 8
WRITERS, MOST_WRITES = 4, 48
PART, PARTS, AT_ONCE = 16 * MIB, 16, 4
UPLOADS = 8  # of 256 MiB each, one after the other: with three, nginx was done within 0.25 s, and its rate chance
PARTS_SECONDS = 120.0
LISTED = re.compile("<PartNumber>([0-9]+)</PartNumber>.*?<ETag>([^<]+)</ETag>", re.DOTALL)


def s3_get64m(bench: Bench, round_number: int) -> None:
    """GET of four hot objects of 64 MiB by eight connections."""
    keys = [f"large/{number}" for number in range(OBJECTS)]
    for name, workers in bench.variants(round_number, BESIDE_NGINX):
        with opened(bench, name, workers, keep=False) as target:
            fill(bench, target, keys, LARGE, 2)
            plays = [target.requests.play("GET", key) for key in keys]
            loaded(bench, target, plays, Drive(READERS, bench.plan.warm_seconds, wrap=True, discard=True))
            drive = Drive(READERS, bench.plan.load_seconds, wrap=True, discard=True)
            bench.add("s3_get64m", round_number, target.server, **loaded(bench, target, plays, drive).record())


def s3_put64m(bench: Bench, round_number: int) -> None:
    """PUT of distinct objects of 64 MiB by four connections."""
    for name, workers in bench.variants(round_number, BESIDE_NGINX):
        with opened(bench, name, workers, keep=False) as target:
            plays = [target.requests.play("PUT", f"large/{number}", LARGE) for number in range(MOST_WRITES)]
            outcome = loaded(bench, target, plays, Drive(WRITERS, bench.plan.load_seconds))
            bench.add("s3_put64m", round_number, target.server, **outcome.record())


def s3_multipart(bench: Bench, round_number: int) -> None:
    """256 MiB in parts of 16 MiB, four at a time, from Create to Complete; nginx gets the same bytes by PUT."""
    for name, workers in bench.variants(round_number, BESIDE_NGINX):
        with opened(bench, name, workers, keep=False) as target:
            found = _put_pieces(bench, target) if target.signer is None else _upload(bench, target)
            bench.add("s3_multipart", round_number, target.server, **found)


def _upload(bench: Bench, target: Target) -> Row:
    used = target.server.cpu_seconds()
    with target.caller() as caller:
        seconds = sum(_upload_one(bench, target, caller, f"whole/{number}") for number in range(UPLOADS))
    return came_to(target.server, UPLOADS, seconds, used)


def _upload_one(bench: Bench, target: Target, caller: Caller, key: str) -> float:
    """Seconds of Create, the parts, and Complete; a client holds the ETags, so that listing them does not count."""
    path, started = f"/{BUCKET}/{key}", time.perf_counter()
    _, text = caller.call("POST", path, [("uploads", "")])
    created = time.perf_counter() - started
    upload = text.partition("<UploadId>")[2].partition("<")[0]
    numbers = range(1, PARTS + 1)
    named = [[("partNumber", str(number)), ("uploadId", upload)] for number in numbers]
    plays = [target.requests.play("PUT", key, PART, query) for query in named]
    sent = loaded(bench, target, plays, Drive(AT_ONCE, PARTS_SECONDS))
    body = _completion(caller.call("GET", path, [("uploadId", upload)])[1])
    started = time.perf_counter()
    caller.call("POST", path, [("uploadId", upload)], body)
    return created + sent.seconds + time.perf_counter() - started


def _completion(listing: str) -> bytes:
    """Raises: Wrong unless all parts are listed."""
    parts = [
        f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>" for number, etag in LISTED.findall(listing)
    ]
    if len(parts) != PARTS:
        raise Wrong(f"{len(parts)} parts of {PARTS}: {listing[:300]}")
    return f"<CompleteMultipartUpload>{''.join(parts)}</CompleteMultipartUpload>".encode()


def _put_pieces(bench: Bench, target: Target) -> Row:
    """The same bytes in the same pieces, as files of their own."""
    plays = [target.requests.play("PUT", f"piece/{number}", PART) for number in range(UPLOADS * PARTS)]
    found = loaded(bench, target, plays, Drive(AT_ONCE, PARTS_SECONDS))
    return {**found.record(), "rate": found.rate / PARTS, "answered": UPLOADS}
