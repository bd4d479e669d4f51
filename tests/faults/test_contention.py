"""C5, C6, C8: bodies that are not what was announced, puts against deletes, lists while keys come and go."""

import base64
import hashlib
import random
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import httpx
import pytest
from awscrt.checksums import crc64nvme

from tests.power.door import Door
from tests.support.service import Service

WORKERS = 2
SIZES = sorted({edge + step for edge in (0, 4096, 16_384, 65_536, 131_072, 1 << 20) for step in (-1, 0, 1)} - {-1})
ROUNDS = 30
STEADY, COMING = 700, 200


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    place = tmp_path_factory.mktemp("contention")
    with Service(place / "data", place, WORKERS, {"DURABILITY": "scratch", "TRASH_DAYS": "0"}) as running:
        yield running


# C5 ---------------------------------------------------------------------------------------------------------------


def digests(body: bytes) -> dict[str, str]:
    """Every digest that an upload may announce."""
    return {
        "content-md5": base64.b64encode(hashlib.md5(body).digest()).decode(),
        "x-checksum-sha256": hashlib.sha256(body).hexdigest(),
        "x-checksum-crc64nvme": base64.b64encode(crc64nvme(body).to_bytes(8, "big")).decode(),
    }


def test_only_bodies_that_are_what_was_announced_are_stored(service: Service) -> None:
    chance = random.Random(5)
    with Door(service, "bodies") as door:
        door.create_bucket().raise_for_status()
        for size in SIZES:
            body = chance.randbytes(size)
            right, wrong = digests(body), digests(body + b"x")
            for name in right:
                key = f"{name}/{size}"
                refused = door.put(key, body, {name: wrong[name]})
                assert (refused.status_code, door.get(key).status_code) == (400, 404), (name, size)
                door.put(key, body, {name: right[name]}).raise_for_status()
                assert door.get(key).content == body


def send_short(service: Service, key: str, announced: int, sent: int) -> None:
    """An upload whose client leaves in the middle."""
    head = (
        f"PUT /files/upload-direct/bodies/{key} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {service.token()}\r\n"
        f"Content-Length: {announced}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", service.port), timeout=60.0) as connection:
        connection.sendall(head.encode() + b"x" * sent)


def test_body_that_ends_early_leaves_nothing(service: Service) -> None:
    with Door(service, "bodies") as door:
        door.create_bucket()
        cut = [(size, size * part // 10) for size in SIZES if size > 1 for part in (0, 5, 9)]
        for number, (announced, sent) in enumerate(cut):
            send_short(service, f"short/{number}", announced, sent)
        door.put("short/after", b"after").raise_for_status()
        assert [key for key in door.list_keys() if key.startswith("short/")] == ["short/after"]


# C6 ---------------------------------------------------------------------------------------------------------------


def test_put_against_delete_of_its_bucket_is_stored_or_refused(service: Service) -> None:
    """An upload that was acknowledged is never lost to a bucket delete that refuses buckets with something in them."""

    def put(number: int) -> httpx.Response:
        with Door(service, f"raced-{number}") as door:
            return door.put("k", b"x" * (20_000 if number % 2 else 100))

    def delete(number: int) -> httpx.Response:
        with Door(service, f"raced-{number}") as door:
            return door.delete_bucket()

    with ThreadPoolExecutor(4) as pool, Door(service, "any") as door:
        for number in range(ROUNDS):
            door.bucket = f"raced-{number}"
            door.create_bucket().raise_for_status()
            first, second = (put, delete) if number % 3 else (delete, put)
            asked = [pool.submit(first, number), pool.submit(second, number)]
            answers = [one.result() for one in asked]
            stored, removed = answers if first is put else answers[::-1]
            assert stored.status_code in {201, 404}, stored.text
            assert removed.status_code in {204, 409}, removed.text
            assert not (stored.is_success and removed.is_success), "an acknowledged upload went with its bucket"
            assert (door.get("k").status_code == 200) == stored.is_success


def test_put_delete_and_conditional_put_of_one_key_never_fail(service: Service) -> None:
    with Door(service, "one-key") as door:
        door.create_bucket().raise_for_status()

    def change(number: int) -> int:
        with Door(service, "one-key") as door:
            match number % 4:
                case 0:
                    return door.delete("k").status_code
                case 1:
                    return door.put("k", b"x" * 30_000).status_code
                case 2:
                    return door.put("k", b"new", {"if-none-match": "*"}).status_code
                case _:
                    return door.get("k").status_code

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(change, range(ROUNDS * 8)))
    assert found <= {200, 201, 204, 404, 412}


# C8 ---------------------------------------------------------------------------------------------------------------


def odd_key(number: int) -> str:
    """Keys whose order by bytes is not that of anything else."""
    letters = ("a", "B", "ä", "/", "\x01", "~", "\U0001f600", "\ufffd", "é", "Z/")
    chance = random.Random(number)
    return "".join(chance.choice(letters) for _ in range(chance.randint(1, 12))) + f"{number:05d}"


def test_keys_that_stay_are_listed_once_and_in_order_while_others_come_and_go(service: Service) -> None:
    steady = [odd_key(number) for number in range(STEADY)]
    coming = [odd_key(number) for number in range(STEADY, STEADY + COMING)]
    with Door(service, "listed") as door:
        door.create_bucket().raise_for_status()
        for key in steady:
            door.put(key, b"").raise_for_status()
    stop = Event()

    def come_and_go(keys: list[str]) -> None:
        with Door(service, "listed") as own:  # one for each thread: httpx's pool may close what another one uses
            while not stop.is_set():
                for key in keys:
                    own.put(key, b"")
                for key in keys:
                    own.delete(key)

    with ThreadPoolExecutor(2) as pool:
        going = [pool.submit(come_and_go, coming[start::2]) for start in range(2)]
        try:
            with Door(service, "listed") as reader:
                for _ in range(3):
                    found = reader.list_keys()
                    assert found == sorted(set(found), key=str.encode)
                    assert set(steady) <= set(found)
        finally:
            stop.set()
        for one in going:
            one.result()


def test_log_tells_of_no_fault(service: Service) -> None:
    assert "Traceback" not in Path(service.log).read_text(errors="replace")
