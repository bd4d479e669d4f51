"""The entry point: the user it becomes, the directory it takes, secrets from files, MinIO's command line."""

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.container.entrypoint import Container, mode, owners
from tests.support.ready import wait_until_ready
from tests.support.service import Service
from tests.support.tools import require_root, require_tool

USER, GROUP = 4242, 4343


@pytest.fixture
def container(open_path: Path) -> Container:
    return Container(open_path)


# What is run -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "run"),
    [
        ([], ["serve"]),
        (["serve"], ["serve"]),
        (["--tls-cert", "a", "--tls-key", "b"], ["serve", "--tls-cert", "a", "--tls-key", "b"]),
        (["health", "--strict"], ["health", "--strict"]),
        (["storage", "check", "--json"], ["check", "--json"]),
        (["where", "a b/c d"], ["where", "a b/c d"]),
        (["minio", "server", "/tmp"], ["serve"]),
    ],
)
def test_command(container: Container, given: list[str], run: list[str]) -> None:
    container.data.mkdir()
    places = [str(container.data) if word == "/tmp" else word for word in given]
    assert container.told(*places).arguments == run


def test_program_of_the_image_is_just_run(container: Container) -> None:
    done = container.run("echo", "hello there")
    assert (done.returncode, done.stdout) == (0, "hello there\n")
    assert not container.data.exists()


# Who it runs as --------------------------------------------------------------------------------------------------


def test_service_is_not_root(container: Container) -> None:
    require_root()
    told = container.told()
    assert (told.uid, told.gid, told.groups) == (1000, 1000, {1000})
    assert owners(container.data) == {(1000, 1000)}


def test_puid_and_pgid(container: Container) -> None:
    require_root()
    told = container.told(PUID=str(USER), PGID=str(GROUP), STORAGE_GID="101")
    assert (told.uid, told.gid, told.groups) == (USER, GROUP, {GROUP, 101})
    assert owners(container.data) == {(USER, GROUP)}


def test_root_only_on_demand(container: Container) -> None:
    require_root()
    assert container.told(PUID="0").uid == 0


def test_directory_of_somebody_decides(container: Container) -> None:
    """A bind mount just starts: the service becomes whoever owns it."""
    require_root()
    container.data.mkdir()
    (container.data / "something").write_text("")
    os.chown(container.data, USER, GROUP)
    told = container.told()
    assert (told.uid, told.gid) == (USER, GROUP)
    assert owners(container.data / "something") == {(0, 0)}


def test_store_is_given_over_once(container: Container) -> None:
    require_root()
    blob = container.data / "photos/.blobs/2e/version"
    blob.parent.mkdir(parents=True)
    blob.write_text("")
    outside = container.top / "outside"
    outside.write_text("")
    (container.data / "photos/link").symlink_to(outside)
    (container.data / ".storage").mkdir()
    (container.data / ".storage/identity.json").write_text("{}")
    assert f"giving it to {USER}:{USER}, once" in container.run(PUID=str(USER)).stderr
    assert owners(container.data) == {(USER, USER)}
    assert owners(outside) == {(0, 0)}
    assert container.run(PUID=str(USER)).stderr == ""


def test_foreign_directory_is_left_alone(container: Container) -> None:
    require_root()
    (container.data / "letters").mkdir(parents=True)
    assert container.told(PUID=str(USER)).uid == USER
    assert owners(container.data) == {(0, 0)}


def test_capabilities_of_the_compose_file_suffice(container: Container) -> None:
    require_root()
    (container.data / ".storage").mkdir(parents=True, mode=0o700)
    (container.data / ".storage/identity.json").write_text("{}")
    for path in (container.data / ".storage", container.data / ".storage/identity.json", container.data):
        os.chown(path, 77, 77)
    few = "-all,+chown,+dac_override,+setgid,+setuid"
    container.before = [require_tool("setpriv"), f"--bounding-set={few}", "--"]
    told = container.told(PUID=str(USER))
    assert told.uid == USER
    assert owners(container.data) == {(USER, USER)}


