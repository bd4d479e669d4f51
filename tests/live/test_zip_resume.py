"""An archive whose download breaks: the service is killed, started again, and the client goes on where it stopped."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import httpx

from tests.support.service import Service

MIB = 1 << 20
WAIT_SECONDS = 60.0


def test_an_archive_goes_on_after_the_service_was_killed(tmp_path: Path) -> None:
    files = {f"f{number:02d}": os.urandom(MIB // 2) for number in range(60)} | {"late": os.urandom(8 * MIB + 5)}
    with Service(tmp_path / "data", tmp_path, workers=2) as service, service.client() as client:
        client.post("/buckets", json={"name": "films", "is_public": False}).raise_for_status()
        for key, body in files.items():
            client.put(f"/files/upload-direct/films/{key}", content=body).raise_for_status()
        with client.stream("GET", "/files/zip/films") as answer:
            size, etag = int(answer.headers["content-length"]), answer.headers["etag"]
            chunks = answer.iter_bytes(MIB)
            got = bytearray(next(chunks) + next(chunks))
            service.kill_all()  # the client has two mebibytes, and what the kernel holds
            try:
                for chunk in chunks:
                    got += chunk
            except httpx.TransportError:
                pass
        assert 2 * MIB <= len(got) < size
        service.start()
        sent = {"range": f"bytes={len(got)}-", "if-range": etag}
        rest = client.get("/files/zip/films", headers=sent, timeout=WAIT_SECONDS)
        assert (rest.status_code, rest.headers["etag"]) == (206, etag)
        got += rest.content
    assert len(got) == size
    with zipfile.ZipFile(io.BytesIO(got)) as found:
        assert found.testzip() is None
        assert {name: found.read(name) for name in found.namelist()} == files
