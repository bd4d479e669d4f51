"""The same through S3: small PUT, GET, HEAD, DELETE, a mix, lists, and 64 MiB. Every request is signed beforehand.

Presigned URLs with UNSIGNED-PAYLOAD (Signature Version 4): the server checks them, the generator only plays them back.
"""

import hashlib
import hmac
import random
import time
from collections.abc import Sequence
from urllib.parse import quote

from bench.load import Drive, Play
from bench.processes import Server
from bench.rounds import BODY_BYTES, CLIENTS, Bench, client_of
from bench.targets import BUCKET, S3_KEY, Place

REGION = "us-east-1"
EXPIRES_SECONDS = 7200
MIXED_BYTES, LARGE_BYTES = 64 << 10, 64 << 20
HOT = 1_000  # objects that are read
MOST = 60_000  # requests of a phase that each need a URL of their own
SHARES = (("GET", 45), ("HEAD", 30), ("PUT", 15), ("DELETE", 10))  # of the mix, in percent
LIST_CLIENTS, LARGE_CLIENTS = 4, 4
LONGEST_SECONDS = 120.0  # of what is prepared
KEPT, CHANGING = ([f"{prefix}/{n:04d}" for n in range(HOT)] for prefix in "mc")


class Signer:
    """URLs of one server, for one day. Source: AWS, "Authenticating Requests: Using Query Parameters"."""

    def __init__(self, server: Server, place: Place) -> None:
        self._host = f"127.0.0.1:{server.port}"
        self._stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        self._scope = f"{self._stamp[:8]}/{REGION}/s3/aws4_request"
        key = f"AWS4{place.s3_secret}".encode()
        for part in self._scope.split("/"):
            key = hmac.digest(key, part.encode(), hashlib.sha256)
        self._key = key

    def play(self, method: str, key: str, size: int = 0, query: Sequence[tuple[str, str]] = ()) -> Play:
        """One request for one key; `key` empty = the bucket."""
        path = f"/{BUCKET}/{quote(key)}"
        fields = [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", f"{S3_KEY}/{self._scope}"),
            ("X-Amz-Date", self._stamp),
            ("X-Amz-Expires", str(EXPIRES_SECONDS)),
            ("X-Amz-SignedHeaders", "host"),
            *query,
        ]
        text = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(fields))
        canonical = f"{method}\n{path}\n{text}\nhost:{self._host}\n\nhost\nUNSIGNED-PAYLOAD"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        signed = f"AWS4-HMAC-SHA256\n{self._stamp}\n{self._scope}\n{digest}"
        signature = hmac.new(self._key, signed.encode(), hashlib.sha256).hexdigest()
        return Play(method, f"{path}?{text}&X-Amz-Signature={signature}", size)


def s3(bench: Bench, round_number: int) -> None:
    """All loads of the S3 door, in a fresh store for each number of workers."""
    for name, workers in bench.variants(round_number, ("ours",)):
        with bench.fresh(name, workers) as (server, place):
            signer, written = Signer(server, place), 0
            for load, plays, connections, wrap in _loads(signer):
                if load == "s3_get4k":
                    client_of(server, place).drain(120.0)
                if load == "s3_delete4k":
                    plays = plays[:written]  # noqa: PLW2901 - only what is there
                if load == "s3_mixed":
                    kept = [signer.play("PUT", key, MIXED_BYTES) for key in KEPT]
                    bench.generator.run(server, kept, Drive(connections, LONGEST_SECONDS, most=len(kept)))
                seconds, most = bench.plan.load_seconds, 1 << 22 if wrap else len(plays)
                drive = Drive(connections, seconds, most=most, wrap=wrap, discard=load == "s3_get64m")
                outcome = bench.generator.run(server, plays, drive)
                written = outcome.ok if load == "s3_put4k" else written
                bench.add(load, round_number, server, **outcome.record())


def _loads(signer: Signer) -> list[tuple[str, list[Play], int, bool]]:
    """(name, requests, connections, whether they are played again and again), in the order they need."""
    first, hot = [f"p/{n % 100:02d}/{n:08d}" for n in range(MOST)], [f"p/{n % 100:02d}/{n:08d}" for n in range(HOT)]
    page = (("list-type", "2"), ("max-keys", "1000"))
    folders = (*page, ("delimiter", "/"), ("prefix", "p/"))
    large = [f"large/{n}" for n in range(4)]
    return [
        ("s3_put4k", [signer.play("PUT", key, BODY_BYTES) for key in first], CLIENTS, False),
        ("s3_get4k", [signer.play("GET", key) for key in hot], CLIENTS, True),
        ("s3_head4k", [signer.play("HEAD", key) for key in hot], CLIENTS, True),
        ("s3_list", [signer.play("GET", "", query=page)], LIST_CLIENTS, True),
        ("s3_list_prefixes", [signer.play("GET", "", query=folders)], LIST_CLIENTS, True),
        ("s3_mixed", _mixed(signer), CLIENTS, True),
        ("s3_delete4k", [signer.play("DELETE", key) for key in first], CLIENTS, False),
        ("s3_put64m", [signer.play("PUT", key, LARGE_BYTES) for key in large], LARGE_CLIENTS, True),
        ("s3_get64m", [signer.play("GET", key) for key in large], LARGE_CLIENTS, True),
    ]


def _mixed(signer: Signer) -> list[Play]:
    """Objects of 64 KiB, in shares. Those that are read stay; those that are deleted are written again."""
    chance, kinds = random.Random(1), [method for method, share in SHARES for _ in range(share)]  # noqa: S311
    plays = []
    for _ in range(4 * HOT):
        method = chance.choice(kinds)
        key = chance.choice(CHANGING if method in {"PUT", "DELETE"} else KEPT)
        plays.append(signer.play(method, key, MIXED_BYTES if method == "PUT" else 0))
    return plays
