"""docker-compose.yml, .env.example and the seed's snippet, against the code, the image and nginx's files."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import AliasChoices
from ruamel.yaml import YAML

from storage_service.app.core.config import Settings, load
from storage_service.app.process.agreement import DRAIN_SECONDS, JOBS_SECONDS
from tests.container.image import instructions
from tests.support.service import REPOSITORY, SECRET_KEY

COMPOSE = REPOSITORY / "docker-compose.yml"
EXAMPLE = REPOSITORY / ".env.example"
PRODUCTION = REPOSITORY / "docs/production.md"
OWN = {"PUID", "PGID", "HTTP_PORT", "STORAGE_NET"}  # of the entry point and of the compose file


def parsed(text: str) -> dict[str, Any]:
    """YAML, with `${NAME:-default}` filled in by its default."""
    plain = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
    found: dict[str, Any] = YAML(typ="safe", pure=True).load(plain)
    return found


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return parsed(COMPOSE.read_text(encoding="utf-8"))


def setting_names() -> dict[str, str]:
    """Every variable, and its default as text."""
    found: dict[str, str] = {}
    for field, info in Settings.model_fields.items():
        alias = info.validation_alias
        names = map(str, alias.choices) if isinstance(alias, AliasChoices) else [field.upper()]
        default = info.default
        text = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
        found |= dict.fromkeys(names, text)
    return found


def image_environment() -> dict[str, str]:
    text = " ".join(instruction.rest for instruction in instructions() if instruction.word == "ENV")
    return dict(re.findall(r"(\w+)=(\S+)", text))


# Our own file ----------------------------------------------------------------------------------------------------


def test_service_of_the_compose_file(compose: dict[str, Any]) -> None:
    service = compose["services"]["storage_service"]
    environment = service["environment"]
    assert environment.keys() <= setting_names().keys()
    assert environment["HOST"] == "0.0.0.0"
    settings = load(_env_file=None, secret_key=SECRET_KEY, **{name.lower(): word for name, word in environment.items()})
    gateway = compose["services"]["nginx"]["networks"]["storage"]["ipv4_address"]
    assert [str(network) for network in settings.trusted_proxies] == [f"{gateway}/32"]
    assert service["volumes"] == [f"storage_data:{environment['STORAGE_PATH']}"]
    assert int(service["stop_grace_period"].removesuffix("s")) > DRAIN_SECONDS + JOBS_SECONDS
    assert "ports" not in service, "the service is reached by nginx alone"


def test_addresses_lie_in_the_network(compose: dict[str, Any]) -> None:
    subnet = compose["networks"]["storage"]["ipam"]["config"][0]["subnet"]
    start = subnet.rpartition(".")[0]
    addresses = [service["networks"]["storage"]["ipv4_address"] for service in compose["services"].values()]
    assert sorted(addresses) == [f"{start}.2", f"{start}.3"]  # .1 is the engine's


def test_nginx_reads_the_volume_and_never_writes(compose: dict[str, Any]) -> None:
    volumes = compose["services"]["nginx"]["volumes"]
    assert all(volume.endswith(":ro") for volume in volumes)
    path = compose["services"]["storage_service"]["environment"]["STORAGE_PATH"]
    assert f"storage_data:{path}:ro" in volumes
    assert f"alias {path}/;" in (REPOSITORY / "nginx/storage/blobs.conf").read_text(encoding="utf-8")
    for volume in volumes:
        source = volume.split(":")[0]
        assert source == "storage_data" or (REPOSITORY / source).exists()


def test_nginx_finds_the_service(compose: dict[str, Any]) -> None:
    port = compose["services"]["storage_service"]["environment"]["PORT"]
    assert f"server storage_service:{port};" in (REPOSITORY / "nginx/storage/http.conf").read_text(encoding="utf-8")
    public = Settings.model_fields["storage_service_public_url"].default
    assert compose["services"]["nginx"]["ports"] == [f"{public.rpartition(':')[2]}:80"]


# .env.example ----------------------------------------------------------------------------------------------------


def example_lines() -> list[tuple[str, str]]:
    """Name and value of each line, commented out or not."""
    return re.findall(r"^#?([A-Z][A-Z_]*)=(.*)$", EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE)


def test_example_names_settings_once() -> None:
    names = [name for name, _ in example_lines()]
    assert len(names) == len(set(names))
    assert set(names) - OWN <= setting_names().keys()
    assert set(names) >= OWN


def test_example_changes_nothing_until_it_is_edited() -> None:
    """Copied as it is: run.sh and `storage keys generate` still add what is missing."""
    assert re.findall(r"^[^#\n].*", EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE) == []


def test_values_of_the_example_are_defaults_or_hold() -> None:
    defaults = setting_names()
    values = {name: value for name, value in example_lines() if value and name not in OWN}
    for name, value in values.items():
        assert defaults[name] in {value, "None", ""}, f"{name}: the default is {defaults[name]}"
    load(_env_file=None, SECRET_KEY=SECRET_KEY, **values)


# The seed's snippet ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def snippet() -> dict[str, Any]:
    """The block of the documentation that shows it."""
    blocks = re.findall(r"^```yaml\n(.*?)^```$", PRODUCTION.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (block,) = [block for block in blocks if "storage_data:/data/storage" in block]
    return parsed(block)


def test_snippet_builds_from_a_checkout_of_that_name(snippet: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "storage_service").symlink_to(REPOSITORY)
    assert (tmp_path / snippet["services"]["storage_service"]["build"] / "Dockerfile").exists()


def test_snippet_means_what_the_image_does(snippet: dict[str, Any]) -> None:
    service = snippet["services"]["storage_service"]
    image = image_environment()
    environment = dict(line.split("=", 1) for line in service["environment"])
    assert environment.keys() <= setting_names().keys()
    assert environment["STORAGE_PATH"] == image["STORAGE_PATH"]
    assert service["volumes"] == [f"storage_data:{image['STORAGE_PATH']}"]
    assert service["ports"] == [f"{image['PORT']}:{image['PORT']}"]
    assert image["HOST"] == "0.0.0.0"
    assert [instruction.rest for instruction in instructions() if instruction.word == "EXPOSE"] == [image["PORT"]]
