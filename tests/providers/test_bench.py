"""bench/providers: measures a provider, cleans up, prints beside the described figures."""

import pytest

from bench import providers
from storage_service.providers import DocumentCipher, LocalStorageProvider


def test_measuring_leaves_nothing_and_prints_beside_what_is_described(
    local: LocalStorageProvider, cipher: DocumentCipher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers, "LARGE_BYTES", 100_000)
    row = providers.measure(local, cipher, 3)
    assert min(row) > 0
    assert row.median_ms <= row.p95_ms
    assert list(local.list_files()) == []
    lines = providers.table([("disk", "Local FS", row), ("none", "S3 (cross-region)", None)]).splitlines()
    assert lines[2].startswith("disk")
    assert "10-50ms" in lines[2]
    assert "~100MB/s" in lines[2]
    assert "200-500ms" in lines[3]
    assert len({len(line) for line in lines}) == 1
