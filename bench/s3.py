"""The S3 API: presigned requests for 4 and 64 KiB, deletes and lists, beside nginx and the bare app."""

import hashlib
import random
import re
import urllib.request
from collections.abc import Iterable, Iterator, Sequence

from bench.client import Wrong
from bench.load import Drive, Play
from bench.processes import is_ok
from bench.rounds import CLIENTS, Bench, aftermath, check_all_there, client_of, key_of
from bench.s3_plays import BUCKET, Caller, Plain, Signer
from bench.s3_targets import Target, fill, loaded, opened, settle, timed
from bench.targets import BUCKET as OPEN_BUCKET

BESIDE_NGINX, BESIDE_BARE = ("ours", "nginx"), ("ours", "bare")
SMALL, MIDDLE = 4 << 10, 64 << 10
HOT_KEYS, PAGE = 1000, 1000
# Signed or filled before the clock runs: so many that each is busy for seconds. Who is faster ends before the time.
PUTS_PER_SECOND = 9_000
DELETES_PER_SECOND = {"ours": 4_000, "nginx": 25_000}
MIXED_PER_SECOND = {"ours": 5_000, "nginx": 15_000}
BATCHES = 20
LISTINGS = 4  # of all keys: CPU is told in hundredths of a second
MIX = ("GET",) * 9 + ("HEAD",) * 6 + ("PUT",) * 3 + ("DELETE",) * 2
TOKEN = re.compile("<NextContinuationToken>([^<]+)<")


def s3_reads(bench: Bench, round_number: int) -> None:
    """GET, then HEAD, of 1,000 hot objects of 4 KiB: rows `s3_get4k` and `s3_head4k`."""
    keys = [key_of("hot", number) for number in range(HOT_KEYS)]
    for name, workers in bench.variants(round_number, BESIDE_NGINX):
        with opened(bench, name, workers) as target:
            fill(bench, target, keys, SMALL)
            _check_real(target, keys[0])
            for method, phase in (("GET", "s3_get4k"), ("HEAD", "s3_head4k")):
                plays = [target.requests.play(method, key) for key in keys]
                loaded(bench, target, plays, Drive(CLIENTS, bench.plan.warm_seconds, wrap=True))
                outcome = loaded(bench, target, plays, Drive(CLIENTS, bench.plan.load_seconds, wrap=True))
                bench.add(phase, round_number, target.server, **outcome.record())


def _check_real(target: Target, key: str) -> None:
    """Raises: Wrong, unless the bytes read are those of the ETag, and another signature is refused."""
    if target.signer is None:
        return
    url = target.server.url + target.signer.play("GET", key).path
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - our own address
        body, etag = answer.read(), answer.headers["etag"].strip('"')
    if len(body) != SMALL or hashlib.md5(body, usedforsecurity=False).hexdigest() != etag:
        raise Wrong(f"{key}: {len(body)} bytes that are not those of {etag}")
    if is_ok(url[:-1] + ("0" if url[-1] != "0" else "1")):
        raise Wrong(f"{key}: a wrong signature is let in")


def s3_put4k_burst(bench: Bench, round_number: int) -> None:
    """PUT of 4 KiB, distinct keys, for a short time."""
    for name, workers in bench.variants(round_number, BESIDE_BARE):
        with opened(bench, name, workers) as target:
            _puts(bench, "s3_put4k_burst", round_number, target, bench.plan.load_seconds)


def s3_put4k_sustained(bench: Bench, round_number: int) -> None:
    """The same for so long that settling must keep up; then how long the journal takes to drain."""
    for name, workers in bench.variants(round_number, BESIDE_BARE):
        with opened(bench, name, workers) as target:
            # What does nothing gets no slower with time.
            seconds = bench.plan.sustained_seconds if name == "ours" else bench.plan.load_seconds
            _puts(bench, "s3_put4k_sustained", round_number, target, seconds)


def _puts(bench: Bench, phase: str, round_number: int, target: Target, seconds: float) -> None:
    """Distinct keys: signed ahead for ours, numbered by the generator for who asks for no signature."""
    loaded(bench, target, *_distinct(target.requests, "w", bench.plan.warm_seconds))
    outcome = loaded(bench, target, *_distinct(target.requests, "p", seconds))
    more = {}
    if target.signer is not None:
        client = client_of(target.server, target.place)
        more = aftermath(client, target.place)
        check_all_there(client, outcome, BUCKET)
    bench.add(phase, round_number, target.server, **outcome.record(), **more)


