"""Accept-Encoding."""

import pytest

from storage_service.app.edge.encodings import takes_gzip


@pytest.mark.parametrize(
    "accepted", ["gzip", "gzip, deflate, br", "br;q=1.0, gzip;q=0.8", "GZIP", "deflate,gzip ; q=0.001", "*", "x-gzip"]
)
def test_gzip_is_taken(accepted: str) -> None:
    assert takes_gzip(accepted)


@pytest.mark.parametrize(
    "accepted", ["", "identity", "gzip;q=0", "gzip; q=0.000, *", "br, *;q=0", "gzip;q=much", "xgzip", "gzipped"]
)
def test_gzip_is_not_taken(accepted: str) -> None:
    assert not takes_gzip(accepted)
