"""Long bodies in pairs, one after the other in the same round: a zip beside a plain GET, tus beside a plain PUT."""

import http.client
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from bench.client import Client, Wrong
from bench.processes import Server
from bench.rounds import DRAIN_SECONDS, Bench, client_of
from bench.targets import BUCKET

MIB = 1 << 20
FILES = 1000  # of 1 MiB
QUICK_FILES = 200
QUICK_SECONDS = 5.0  # a plan that loads for less is a glance
UPLOAD_MIB = 256
PIECES = 3  # of each kind a round: the best counts, as a neighbour's work only ever slows one down
PIECE = bytes(range(256)) * (MIB // 256)
TUS_TYPE = "application/offset+octet-stream"
OK = frozenset({200, 201, 204})


def zip_beside_get(bench: Bench, round_number: int) -> None:
    """Bytes a second of 1,000 files of 1 MiB as one archive, and of as many bytes as one object."""
    files = FILES if bench.plan.load_seconds > QUICK_SECONDS else QUICK_FILES
    with bench.fresh("ours", 1, keep=False) as (server, place):
        client = client_of(server, place)
        for number in range(files * PIECES):
            _send(client, "PUT", f"/files/upload-direct/{BUCKET}/many/{number % PIECES}/{number:05d}", MIB)
        _send(client, "PUT", f"/files/upload-direct/{BUCKET}/whole", files * MIB)
        client.drain(DRAIN_SECONDS)
        turn = iter(range(PIECES))  # other files each time: nothing is remembered of them
        pair = {
            "zip": lambda: _read(client, f"/files/zip/{BUCKET}?prefix=many/{next(turn)}/", files * MIB),
            "get": lambda: _read(client, f"/files/download/{BUCKET}/whole", files * MIB),
        }
        _compare(bench, "zip", round_number, server, pair)


def tus_beside_put(bench: Bench, round_number: int) -> None:
    """Bytes a second of one PATCH of 256 MiB, and of one PUT."""
    with bench.fresh("ours", 1, keep=False) as (server, place):
        client = client_of(server, place)
        pair = {
            "tus": lambda: _patch(client),
            "put": lambda: _send(client, "PUT", f"/files/upload-direct/{BUCKET}/put", UPLOAD_MIB * MIB),
        }
        _compare(bench, "tus", round_number, server, pair)


def _compare(bench: Bench, phase: str, round_number: int, server: Server, pair: dict[str, Callable[[], float]]) -> None:
    """In turn, each beginning in its own rounds."""
    names = sorted(pair, reverse=bool(round_number % 2))
    found: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(PIECES):
        for name in names:
            found[name].append(pair[name]())
    for name, rates in found.items():
        bench.add(phase, round_number, server, target=name, rate=round(max(rates)), rates=[round(r) for r in rates])


def _read(client: Client, path: str, least: int) -> float:
    """Bytes a second of a body. Raises: Wrong for fewer bytes than that."""
    connection = _connect(client)
    started = time.perf_counter()
    connection.request("GET", path, headers=_headers(client))
    answer = connection.getresponse()
    buffer, size = bytearray(MIB), 0
    while count := answer.readinto(buffer):
        size += count
    spent = time.perf_counter() - started
    connection.close()
    if answer.status != http.client.OK or size < least:
        raise Wrong(f"{path}: {answer.status}, {size} bytes")
    return size / spent


def _send(client: Client, method: str, path: str, size: int, headers: dict[str, str] | None = None) -> float:
    """Bytes a second of a body sent. Raises: Wrong."""
    connection = _connect(client)
    started = time.perf_counter()
    sent = {**_headers(client), "Content-Length": str(size), **(headers or {})}
    connection.request(method, path, body=_pieces(size), headers=sent)
    answer = connection.getresponse()
    text = answer.read()
    spent = time.perf_counter() - started
    connection.close()
    if answer.status not in OK:
        raise Wrong(f"{method} {path}: {answer.status} {text[:200]!r}")
    return size / spent


def _patch(client: Client) -> float:
    """Making the upload is not what is measured."""
    said = {"bucket": BUCKET, "key": "tus", "overwrite": "true"}
    metadata = ",".join(f"{name} {b64encode(value.encode()).decode()}" for name, value in said.items())
    head = {"Tus-Resumable": "1.0.0", "Upload-Length": str(UPLOAD_MIB * MIB), "Upload-Metadata": metadata}
    connection = _connect(client)
    connection.request("POST", "/files/resumable", headers={**_headers(client), **head})
    answer = connection.getresponse()
    answer.read()
    path = urlsplit(answer.headers["location"] or "").path
    connection.close()
    body = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": TUS_TYPE}
    return _send(client, "PATCH", path, UPLOAD_MIB * MIB, body)


def _pieces(size: int) -> Iterator[bytes]:
    for _ in range(size // MIB):
        yield PIECE


def _connect(client: Client) -> http.client.HTTPConnection:
    found = urlsplit(client.url)
    return http.client.HTTPConnection(found.hostname or "", found.port, timeout=120)


def _headers(client: Client) -> dict[str, str]:
    return {"Authorization": f"Bearer {client.token}", "Connection": "close"}
