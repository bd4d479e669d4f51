"""Which kind of source an address or a path is."""

from pathlib import Path
from typing import Literal, NamedTuple

from storage_service.moving.model import CannotMove, Source
from storage_service.moving.sources.directory import DirectorySource
from storage_service.moving.sources.minio import MinioSource
from storage_service.moving.sources.s3 import S3Source
from storage_service.moving.sources.selfdb import METADATA, SelfDbSource
from storage_service.remote import Endpoint, S3Server
from storage_service.remote.endpoint import check_url

Kind = Literal["s3", "directory", "selfdb", "minio"]
KINDS = ("s3", "directory", "selfdb", "minio")


class BadSource(ValueError):
    """Nothing can be moved in from there, and why."""


class From(NamedTuple):
    """`place` is a URL or a path. `bucket`: what a plain directory becomes."""

    place: str
    access_key: str = ""
    secret_key: str = ""
    region: str = "us-east-1"
    versions: bool = False
    bucket: str | None = None


def kind_of(place: str) -> Kind:
    """By its looks. Raises: BadSource for what is not there."""
    if "://" in place:
        return "s3"
    path = Path(place)
    if not path.is_dir():
        raise BadSource(f"{place} is neither a URL nor a directory")
    if (path / ".minio.sys").is_dir():
        return "minio"
    return "selfdb" if any(path.glob(f"*/{METADATA}")) else "directory"


def source_of(wanted: From, kind: str | None = None) -> Source:
    """Raises: BadSource."""
    match kind or kind_of(wanted.place):
        case "s3":
            return S3Source(S3Server(_endpoint(wanted)), versions=wanted.versions)
        case "selfdb":
            return SelfDbSource(Path(wanted.place))
        case "directory":
            if wanted.bucket is None:
                raise BadSource("a directory needs --to BUCKET")
            return DirectorySource(Path(wanted.place), wanted.bucket)
        case _:
            return _minio(wanted)


def _minio(wanted: From) -> MinioSource:
    try:
        return MinioSource(Path(wanted.place), versions=wanted.versions)
    except CannotMove as error:
        raise BadSource(str(error)) from None


def _endpoint(wanted: From) -> Endpoint:
    try:
        url = check_url(wanted.place)
    except ValueError as error:
        raise BadSource(str(error)) from None
    return Endpoint(url, wanted.access_key, wanted.secret_key, wanted.region)
