"""Storage providers: one contract for all, then what is each one's own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from storage_service.providers import (
    ConfigurationError,
    FailoverStorageProvider,
    FileMissing,
    InvalidPath,
    LocalStorageProvider,
    ObjectStorageFactory,
    ProviderUnavailable,
    S3StorageProvider,
    StorageProvider,
)
from storage_service.providers.s3_client import S3Config, make_client
from tests.support.s3_servers import S3Endpoint, new_bucket

NAME = "documents/user_1/2026/01/15/1_passport.pdf_pdf.json"
NOWHERE = S3Config("bucket", "key", "secret", "us-east-1", "http://127.0.0.1:9")


def chunks(count: int, size: int) -> Iterator[bytes]:
    for number in range(count):
        yield bytes([number % 256]) * size


@pytest.mark.parametrize("name", [NAME, "ä/日本 b.json", "100%+&.json"])
def test_uploaded_file_comes_back_by_name_and_by_storage_path(provider: StorageProvider, name: str) -> None:
    storage_path = provider.upload_file(name, b"\x00content", "application/json")
    assert storage_path == provider.get_storage_path(name) == provider.root + name
    for path in (name, storage_path):
        assert provider.file_exists(path)
        assert provider.download_file(path) == b"\x00content"
        assert b"".join(provider.open_file(path)) == b"\x00content"


@pytest.mark.parametrize("size", [0, 1, 300_000])
def test_chunks_become_one_file(provider: StorageProvider, size: int) -> None:
    provider.upload_file(NAME, chunks(60, size))
    assert provider.download_file(NAME) == b"".join(chunks(60, size))


def test_upload_that_breaks_off_leaves_what_was_there(provider: StorageProvider) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x" * 10_000_000
        raise ConnectionResetError("source gone")

    for before in (None, b"before"):
        if before is not None:
            provider.upload_file(NAME, before)
        with pytest.raises(ConnectionResetError):
            provider.upload_file(NAME, broken())
        assert (provider.download_file(NAME) if provider.file_exists(NAME) else None) == before
    assert list(provider.list_files()) == [NAME]


def test_file_that_is_replaced_stays_whole_for_who_reads_it(local: LocalStorageProvider, tmp_path: Path) -> None:
    local.upload_file(NAME, b"before")
    reading = local.open_file(NAME)
    local.upload_file(NAME, b"behind")
    assert b"".join(reading) == b"before"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [NAME.rpartition("/")[2]]


def test_delete_says_whether_it_was_there(provider: StorageProvider) -> None:
    storage_path = provider.upload_file(NAME, b"1")
    assert provider.delete_file(storage_path) is True
    assert provider.delete_file(storage_path) is False
    assert not provider.file_exists(storage_path)


def test_missing_file_is_told_before_the_first_chunk(provider: StorageProvider) -> None:
    for call in (provider.download_file, provider.open_file):
        with pytest.raises(FileMissing):
            call("nope")


def test_list_gives_names_in_order(provider: StorageProvider) -> None:
    for name in ("a/2", "a/1", "ab", "b"):
        provider.upload_file(name, b"")
    assert list(provider.list_files()) == ["a/1", "a/2", "ab", "b"]
    assert list(provider.list_files("a/")) == ["a/1", "a/2"]
    assert list(provider.list_files("a")) == ["a/1", "a/2", "ab"]


def test_upload_that_breaks_off_leaves_no_parts_behind(endpoint: S3Endpoint) -> None:
    def broken() -> Iterator[bytes]:
        for _ in range(3):
            yield b"x" * 9_000_000
        raise ConnectionResetError("source gone")

    provider = new_bucket(endpoint)
    with pytest.raises(ConnectionResetError):
        provider.upload_file(NAME, broken())
    config = S3Config(provider.bucket, endpoint.access_key, endpoint.secret_key, endpoint.region, endpoint.url)
    unfinished = make_client(config).list_multipart_uploads(Bucket=provider.bucket)
    assert unfinished.get("Uploads", []) == []


@pytest.mark.parametrize("path", ["", "../x", "a/../../x", "/abs", "s3://another/x", "file:///etc/passwd"])
def test_path_of_another_place_is_refused(provider: StorageProvider, path: str) -> None:
    calls: list[Callable[[str], object]] = [
        provider.download_file,
        provider.delete_file,
        provider.file_exists,
        provider.get_storage_path,
        lambda bad: provider.upload_file(bad, b""),
    ]
    for call in calls:
        with pytest.raises(InvalidPath):
            call(path)


def test_many_files_at_once(provider: StorageProvider) -> None:
    names = [f"bulk/{number:03}" for number in range(40)]
    stored = provider.upload_files({name: name.encode() for name in names})
    assert stored.ok
    assert stored.done == {name: provider.get_storage_path(name) for name in names}
    read = provider.download_files([*names[:5], "nope"])
    assert read.done == {name: name.encode() for name in names[:5]}
    assert [(name, type(error)) for name, error in read.errors.items()] == [("nope", FileMissing)]
    assert provider.delete_files(names).ok
    assert list(provider.list_files()) == []


def test_presigned_url_holds_a_day(provider: StorageProvider) -> None:
    provider.upload_file(NAME, b"content")
    url = provider.get_presigned_url(NAME)
    if isinstance(provider, LocalStorageProvider):
        assert url is None
    else:
        assert url is not None
        assert httpx.URL(url).params["X-Amz-Expires"] == str(24 * 3600)
        assert httpx.get(url).content == b"content"
        assert "X-Amz-Expires=60" in (provider.get_presigned_url(NAME, 60) or "")


# ---------------------------------------------------------------------------------- failover
def test_failover_writes_to_the_second_while_the_first_is_away(local: LocalStorageProvider) -> None:
    both = FailoverStorageProvider(S3StorageProvider(NOWHERE), local)
    storage_path = both.upload_file(NAME, b"1")
    assert storage_path == local.get_storage_path(NAME)
    assert both.owns(storage_path)
    assert [both.type_of(path) for path in (storage_path, "s3://bucket/a")] == ["local", "s3"]
    assert both.download_file(storage_path) == b"1"
    assert both.file_exists(NAME)
    assert both.get_presigned_url(storage_path) is None
    assert both.get_presigned_url(NAME) is None
    with pytest.raises(ProviderUnavailable):
        both.file_exists("nope")  # the first might have it
    with pytest.raises(ProviderUnavailable):
        both.delete_file(storage_path)  # it may be in the first, too
    with pytest.raises(ProviderUnavailable):
        both.upload_file("other", chunks(1, 1))  # such a source cannot be read twice


def test_failover_reads_where_the_file_is(s3: S3StorageProvider, local: LocalStorageProvider) -> None:
    both = FailoverStorageProvider(s3, local)
    s3.upload_file("in-first", b"1")
    local.upload_file("in-second", b"2")
    assert [both.download_file(name) for name in ("in-first", "in-second")] == [b"1", b"2"]
    assert [both.file_exists(name) for name in ("in-first", "in-second", "nope")] == [True, True, False]
    assert list(both.list_files()) == ["in-first", "in-second"]
    assert both.get_presigned_url("in-first") is not None
    with pytest.raises(FileMissing):
        both.open_file("nope")
    assert both.upload_file("new", b"") == s3.get_storage_path("new")
    assert both.delete_file(local.get_storage_path("in-second")) is True
    assert both.delete_file("in-second") is False


def test_failover_does_not_call_a_missing_file_unreachable(local: LocalStorageProvider) -> None:
    with pytest.raises(ProviderUnavailable):
        FailoverStorageProvider(S3StorageProvider(NOWHERE), local).open_file("nope")
    with pytest.raises(FileMissing):
        FailoverStorageProvider(local, local).open_file("nope")


# ----------------------------------------------------------------------------------- factory
@pytest.mark.parametrize("word", ["s3", "minio", "S3"])
def test_factory_makes_a_bucket_provider(moto: S3Endpoint, s3: S3StorageProvider, word: str) -> None:
    settings = {
        "S3_ACCESS_KEY": moto.access_key,
        "S3_SECRET_KEY": moto.secret_key,
        "S3_BUCKET": s3.bucket,
        "S3_REGION": "",
        "S3_ENDPOINT_URL": moto.url,
    }
    made = ObjectStorageFactory.create_provider(word, settings)
    made.upload_file("a", b"1")
    assert s3.download_file("a") == b"1"
    assert made.storage_type == word.lower()


@pytest.mark.parametrize("word", ["local", "filesystem"])
def test_factory_makes_a_directory_provider(tmp_path: Path, word: str) -> None:
    made = ObjectStorageFactory.create_provider(word, {"LOCAL_STORAGE_PATH": str(tmp_path)})
    assert made.upload_file("a", b"") == str(tmp_path / "a")


@pytest.mark.parametrize(
    ("word", "missing"),
    [
        ("s3", "S3_ACCESS_KEY, S3_SECRET_KEY, S3_BUCKET"),
        ("minio", "S3_ENDPOINT_URL"),
        ("local", "LOCAL_STORAGE_PATH"),
        ("gcs", "GCS_BUCKET"),
        ("azure", "AZURE_CONTAINER, AZURE_STORAGE_ACCOUNT, AZURE_STORAGE_KEY"),
        ("floppy", "s3, minio, local, filesystem, gcs, azure"),
    ],
)
def test_factory_names_what_is_missing(word: str, missing: str) -> None:
    with pytest.raises(ConfigurationError, match=missing):
        ObjectStorageFactory.create_provider(word, {})
