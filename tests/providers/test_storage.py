"""`get_storage()` and its storages: one contract for the directory and for every S3 server."""

import doctest
import inspect
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from storage_service.providers import (
    ConfigurationError,
    FilesystemStorage,
    InvalidPath,
    ProviderError,
    ProviderUnavailable,
    S3Storage,
    StorageInterface,
    get_storage,
)
from storage_service.providers.s3_client import S3Config, make_client
from tests.support.s3_servers import S3Endpoint, new_bucket

SIGNATURES = {
    "ensure_directories": "(self, *paths: str) -> None",
    "save_file": "(self, content: bytes, path: str, content_type: str | None = None) -> str",
    "get_file": "(self, path: str) -> bytes",
    "file_exists": "(self, path: str) -> bool",
    "delete_file": "(self, path: str) -> bool",
    "list_files": "(self, prefix: str = '') -> list[str]",
    "get_file_url": "(self, path: str) -> str",
}
BAD_PATHS = ["", "/etc/passwd", "../outside", "a/../../outside", "a//b", "./a", "nul\0"]


@pytest.fixture
def storage(anywhere: S3Endpoint | Path, tmp_path: Path) -> Iterator[StorageInterface]:
    if isinstance(anywhere, Path):
        yield FilesystemStorage(str(tmp_path / "uploads"))
    else:
        bucket = new_bucket(anywhere).bucket
        yield S3Storage(anywhere.access_key, anywhere.secret_key, bucket, anywhere.url, anywhere.region)


@pytest.mark.parametrize("kind", [StorageInterface, FilesystemStorage, S3Storage])
def test_signatures_are_those_of_the_interface(kind: type[StorageInterface]) -> None:
    found = {name: str(inspect.signature(getattr(kind, name))) for name in SIGNATURES}
    assert found == SIGNATURES
    assert StorageInterface.__abstractmethods__ == SIGNATURES.keys()


@pytest.mark.parametrize("path", ["avatar.jpg", "photos/2026/ä b.jpg", "100%.txt", "a b/c+d"])
def test_saved_file_comes_back(storage: StorageInterface, path: str) -> None:
    assert not storage.file_exists(path)
    assert storage.save_file(b"\x00\xff", path, "image/jpeg") == storage.get_file_url(path)
    assert storage.file_exists(path)
    assert storage.get_file(path) == b"\x00\xff"
    storage.save_file(b"", path)
    assert storage.get_file(path) == b""


def test_delete_says_whether_there_was_one(storage: StorageInterface) -> None:
    storage.save_file(b"1", "a/b")
    assert storage.delete_file("a/b") is True
    assert storage.delete_file("a/b") is False
    assert not storage.file_exists("a/b")


def test_list_gives_paths_by_prefix_in_order(storage: StorageInterface) -> None:
    for path in ("photos/b", "photos/a", "photos/x/y", "photo", "z"):
        storage.save_file(b"", path)
    assert storage.list_files("photos/") == ["photos/a", "photos/b", "photos/x/y"]
    assert storage.list_files("photo") == ["photo", "photos/a", "photos/b", "photos/x/y"]
    assert storage.list_files() == ["photo", "photos/a", "photos/b", "photos/x/y", "z"]
    assert storage.list_files("nothing/") == []


@pytest.mark.parametrize("path", BAD_PATHS)
def test_path_that_leads_out_is_refused(storage: StorageInterface, path: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: storage.save_file(b"", path),
        lambda: storage.get_file(path),
        lambda: storage.delete_file(path),
        lambda: storage.file_exists(path),
        lambda: storage.get_file_url(path),
        lambda: storage.ensure_directories(path),
    ]
    for call in calls:
        with pytest.raises(InvalidPath):
            call()


def test_missing_file_is_the_same_error_everywhere(storage: StorageInterface) -> None:
    with pytest.raises(FileNotFoundError) as missing:
        storage.get_file("nope")
    assert isinstance(missing.value, ProviderError)


def test_ensured_directories_are_there_and_hold_nothing(storage: StorageInterface, tmp_path: Path) -> None:
    storage.ensure_directories("photos", "sample_photos/2026")
    storage.ensure_directories("photos")
    assert storage.list_files() == []
    if isinstance(storage, FilesystemStorage):
        assert (tmp_path / "uploads" / "sample_photos" / "2026").is_dir()


def test_link_out_of_the_directory_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    storage = FilesystemStorage(str(tmp_path / "uploads"))
    (tmp_path / "uploads" / "out").symlink_to(tmp_path)
    with pytest.raises(InvalidPath):
        storage.get_file("out/secret")


def test_url_of_a_directory_is_where_the_app_serves_it(tmp_path: Path) -> None:
    assert FilesystemStorage(str(tmp_path)).get_file_url("photos/a b.jpg") == "/static/uploads/photos/a%20b.jpg"
    assert FilesystemStorage(str(tmp_path), "/media/").get_file_url("a") == "/media/a"


