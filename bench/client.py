"""The few single calls a benchmark makes to the service: a bucket, its backlog, a proof that reads are real."""

import hashlib
import json
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

from bench.targets import BUCKET

CREATED = (200, 201, 409)
POLL_SECONDS = 0.2
COMMITS = re.compile(r'^storage_commit_seconds_bucket\{.*le="([^"]+)".*\} (\S+)$', re.MULTILINE)


class Wrong(Exception):
    """The service answered something that makes a measurement worthless."""


@dataclass(frozen=True, slots=True)
class Client:
    url: str
    token: str
    service_key: str

    def create_bucket(self) -> None:
        body = json.dumps({"name": BUCKET, "is_public": True}).encode()
        status, answer = self._call("POST", "/buckets", self.token, body)
        if status not in CREATED:
            raise Wrong(f"POST /buckets: {status} {answer[:200]!r}")

    def metrics(self) -> str:
        status, answer = self._call("GET", "/metrics", self.service_key)
        if status != CREATED[0]:
            raise Wrong(f"GET /metrics: {status} {answer[:200]!r}")
        return answer.decode()

    def backlog_rows(self) -> int:
        return int(gauge(self.metrics(), "storage_backlog_rows"))

    def objects(self, bucket: str = BUCKET) -> int:
        """How many objects a bucket of the benchmark has, by the service's exact counters."""
        return int(gauge(self.metrics(), "storage_bucket_objects", f'bucket="{bucket}"'))

    def drain(self, most_seconds: float) -> float:
        """Seconds until nothing waits to be settled; `most_seconds` when that was not reached."""
        started = time.perf_counter()
        while (spent := time.perf_counter() - started) < most_seconds:
            if self.backlog_rows() == 0:
                return spent
            time.sleep(POLL_SECONDS)
        return most_seconds

    def check_public(self, path: str, size: int) -> None:
        """Raises: Wrong, unless anybody gets so many bytes there and they are those of the ETag."""
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:  # noqa: S310
            body, etag = answer.read(), answer.headers["etag"].strip('"')
        if len(body) != size or hashlib.md5(body, usedforsecurity=False).hexdigest() != etag:
            raise Wrong(f"{path}: {len(body)} bytes that are not those of {etag}")

    def _call(self, method: str, path: str, bearer: str, body: bytes | None = None) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, body, headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


def gauge(metrics: str, name: str, label: str = "") -> float:
    """One value of a text exposition. Raises: Wrong when it is not there."""
    for line in metrics.splitlines():
        if line.startswith((f"{name} ", f"{name}{{")) and label in line:
            return float(line.rpartition(" ")[2])
    raise Wrong(f"/metrics has no {name} {label}")


def commit_p99_ms(metrics: str) -> float | None:
    """The service's own view of its commits: upper bound of the bucket the 99th percentile is in."""
    buckets = [(float(bound), float(count)) for bound, count in COMMITS.findall(metrics)]
    if not buckets or not buckets[-1][1]:
        return None
    wanted = buckets[-1][1] * 0.99
    return next(bound for bound, count in buckets if count >= wanted) * 1000
