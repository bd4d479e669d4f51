"""docs/client.md: every Python block runs, in order, against a real service on a port."""

from pathlib import Path

import pytest

from tests.support.documents import blocks
from tests.support.service import REPOSITORY, SERVICE_KEY, Service

PAGE = REPOSITORY / "docs" / "client.md"


def test_examples_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("SECRET_KEY", "STORAGE_PATH", "STORAGE_SERVICE_API_KEY", "DURABILITY"):
        monkeypatch.setenv(name, "")  # a block sets them: they are put back afterwards
        monkeypatch.delenv(name)
    found = blocks(PAGE, "python")
    assert len(found) > 8
    with Service(tmp_path / "data", tmp_path / "logs", environment={"DURABILITY": "scratch"}) as service:
        names: dict[str, object] = {"__name__": "__main__"}
        for block in found:
            # The service key, as the page ends with what only admins may.
            text = block.text.replace("http://localhost:8001", service.url).replace('"..."', repr(SERVICE_KEY))
            code = "\n" * block.line + text
            exec(compile(code, str(PAGE), "exec"), names)