@pytest.mark.parametrize(
    ("endpoint_url", "region", "cdn_url", "url"),
    [
        (None, "us-west-2", None, "https://b-1.s3.us-west-2.amazonaws.com/a%20b"),
        ("http://host:9000/", None, None, "http://host:9000/b-1/a%20b"),
        ("http://host:9000", None, "https://cdn.example.org/b-1/", "https://cdn.example.org/b-1/a%20b"),
    ],
)
def test_url_in_a_bucket(endpoint_url: str | None, region: str | None, cdn_url: str | None, url: str) -> None:
    assert S3Storage("k", "s", "b-1", endpoint_url, region, cdn_url).get_file_url("a b") == url


def test_content_type_is_kept_or_guessed(endpoint: S3Endpoint) -> None:
    bucket = new_bucket(endpoint).bucket
    storage = S3Storage(endpoint.access_key, endpoint.secret_key, bucket, endpoint.url, endpoint.region)
    storage.save_file(b"1", "a", "image/webp")
    storage.save_file(b"1", "b.png")
    storage.save_file(b"1", "c")
    client = make_client(S3Config(bucket, endpoint.access_key, endpoint.secret_key, endpoint.region, endpoint.url))
    types = [client.head_object(Bucket=bucket, Key=key)["ContentType"] for key in ("a", "b.png", "c")]
    assert types == ["image/webp", "image/png", "application/octet-stream"]


def test_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    storage = S3Storage("k", "s", "bucket", "http://127.0.0.1:9", "us-east-1")
    for call in (lambda: storage.get_file("a"), lambda: storage.save_file(b"", "a"), storage.list_files):
        with pytest.raises(ProviderUnavailable):
            call()


def test_public_url_is_where_the_bucket_answers(moto: S3Endpoint) -> None:
    storage = S3Storage(moto.access_key, moto.secret_key, new_bucket(moto).bucket, moto.url)
    url = storage.save_file(b"picture", "photos/a b.png")
    client = make_client(S3Config(storage.bucket, moto.access_key, moto.secret_key, moto.region, moto.url))
    client.put_object_acl(Bucket=storage.bucket, Key="photos/a b.png", ACL="public-read")
    assert httpx.get(url).content == b"picture"


@pytest.mark.parametrize("word", ["filesystem", "local", "FileSystem", None])
def test_environment_names_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str | None) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UPLOAD_DIR", raising=False)
    monkeypatch.delenv("STORAGE_TYPE", raising=False)
    if word is not None:
        monkeypatch.setenv("STORAGE_TYPE", word)
    storage = get_storage()
    assert isinstance(storage, FilesystemStorage)
    storage.save_file(b"1", "a")
    assert (tmp_path / "static/uploads/a").read_bytes() == b"1"
    monkeypatch.setenv("UPLOAD_DIR", "elsewhere")
    get_storage().save_file(b"2", "a")
    assert (tmp_path / "elsewhere/a").read_bytes() == b"2"


@pytest.mark.parametrize("word", ["s3", "minio", "S3"])
def test_environment_names_a_bucket(moto: S3Endpoint, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    bucket = new_bucket(moto).bucket
    values = {
        "STORAGE_TYPE": word,
        "S3_ACCESS_KEY": moto.access_key,
        "S3_SECRET_KEY": moto.secret_key,
        "S3_BUCKET": bucket,
        "S3_ENDPOINT_URL": moto.url,
        "S3_REGION": "us-west-2",
        "S3_CDN_URL": "https://cdn.example.org/x",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    storage = get_storage()
    assert isinstance(storage, S3Storage)
    assert storage.save_file(b"1", "a") == "https://cdn.example.org/x/a"
    assert storage.get_file("a") == b"1"


def test_missing_settings_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("S3_ACCESS_KEY", "S3_SECRET_KEY", "S3_BUCKET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STORAGE_TYPE", "s3")
    with pytest.raises(ConfigurationError, match="S3_ACCESS_KEY, S3_SECRET_KEY, S3_BUCKET"):
        get_storage()
    monkeypatch.setenv("STORAGE_TYPE", "floppy")
    with pytest.raises(ConfigurationError, match="floppy"):
        get_storage()


@pytest.mark.parametrize("described", [StorageInterface, get_storage])
def test_examples_of_docstrings_run(described: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("STORAGE_TYPE", "UPLOAD_DIR", "S3_ACCESS_KEY", "S3_SECRET_KEY", "S3_BUCKET"):
        monkeypatch.setenv(name, "")  # an example sets them: they are put back afterwards
        monkeypatch.delenv(name)
    (example,) = doctest.DocTestFinder(recurse=False).find(described, globs={"get_storage": get_storage, "os": os})
    found = doctest.DocTestRunner().run(example)
    assert (found.failed, found.attempted > 3) == (0, True)
