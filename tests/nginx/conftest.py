"""One service with objects of every kind, and an nginx for each shipped file in front of it."""

import grp
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nginx.gateway import Gateway
from tests.nginx.kinds import Kind, store_kinds
from tests.support.certificates import make_pair
from tests.support.places import open_place
from tests.support.service import Service
from tests.support.tools import require_tool

S3_KEY, S3_SECRET = "gatewaykey", "secret-behind-the-gateway"


def shared_group() -> dict[str, str]:
    """STORAGE_GID, where nginx's workers are another user than the service."""
    return {"STORAGE_GID": str(grp.getgrnam("www-data").gr_gid)} if os.geteuid() == 0 else {}


@pytest.fixture(scope="session")
def top() -> Iterator[Path]:
    require_tool("nginx")
    with open_place() as place:
        yield place


@pytest.fixture(scope="session")
def service(top: Path) -> Iterator[Service]:
    keys = {"S3_ROOT_ACCESS_KEY": S3_KEY, "S3_ROOT_SECRET_KEY": S3_SECRET}
    settings = {"TRUSTED_PROXIES": "127.0.0.1", **keys, **shared_group()}
    with Service(top / "data", top, environment=settings) as service:
        yield service


@pytest.fixture(scope="session")
def kinds(service: Service) -> dict[str, Kind]:
    return store_kinds(service)


def _gateway(top: Path, service: Service, kind: str, name: str, **replace: str) -> Gateway:
    run = top / name
    run.mkdir()
    run.chmod(0o755)
    return Gateway(run, kind, service.port, service.data, replace)


@pytest.fixture(scope="session")
def gateway(top: Path, service: Service) -> Iterator[Gateway]:
    """On a host of its own."""
    with _gateway(top, service, "gateway.conf", "own-host").running() as gateway:
        yield gateway


@pytest.fixture(scope="session")
def without_accel(top: Path, service: Service) -> Iterator[Gateway]:
    """The same, with blobs sent by the service."""
    off = {"set $storage_accel /_storage_blobs/;": 'set $storage_accel "";'}
    with _gateway(top, service, "gateway.conf", "without-accel", **off).running() as gateway:
        yield gateway


@pytest.fixture(scope="session")
def renaming(top: Path, service: Service) -> Iterator[Gateway]:
    """The same, calling the service by a name of its own."""
    inside = {"proxy_set_header Host $http_host;": "proxy_set_header Host storage.internal;"}
    with _gateway(top, service, "gateway.conf", "renaming", **inside).running() as gateway:
        yield gateway


@pytest.fixture(scope="session")
def site(top: Path, service: Service) -> Iterator[Gateway]:
    """Under a path of another site."""
    with _gateway(top, service, "path.conf", "path").running() as gateway:
        yield gateway


@pytest.fixture(scope="session")
def certificate(top: Path) -> Path:
    return make_pair(top / "tls-host" / "tls")[0]


@pytest.fixture(scope="session")
def tls(top: Path, service: Service, certificate: Path) -> Iterator[Gateway]:
    run = top / "tls-host"
    run.chmod(0o755)
    gateway = Gateway(run, "gateway-tls.conf", service.port, service.data)
    with gateway.running():
        yield gateway
