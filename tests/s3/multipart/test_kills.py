"""The service is killed in the middle of parts and of completions: nothing acknowledged is lost, usage stays exact."""

from __future__ import annotations

import hashlib
import json
import random
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.s3.multipart.conftest import ROOT, client_of
from tests.support.service import SERVICE_KEY, Service

pytestmark = pytest.mark.ci

BIG = 5 << 20


def filler(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def usage_of(service: Service, name: str) -> int:
    with httpx.Client(base_url=service.url, headers={"X-API-Key": SERVICE_KEY}, timeout=30) as backend:
        text = backend.get("/metrics").text
    line = f'storage_bucket_{name}{{bucket="films"}} '
    found = [row.removeprefix(line) for row in text.splitlines() if row.startswith(line)]
    return int(float(found[0])) if found else 0


def upload_files(service: Service) -> list[Path]:
    return [path for path in (service.data / ".storage/uploads").rglob("*") if path.is_file()]


def wait_until_cleared(service: Service) -> None:
    deadline = time.monotonic() + 20
    while upload_files(service) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert upload_files(service) == []


class Writer(threading.Thread):
    """Puts parts, each with its own bytes, until the service dies; remembers which were acknowledged."""

    def __init__(self, service: Service, ref: dict[str, Any], first: int, seed: int) -> None:
        super().__init__(daemon=True)
        self._s3 = client_of(service)
        self._ref = ref
        self._first = first
        self._seed = seed
        self.acknowledged: dict[int, tuple[str, bytes]] = {}

    def run(self) -> None:
        for number in range(self._first, self._first + 40):
            data = filler(self._seed * 1000 + number, BIG)
            try:
                stored = self._s3.upload_part(**self._ref, PartNumber=number, Body=data)
            except (ClientError, BotoCoreError):
                return
            self.acknowledged[number] = (stored["ETag"], data)


@pytest.mark.parametrize("cycles", [2, pytest.param(20, marks=[pytest.mark.full, pytest.mark.timeout(900)])])
def test_acknowledged_parts_survive_a_kill(tmp_path: Path, cycles: int) -> None:
    with Service(tmp_path / "data", tmp_path, environment=ROOT) as service:
        client_of(service).create_bucket(Bucket="films")
        for cycle in range(cycles):
            s3, key = client_of(service), f"parts/{cycle}"
            made = s3.create_multipart_upload(Bucket="films", Key=key)
            ref = {"Bucket": "films", "Key": key, "UploadId": made["UploadId"]}
            writers = [Writer(service, ref, first, cycle) for first in (1, 101, 201)]
            for writer in writers:
                writer.start()
            time.sleep(0.5 + 0.2 * cycle)
            service.kill_all()
            for writer in writers:
                writer.join(timeout=60)
            service.start()
            s3 = client_of(service)
            told = {number: said for writer in writers for number, said in writer.acknowledged.items()}
            assert told, "nothing was acknowledged: nothing was shown"
            listed = {part["PartNumber"]: part for part in s3.list_parts(**ref)["Parts"]}
            assert {number: listed[number]["ETag"] for number in told} == {n: etag for n, (etag, _) in told.items()}
            assert usage_of(service, "upload_bytes") == sum(part["Size"] for part in listed.values())
            chosen = [{"PartNumber": number, "ETag": told[number][0]} for number in sorted(told)]
            s3.complete_multipart_upload(**ref, MultipartUpload={"Parts": chosen})
            digest = hashlib.sha256()
            for chunk in s3.get_object(Bucket="films", Key=key)["Body"].iter_chunks(1 << 20):
                digest.update(chunk)
            whole = hashlib.sha256(b"".join(told[number][1] for number in sorted(told)))
            assert digest.digest() == whole.digest()
            assert usage_of(service, "upload_bytes") == 0
        wait_until_cleared(service)
        assert list((service.data / ".storage/staging").rglob("part-*")) == []


def test_completion_killed_at_any_moment_is_whole_or_can_be_repeated(tmp_path: Path) -> None:
    parts = [filler(number, BIG + number) for number in range(1, 4)]
    data = b"".join(parts)
    with Service(tmp_path / "data", tmp_path, environment=ROOT) as service:
        client_of(service).create_bucket(Bucket="films")
        acknowledged = 0
        for cycle, wait in enumerate((0.0, 0.01, 0.03, 0.06, 0.12, 0.3)):
            s3, key = client_of(service), f"whole/{cycle}"
            made = s3.create_multipart_upload(Bucket="films", Key=key)
            ref = {"Bucket": "films", "Key": key, "UploadId": made["UploadId"]}
            stored = [
                {
                    "PartNumber": number,
                    "ETag": s3.upload_part(**ref, PartNumber=number, Body=part)["ETag"],
                }
                for number, part in enumerate(parts, start=1)
            ]
            outcome: list[str] = []

            def complete(
                ref: dict[str, Any] = ref, stored: list[Any] = stored, outcome: list[str] = outcome, s3: Any = s3
            ) -> None:
                try:
                    outcome.append(s3.complete_multipart_upload(**ref, MultipartUpload={"Parts": stored})["ETag"])
                except (ClientError, BotoCoreError):
                    return

            thread = threading.Thread(target=complete)
            thread.start()
            time.sleep(wait)
            service.kill_all()
            thread.join(timeout=60)
            service.start()
            s3 = client_of(service)
            if outcome:
                acknowledged += 1
                assert s3.get_object(Bucket="films", Key=key)["Body"].read() == data
            again = s3.complete_multipart_upload(**ref, MultipartUpload={"Parts": stored})
            assert outcome in ([], [again["ETag"]])
            assert s3.get_object(Bucket="films", Key=key)["Body"].read() == data
            assert usage_of(service, "upload_bytes") == 0
            assert usage_of(service, "bytes") == (cycle + 1) * len(data)
            assert usage_of(service, "objects") == cycle + 1
        wait_until_cleared(service)
        service.stop()
        found = service.run("check", "--deep", "--json")
        assert json.loads(found.stdout)["problems"] == []
