"""The photo demo: its code saved, destroyed and restored; its pictures in a directory and in a bucket."""

import importlib
import os
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from storage_service.providers import S3StorageProvider
from tests.support.documents import blocks
from tests.support.s3_servers import S3Endpoint
from tests.support.service import REPOSITORY

DEMO = REPOSITORY / "examples" / "fastopp_demo"
PACKAGES = ("main", "services", "scripts", "demo_scripts", "oppdemo")
STORAGE = {"__init__.py", "base.py", "filesystem.py", "s3.py", "factory.py", "README.md"}


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    copy = tmp_path / "demo"
    shutil.copytree(DEMO, copy, ignore=shutil.ignore_patterns("__pycache__", "demo_assets", "static"))
    return copy


def run(demo: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment = kept | {"PYTHONPATH": str(REPOSITORY)} | settings
    return subprocess.run(
        [sys.executable, *words], cwd=demo, env=environment, capture_output=True, text=True, check=False
    )


def test_save_destroy_and_restore_end_where_they_began(demo: Path) -> None:
    before = {path.name: path.read_bytes() for path in (demo / "services/storage").iterdir()}
    assert before.keys() == STORAGE
    assert run(demo, "oppdemo.py", "save").returncode == 0
    assert run(demo, "oppdemo.py", "diff").stdout == "no differences\n"
    assert {path.name for path in (demo / "demo_assets/services/storage").iterdir()} == STORAGE
    assert run(demo, "oppdemo.py", "destroy").returncode == 0
    assert not (demo / "services").exists()
    assert run(demo, "oppdemo.py", "diff").returncode == 1
    restored = run(demo, "oppdemo.py", "restore")
    assert restored.returncode == 0, restored.stderr
    assert run(demo, "oppdemo.py", "diff").stdout == "no differences\n"
    after = {path.name: path.read_bytes() for path in (demo / "services/storage").iterdir() if path.is_file()}
    assert after == before
    assert (demo / "static/uploads/sample_photos").is_dir()


def test_diff_names_every_change_and_destroy_refuses_unsaved_ones(demo: Path) -> None:
    run(demo, "oppdemo.py", "save")
    (demo / "services/storage/factory.py").write_text("changed")
    (demo / "services/storage/new.py").write_text("new")
    (demo / "services/storage/s3.py").unlink()
    found = run(demo, "oppdemo.py", "diff")
    assert found.returncode == 1
    assert found.stdout.splitlines() == [
        "only in services/: storage/new.py",
        "only in demo_assets/services/: storage/s3.py",
        "differs: services/storage/factory.py",
    ]
    refused = run(demo, "oppdemo.py", "destroy")
    assert refused.returncode == 1
    assert "nothing is removed" in refused.stderr
    assert (demo / "services/storage/new.py").exists()


def test_commands_without_what_they_need_say_so(demo: Path) -> None:
    assert "save first" in run(demo, "oppdemo.py", "restore").stderr
    assert run(demo, "oppdemo.py").returncode == 2
    assert run(demo, "oppdemo.py", "explode").returncode == 2
    shutil.rmtree(demo / "services")
    assert "nothing is saved" in run(demo, "oppdemo.py", "save").stderr


def pixels(picture: bytes) -> tuple[int, int, bytes]:
    """Width, height and rows of a PNG; its checksums hold."""
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    position, found = 8, {}
    while position < len(picture):
        length, kind = struct.unpack(">I4s", picture[position : position + 8])
        body = picture[position + 8 : position + 8 + length]
        assert struct.unpack(">I", picture[position + 8 + length :][:4])[0] == zlib.crc32(kind + body)
        found[kind] = body
        position += 12 + length
    width, height = struct.unpack(">II", found[b"IHDR"][:8])
    return width, height, zlib.decompress(found[b"IDAT"])


def test_sample_photos_go_to_the_directory(demo: Path) -> None:
    done = run(demo, "scripts/download_sample_photos.py", "4", UPLOAD_DIR="media")
    assert done.stdout.splitlines() == [f"/static/uploads/sample_photos/sample_{n}.png" for n in range(1, 5)]
    pictures = [path.read_bytes() for path in sorted((demo / "media/sample_photos").iterdir())]
    assert len(set(pictures)) == 4
    for picture in pictures:
        width, height, rows = pixels(picture)
        assert len(rows) == height * (1 + 3 * width)
    changed = demo / "media/sample_photos/sample_1.png"
    changed.write_bytes(b"mine")
    run(demo, "scripts/download_sample_photos.py", "4", UPLOAD_DIR="media")
    assert changed.read_bytes() == b"mine"


def test_sample_photos_go_to_the_bucket(demo: Path, moto: S3Endpoint, bucket: S3StorageProvider) -> None:
    settings = {
        "STORAGE_TYPE": "s3",
        "S3_ACCESS_KEY": moto.access_key,
        "S3_SECRET_KEY": moto.secret_key,
        "S3_BUCKET": bucket.bucket,
        "S3_ENDPOINT_URL": moto.url,
    }
    done = run(demo, "demo_scripts/download_sample_photos.py", **settings)
    assert done.stdout.splitlines() == [
        f"{name}: {moto.url}/{bucket.bucket}/photos/{name}.png" for name in ("ada", "grace", "alan")
    ], done.stderr
    assert [*bucket.list_files("photos/")] == ["photos/ada.png", "photos/alan.png", "photos/grace.png"]
    assert pixels(bucket.download_file("photos/ada.png"))


@pytest.fixture
def app(demo: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.chdir(demo)
    monkeypatch.syspath_prepend(demo)
    for name in ("STORAGE_TYPE", "UPLOAD_DIR"):
        monkeypatch.delenv(name, raising=False)

    def forget() -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] in PACKAGES]:
            del sys.modules[name]

    forget()
    yield importlib.import_module("main").app
    forget()


def test_uploaded_photo_is_shown(app: Any) -> None:
    with TestClient(app) as client:
        url = client.post("/photos", files={"photo": ("x.png", b"picture", "image/png")}).json()["url"]
        assert client.get("/photos").json() == [url]
        assert client.get(url).content == b"picture"
        for name, body, kind in (("x.html", b"<script>", "text/html"), ("x.png", b"x" * 5_242_881, "image/png")):
            assert client.post("/photos", files={"photo": (name, body, kind)}).status_code == 422


def test_example_settings_are_those_of_the_storage() -> None:
    lines = (DEMO / "example.env").read_text().splitlines()
    named = {line.lstrip("# ").partition("=")[0] for line in lines if "=" in line}
    assert named == {
        "STORAGE_TYPE",
        "UPLOAD_DIR",
        "S3_ACCESS_KEY",
        "S3_SECRET_KEY",
        "S3_BUCKET",
        "S3_REGION",
        "S3_ENDPOINT_URL",
        "S3_CDN_URL",
    }


def test_commands_of_the_readme_run(demo: Path) -> None:
    for block in blocks(DEMO / "README.md", "bash"):
        for line in block.text.splitlines():
            done = run(demo, *line.removeprefix("python ").split())
            assert done.returncode == 0, f"{line}\n{done.stderr}"
