"""The clock of botocore stands still in this room."""

import pytest

from tests.s3.auth.signed import NOW, at


@pytest.fixture(autouse=True)
def botocore_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, NOW)
