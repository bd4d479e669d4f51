"""A directory of each release, as a killed service left it, opened by today's code: everything is found.

A release adds a fixture (`python -m tests.formats.make`) and changes none.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.formats.questions import ask, store_at
from tests.support.service import Service

PLACE = Path(__file__).parent
RELEASES = sorted(path.stem for path in PLACE.glob("*.json"))


def unpacked(release: str, place: Path) -> Path:
    subprocess.run(["tar", "-C", place, "-xzf", PLACE / f"{release}.tar.gz"], check=True)
    return place / "data"


def expected(release: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((PLACE / f"{release}.json").read_text(encoding="utf-8"))
    return record


def answers(service: Service, known: dict[str, Any]) -> dict[str, Any]:
    """As JSON has them, as those that were kept."""
    found: dict[str, Any] = json.loads(json.dumps(ask(service, known)))
    return found


def check(service: Service) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(service.run("check", "--deep", "--json").stdout)
    return record


def test_there_is_a_fixture_of_a_release() -> None:
    assert RELEASES


@pytest.mark.parametrize("release", RELEASES)
def test_directory_of_a_release_is_served_with_all_it_holds(release: str, tmp_path: Path) -> None:
    then = expected(release)
    with store_at(unpacked(release, tmp_path), tmp_path) as service:
        assert answers(service, then["known"]) == then["answers"]
        assert service.run("settle", "--wait").returncode == 0
        assert check(service)["problems"] == []


@pytest.mark.parametrize("release", RELEASES)
def test_directory_of_a_release_can_be_rebuilt_from_its_sidecars(release: str, tmp_path: Path) -> None:
    then = expected(release)
    service = store_at(unpacked(release, tmp_path), tmp_path)
    assert service.run("settle").returncode == 0
    for part in ("", "-wal", "-shm"):
        (service.data / f".storage/catalog.db{part}").unlink(missing_ok=True)
    with service:
        assert answers(service, then["known"]) == then["answers"]
        assert check(service)["problems"] == []
