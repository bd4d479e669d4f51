"""Which paths are hot, and what they name: pure tables."""

import pytest

from storage_service.app.apis.dispatch import _operation_of
from storage_service.app.apis.hot import HOT_ROUTES, Target, parse_target
from storage_service.app.core.errors import InvalidKey
from storage_service.app.core.security import ACTIONS


@pytest.mark.parametrize(
    ("path", "word", "target"),
    [
        (b"/files/upload/b", b"upload", Target("b")),
        (b"/files/upload/b/", b"upload", Target("b")),
        (b"/files/upload-direct/b/k", b"upload-direct", Target("b", "k")),
        (b"/files/upload-signed/t/b/a/c", b"upload-signed", Target("b", "a/c", "t")),
        (b"/files/download-signed/t/b/a%2Fc", b"download-signed", Target("b", "a/c", "t")),
        (b"/files/download/b/a//c/", b"download", Target("b", "a//c/")),
        (b"/files/download/b//a", b"download", Target("b", "/a")),
        (b"/files/download/a%2Fb/k", b"download", Target("a/b", "k")),
        (b"/files/view/b/100%.txt", b"view", Target("b", "100%.txt")),
        (b"/files/public/b/%C3%A4+b", b"public", Target("b", "ä+b")),
        (b"/storage/b/../k", b"storage", Target("b", "../k")),
        (b"/storage/b/k", b"storage", Target("b", "k")),
    ],
)
def test_hot_path(path: bytes, word: bytes, target: Target) -> None:
    assert parse_target(path) == (word, target)


@pytest.mark.parametrize(
    "path",
    [
        b"/",
        b"/files",
        b"/files/",
        b"/files/download",
        b"/files/download/b",
        b"/files/download/b/",
        b"/files/download//k",
        b"/files/upload",
        b"/files/upload/b/k",
        b"/files/download-signed/t/b",
        b"/files/list/b",
        b"/files/info/b/k",
        b"/files/photos/k",
        b"/storage",
        b"/storage/b",
        b"/storage/b/",
        b"/buckets/b",
        b"//files/download/b/k",
    ],
)
def test_other_paths_are_not_hot(path: bytes) -> None:
    assert parse_target(path) is None


def test_path_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(InvalidKey):
        parse_target(b"/files/download/b/%ff")


def test_table_is_closed() -> None:
    places = [(route.method, route.word) for route in HOT_ROUTES]
    assert len(set(places)) == len(places)
    assert {route.action for route in HOT_ROUTES} <= set(ACTIONS)


def test_metrics_never_hold_a_path() -> None:
    assert _operation_of({"path": "/anything"}) == ("json", "other")
