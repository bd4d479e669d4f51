"""What is to be done with a key, by table."""

from collections.abc import Sequence

import pytest

from storage_service.moving.decide import NEW, Step, decide
from storage_service.moving.journal import Moved
from storage_service.moving.model import Version, entry_of
from storage_service.remote import Listed

A, B, C = "a" * 32, "b" * 32, "c" * 32
PARTS = f"{A}-3"


def here(*etags: str) -> list[Version]:
    return [Version("k", 5, etag, is_marker=not etag) for etag in etags]


def there(*etags: str) -> list[Listed]:
    return [Listed("k", 5, etag, is_marker=not etag) for etag in etags]


ONE = entry_of(here(A))
SINGLE = [
    pytest.param(None, (), False, Step("move", conditions=NEW), id="nothing there"),
    pytest.param(None, there(A), False, Step("there"), id="same bytes there"),
    pytest.param(None, there(B), False, Step("kept"), id="other bytes there"),
    pytest.param(None, there(B), True, Step("move", conditions={"if-match": f'"{B}"'}), id="to be overwritten"),
    pytest.param(Moved(ONE.stamp, A), (), False, Step("there"), id="moved, then deleted there"),
    pytest.param(Moved(ONE.stamp, A), there(B), False, Step("there"), id="moved, then changed there"),
    pytest.param(Moved("old", B), there(B), False, Step("move", conditions={"if-match": f'"{B}"'}), id="changed here"),
    pytest.param(Moved("old", B), there(C), False, Step("kept"), id="changed here and there"),
    pytest.param(Moved("old", B), (), False, Step("move", conditions=NEW), id="changed here, deleted there"),
]


@pytest.mark.parametrize(("moved", "present", "overwrite", "step"), SINGLE)
def test_a_single_version_is_moved_once_and_replaces_nothing_by_chance(
    moved: Moved | None, present: Sequence[Listed], overwrite: bool, step: Step
) -> None:
    assert decide(ONE, moved, present, overwrite=overwrite) == step


def test_an_etag_that_is_no_digest_is_compared_by_bytes() -> None:
    unknown = entry_of([Version("k", 5, PARTS)])
    assert decide(unknown, None, there(B), overwrite=False) == Step("compare", etag=B)
    assert decide(entry_of([Version("k", 6)]), None, there(B), overwrite=False) == Step("kept")


HISTORY = entry_of(here(A, B, "", C))
HISTORIES = [
    pytest.param((), Step("move", conditions=NEW), id="nothing there"),
    pytest.param(there(A), Step("move", 1), id="the oldest is there"),
    pytest.param(there(A, B, ""), Step("move", 3), id="all but the newest"),
    pytest.param(there(A, B, "", C), Step("there"), id="all"),
    pytest.param(there(A, C), Step("kept"), id="another history"),
    pytest.param(there(A, B, "", C, A), Step("kept"), id="it went on there"),
]


@pytest.mark.parametrize(("present", "step"), HISTORIES)
def test_a_history_goes_on_where_it_was(present: Sequence[Listed], step: Step) -> None:
    assert decide(HISTORY, None, present, overwrite=False) == step