def _distinct(requests: Signer | Plain, prefix: str, seconds: float) -> tuple[Iterable[Play], Drive]:
    if isinstance(requests, Plain):
        return [requests.play("PUT", f"{prefix}/@@/@@@@@@@@", SMALL)], Drive(CLIENTS, seconds, numbered=True)
    count = int(PUTS_PER_SECOND * seconds)
    return (requests.play("PUT", key_of(prefix, number), SMALL) for number in range(count)), Drive(CLIENTS, seconds)


def s3_deletes(bench: Bench, round_number: int) -> None:
    """DELETE of objects of 4 KiB one by one, then, of ours, 1,000 a call: rows `s3_delete4k` and `s3_delete_batch`."""
    for name, workers in bench.variants(round_number, BESIDE_NGINX):
        count = int(DELETES_PER_SECOND[name] * bench.plan.load_seconds)
        single = [key_of("one", number) for number in range(count)]
        batched = [key_of("many", number) for number in range(BATCHES * PAGE if name == "ours" else 0)]
        with opened(bench, name, workers) as target:
            fill(bench, target, [*single, *batched], SMALL)
            plays = [target.requests.play("DELETE", key) for key in single]
            outcome = loaded(bench, target, plays, Drive(CLIENTS, bench.plan.load_seconds))
            bench.add("s3_delete4k", round_number, target.server, **outcome.record())
            if batched:
                settle(target)
                _delete_in_batches(bench, round_number, target, batched)
    bench.sweep()


def _delete_in_batches(bench: Bench, round_number: int, target: Target, keys: Sequence[str]) -> None:
    """One caller, one call after the other; the rate is that of keys."""
    bodies = [_deletion(keys[at : at + PAGE]) for at in range(0, len(keys), PAGE)]
    with target.caller() as caller:

        def work() -> int:
            for body in bodies:
                caller.call("POST", f"/{BUCKET}", [("delete", "")], body)
            return len(keys)

        bench.add("s3_delete_batch", round_number, target.server, **timed(target.server, work))


def _deletion(keys: Sequence[str]) -> bytes:
    listed = "".join(f"<Object><Key>{key}</Key></Object>" for key in keys)
    return f"<Delete><Quiet>true</Quiet>{listed}</Delete>".encode()


def s3_mixed64k(bench: Bench, round_number: int) -> None:
    """45 % GET, 30 % HEAD, 15 % PUT, 10 % DELETE of 64 KiB, in an order of no pattern."""
    hot = [key_of("hot", number) for number in range(HOT_KEYS)]
    for name, workers in bench.variants(round_number, BESIDE_NGINX):
        count = int(MIXED_PER_SECOND[name] * bench.plan.load_seconds)
        methods = random.Random(round_number).choices(MIX, k=count)  # noqa: S311 - an order of requests
        gone = [key_of("gone", number) for number in range(methods.count("DELETE"))]
        with opened(bench, name, workers) as target:
            fill(bench, target, [*hot, *gone], MIDDLE, 8)
            plays = [target.requests.play(*words) for words in _mixed(methods, hot, gone)]
            outcome = loaded(bench, target, plays, Drive(CLIENTS, bench.plan.load_seconds))
            bench.add("s3_mixed64k", round_number, target.server, **outcome.record())
    bench.sweep()


def _mixed(methods: Sequence[str], hot: Sequence[str], gone: Sequence[str]) -> Iterator[tuple[str, str, int]]:
    """Method, key and size of each: reads are of hot keys, writes of new ones, deletes of one each that is there."""
    left = iter(gone)
    for number, method in enumerate(methods):
        if method == "PUT":
            yield method, key_of("new", number), MIDDLE
        elif method == "DELETE":
            yield method, next(left), 0
        else:
            yield method, hot[number * 31 % len(hot)], 0


def s3_list(bench: Bench, round_number: int) -> None:
    """All of 50,000 keys, 1,000 a page; the rate is that of pages."""
    with bench.filled("ours", 1) as (server, place), Caller(server, Signer(server, place)) as caller:

        def work() -> int:
            pages = [page for _ in range(LISTINGS) for page in _pages(caller)]
            if sum(pages) != LISTINGS * bench.plan.keys:
                raise Wrong(f"{sum(pages)} keys listed in {LISTINGS} passes over {bench.plan.keys}")
            return len(pages)

        found = timed(server, work)
        bench.add("s3_list", round_number, server, **found)


def _pages(caller: Caller) -> Iterator[int]:
    """How many keys each page has."""
    token = ""
    while True:
        query = [("list-type", "2"), ("prefix", "f/"), *([("continuation-token", token)] if token else [])]
        _, text = caller.call("GET", f"/{OPEN_BUCKET}", query)
        yield text.count("<Key>")
        found = TOKEN.search(text)
        if found is None:
            return
        token = found[1]