def test_other_user_from_the_start(container: Container) -> None:
    require_root()
    container.before = [require_tool("setpriv"), f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--"]
    assert f"the container was started as user {USER}" in container.run(PUID="1").stderr
    assert container.told().uid == USER
    assert not container.data.exists()  # made by the service, which can say why not


@pytest.mark.parametrize("name", ["PUID", "PGID"])
def test_names_for_numbers_are_refused(container: Container, name: str) -> None:
    assert "numbers" in container.refused(**{name: "me"})


# Secrets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SECRET_KEY", "ANON_KEY", "MINIO_ROOT_PASSWORD", "CONSOLE_PASSWORD"])
def test_secret_from_a_file(container: Container, name: str) -> None:
    file = container.top / "secret"
    file.write_text("it's a $ecret\n")
    assert container.told(**{f"{name}_FILE": str(file)}).environment[name] == "it's a $ecret"


def test_secret_given_twice_or_missing(container: Container) -> None:
    line = container.refused(SECRET_KEY="a", SECRET_KEY_FILE="/dev/null")
    assert "SECRET_KEY and SECRET_KEY_FILE are both set" in line
    assert "/nowhere" in container.refused(SECRET_KEY_FILE="/nowhere")


# MinIO -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "settings", "listens"),
    [
        (["--address", ":9000", "--console-address", ":9001"], {}, ":9000,:9001"),
        (["--address=127.0.0.1:9000", "--console-address=:9001"], {}, "127.0.0.1:9000,:9001"),
        ([], {}, ":9000"),
        ([], {"MINIO_ADDRESS": ":7000", "MINIO_CONSOLE_ADDRESS": ":7001"}, ":7000,:7001"),
        (["--address", ":9000"], {"PORT": "9000"}, ""),
        (["--address", ":9000", "--console-address", ":9000"], {}, ":9000"),
        (["--quiet", "--address", ":9000", "--json"], {"ALSO_LISTEN": ":80"}, ":80,:9000"),
    ],
)
def test_addresses_of_minio(container: Container, words: list[str], settings: dict[str, str], listens: str) -> None:
    told = container.told("server", str(container.data), *words, STORAGE_PATH="/data/storage", **settings)
    assert told.arguments == ["serve"]
    assert told.environment["STORAGE_PATH"] == str(container.data)
    assert told.environment["ALSO_LISTEN"] == listens


def test_variables_of_minio(container: Container) -> None:
    told = container.told(
        "server",
        MINIO_VOLUMES=str(container.data),
        MINIO_SERVER_URL="https://files.example.org",
        MINIO_ROOT_USER="root-user",
        MINIO_ROOT_PASSWORD="root-password",
    ).environment
    assert told["STORAGE_PATH"] == str(container.data)
    assert told["STORAGE_SERVICE_PUBLIC_URL"] == "https://files.example.org"
    assert (told["MINIO_ROOT_USER"], told["MINIO_ROOT_PASSWORD"]) == ("root-user", "root-password")


def test_certificates_of_minio(container: Container) -> None:
    told = container.told("server", str(container.data), "--certs-dir", "/certs").environment
    assert (told["TLS_CERT"], told["TLS_KEY"]) == ("/certs/public.crt", "/certs/private.key")


def test_secret_that_minio_does_not_know_is_kept(container: Container) -> None:
    first = container.told("server", str(container.data)).environment["SECRET_KEY"]
    again = container.told("server", str(container.data)).environment["SECRET_KEY"]
    assert first == again
    assert len(first) == 64
    kept = container.data / ".storage/secret_key"
    assert (mode(kept), mode(kept.parent)) == (0o600, 0o700)
    given = container.told("server", str(container.data), SECRET_KEY="of the operator")
    assert given.environment["SECRET_KEY"] == "of the operator"


def test_no_secret_is_made_up_for_others(container: Container) -> None:
    """Where a backend shares the secret, a made-up one would refuse all its tokens."""
    assert "SECRET_KEY" not in container.told("serve").environment


def test_directory_of_minio_is_not_touched(container: Container) -> None:
    (container.data / ".minio.sys").mkdir(parents=True)
    container.told("server", str(container.data), PUID="0")
    assert [path.name for path in container.data.iterdir()] == [".minio.sys"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["/data1", "/data2"], "one directory serves"),
        (["/data{1...4}"], "one directory serves"),
        (["http://host/data"], "one directory serves"),
        (["/data", "--ftp", "x"], "--ftp"),
        (["/data", "--address"], "needs a value"),
    ],
)
def test_what_does_not_carry_over_is_refused(container: Container, words: list[str], says: str) -> None:
    assert says in container.refused("server", *words)


# The real service ------------------------------------------------------------------------------------------------


@pytest.mark.ci
def test_service_started_as_minio_listens_on_every_address(
    container: Container, start_entrypoint: Callable[..., "subprocess.Popen[str]"]
) -> None:
    ports = []
    for _ in range(3):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(int(probe.getsockname()[1]))
    own, api, console = ports
    command = ("server", str(container.data), "--address", f":{api}", "--console-address", f"127.0.0.1:{console}")
    start_entrypoint(container.top, command, HOST="127.0.0.1", PORT=str(own), PUID=str(os.geteuid()))
    for port in ports:
        wait_until_ready(f"http://127.0.0.1:{port}")
        assert httpx.get(f"http://127.0.0.1:{port}/health").json()["status"] == "healthy"
    done = Service(container.data, container.top).run("check", "--json")
    assert '"problems": []' in done.stdout
