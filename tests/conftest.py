"""Fixtures every room may use. A room's own fixtures stand in its own conftest.py."""

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.support.places import open_place

# No deadline: on a shared machine a slow example is a slow neighbour, not a bug.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")

# Rooms whose tests start servers or walk whole documents: too long for the quick tier.
ROOMS_OF_CI = frozenset(
    {
        "cli",
        "client",
        "clients",
        "console",
        "container",
        "examples",
        "faults",
        "formats",
        "live",
        "nginx",
        "ops",
        "process",
        "providers",
        "realtime",
        "tus",
    }
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The quick tier runs what is pure or small; what drives a running service by S3 waits for CI too."""
    for item in items:
        room = item.path.relative_to(Path(__file__).parent).parts[0]
        if room in ROOMS_OF_CI or (room == "s3" and "service" in getattr(item, "fixturenames", ())):
            item.add_marker("ci")


@pytest.fixture
def open_path() -> Iterator[Path]:
    """As tmp_path, and other users may pass through it."""
    with open_place() as place:
        yield place


@pytest.fixture
def service_environment(tmp_path: Path) -> dict[str, str]:
    """Settings of a service under `tmp_path`: never the developer's `.env`, never `./data`."""
    return {
        "STORAGE_PATH": str(tmp_path / "data"),
        "SECRET_KEY": "a-secret-for-tests-of-more-than-32-bytes",
        "ANON_KEY": "a0" * 32,
        "STORAGE_SERVICE_API_KEY": "b1" * 32,
        "HOST": "127.0.0.1",
    }
