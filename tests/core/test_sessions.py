"""Sessions of the console: what a token is worth, and when it ends."""

import time
from pathlib import Path

import pytest

from storage_service.app.backends.key_records import StoredKeys
from storage_service.app.backends.session_records import StoredSessions
from storage_service.app.backends.shared import Shared
from storage_service.app.backends.volume import Layout, open_volume
from storage_service.app.core.key_making import make_key, revoked
from storage_service.app.core.keys import Keyring
from storage_service.app.core.security import SERVICE, KeyScope, Principal
from storage_service.app.core.sessions import Sessions, csrf_of, id_of, reading_only

HOUR_MS = 3_600_000


class Desk:
    """Two workers over one store."""

    def __init__(self, root: Path) -> None:
        layout = Layout(root)
        open_volume(root, None)
        layout.run.mkdir(exist_ok=True)
        Shared.create(layout.shared)
        self.folder = layout.records
        self.keys = StoredKeys(layout, Shared(layout.shared))
        self.one, self.other = (
            Sessions(StoredSessions(layout, Shared(layout.shared)), Keyring(self.keys), HOUR_MS) for _ in range(2)
        )


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "data")


async def asked(sessions: Sessions, token: str) -> Principal | None:
    if sessions.stale:
        await sessions.refresh()
    found = sessions.find(token)
    return None if found is None else found[1]


async def test_session_begun_in_one_worker_holds_in_all_until_it_is_ended(desk: Desk) -> None:
    token, session = await desk.one.begin(SERVICE, "password")
    found = await asked(desk.other, token)
    assert found is not None
    assert (found.kind, found.subject, found.admin) == ("service", "@service", True)
    await desk.one.end(token)
    assert await asked(desk.other, token) is None
    assert session.id == id_of(token) != token


async def test_records_do_not_hold_what_signs_in(desk: Desk) -> None:
    token, _ = await desk.one.begin(SERVICE, "password")
    texts = "".join(path.read_text() for path in desk.folder.glob("*.json"))
    assert "console-session" in texts
    assert token not in texts
    assert csrf_of(token) not in texts


async def test_session_ends_with_its_credential(desk: Desk) -> None:
    soon = time.time() + 60
    _, session = await desk.one.begin(Principal("user", "ann", frozenset({"ann"}), expires_at=soon), "token")
    assert session.expires_ms == int(soon * 1000)
    token, _ = await desk.one.begin(Principal("user", "ann", frozenset({"ann"}), expires_at=1.0), "token")
    assert await asked(desk.one, token) is None


async def test_records_of_ended_times_are_removed_by_the_next_sign_in(desk: Desk) -> None:
    await desk.one.begin(Principal("user", "ann", frozenset({"ann"}), expires_at=1.0), "token")
    await desk.one.begin(SERVICE, "password")
    assert len(list(desk.folder.glob("console-session.*"))) == 1


async def test_session_of_a_key_is_worth_what_the_key_is_now(desk: Desk) -> None:
    key = make_key("ann", scope=KeyScope(actions=frozenset({"read"})))
    desk.keys.add(key)
    token, _ = await desk.one.begin(key.principal, "key", key.access_key)
    found = await asked(desk.other, token)
    assert found is not None
    assert found.limits == key.scope
    desk.keys.replace(revoked(key))
    assert await asked(desk.other, token) is None


async def test_damaged_record_signs_nobody_in(desk: Desk) -> None:
    token, _ = await desk.one.begin(SERVICE, "password")
    (path,) = desk.folder.glob("console-session.*")
    path.write_text(path.read_text().replace('"service"', '"emperor"'))
    assert await asked(desk.other, token) is None


def test_cookie_alone_reads_no_more_than_its_owner_may() -> None:
    assert reading_only(SERVICE).limits == KeyScope(actions=frozenset({"read", "list"}))
    writer = Principal("user", "ann", limits=KeyScope(actions=frozenset({"write", "read"})))
    assert reading_only(writer).limits == KeyScope(actions=frozenset({"read"}))
