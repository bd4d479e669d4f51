from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.store import Store, opened


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path / "data") as made:
        yield made
