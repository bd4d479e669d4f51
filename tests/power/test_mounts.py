"""R5: what a start refuses, each with an exit code and one clear line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import pytest

from tests.power.door import Door
from tests.support.cuts import cut_disk
from tests.support.service import Service

pytestmark = pytest.mark.ci

REFUSAL_SECONDS = 20.0


def identity_of(data: Path) -> Path:
    return data / ".storage/identity.json"


def assert_refused(data: Path, logs: Path, says: str, environment: Mapping[str, str] | None = None) -> None:
    """The start ends by itself, not with success, and its last line says why; no traceback."""
    service = Service(data, logs, environment=environment)
    try:
        service.launch()
        assert service.wait_for_exit(REFUSAL_SECONDS) != 0
    finally:
        service.kill_all()
    said = service.log_tail().strip()
    assert "Traceback" not in said
    assert says in said.splitlines()[-1], said
    assert str(data) in said.splitlines()[-1], said


def start_once(data: Path, logs: Path) -> str:
    """Make the store; its identity."""
    with Service(data, logs) as service, Door(service, "photos") as door:
        door.create_bucket().raise_for_status()
        door.put("cat.jpg", b"meow").raise_for_status()
    return str(json.loads(identity_of(data).read_bytes())["id"])


def test_empty_directory_is_refused_where_an_identity_is_expected(tmp_path: Path) -> None:
    (data := tmp_path / "data").mkdir()
    identity = str(uuid4())
    assert_refused(data, tmp_path, identity, {"STORAGE_ID": identity})
    assert list(data.iterdir()) == [], "a refused directory was written to"


def test_other_storage_is_refused_where_an_identity_is_expected(tmp_path: Path) -> None:
    own = start_once(tmp_path / "data", tmp_path)
    assert_refused(tmp_path / "data", tmp_path, own, {"STORAGE_ID": str(uuid4())})


def test_expected_storage_is_served(tmp_path: Path) -> None:
    own = start_once(tmp_path / "data", tmp_path)
    with (
        Service(tmp_path / "data", tmp_path, environment={"STORAGE_ID": own}) as service,
        Door(service, "photos") as door,
    ):
        assert door.get("cat.jpg").content == b"meow"


@pytest.mark.ci
def test_unmounted_disk_is_refused_and_served_again_once_mounted(tmp_path: Path) -> None:
    with cut_disk(tmp_path, "ext4", size_mib=128) as disk:
        own = start_once(disk.mount_point, tmp_path)
        disk.unmount()
        assert_refused(disk.mount_point, tmp_path, own, {"STORAGE_ID": own})
        disk.mount()
        with (
            Service(disk.mount_point, tmp_path, environment={"STORAGE_ID": own}) as service,
            Door(service, "photos") as door,
        ):
            assert door.get("cat.jpg").content == b"meow"


def test_second_service_on_the_same_directory_is_refused_and_the_first_goes_on(
    tmp_path: Path,
) -> None:
    with Service(tmp_path / "data", tmp_path) as service, Door(service, "photos") as door:
        door.create_bucket().raise_for_status()
        assert_refused(tmp_path / "data", tmp_path, "already")
        assert door.put("cat.jpg", b"meow").is_success


def test_newer_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    start_once(tmp_path / "data", tmp_path)
    identity = identity_of(tmp_path / "data")
    record = json.loads(identity.read_bytes()) | {"format": 999}
    identity.chmod(0o600)
    identity.write_text(json.dumps(record))
    assert_refused(tmp_path / "data", tmp_path, "999")
    assert json.loads(identity.read_bytes()) == record


def test_damaged_identity_is_refused_not_replaced(tmp_path: Path) -> None:
    start_once(tmp_path / "data", tmp_path)
    identity = identity_of(tmp_path / "data")
    identity.write_bytes(b"")
    assert_refused(tmp_path / "data", tmp_path, "identity")
    assert identity.read_bytes() == b""


def test_minio_directory_is_refused_with_the_import_command(tmp_path: Path) -> None:
    (tmp_path / "data/.minio.sys").mkdir(parents=True)
    assert_refused(tmp_path / "data", tmp_path, "storage import ")
