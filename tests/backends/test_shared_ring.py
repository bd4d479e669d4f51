"""Records that all processes of a service share."""

import os
import subprocess
import sys
from pathlib import Path

from storage_service.app.backends.shared_ring import MOST_BYTES, PAGE, SLOT_BYTES, SLOTS, SharedRing


def test_newest_come_first_and_the_oldest_go(tmp_path: Path) -> None:
    ring = SharedRing(tmp_path / "ring")
    assert ring.newest(10) == []
    for number in range(SLOTS + 5):
        ring.append(b"%d" % number)
    assert ring.newest(3) == [b"68", b"67", b"66"]
    assert ring.newest(1000) == [b"%d" % number for number in range(SLOTS + 4, 4, -1)]
    ring.close()


def test_another_process_sees_them_at_once(tmp_path: Path) -> None:
    ring = SharedRing(tmp_path / "ring")
    ring.append(b"ours")
    writes = "import sys, pathlib; from storage_service.app.backends.shared_ring import SharedRing;"
    writes += "ring = SharedRing(pathlib.Path(sys.argv[1])); assert ring.newest(1) == [b'ours']; ring.append(b'theirs')"
    subprocess.run([sys.executable, "-c", writes, tmp_path / "ring"], check=True, cwd=os.curdir)
    assert ring.newest(5) == [b"theirs", b"ours"]
    ring.close()


def test_what_is_too_long_or_torn_is_left_out(tmp_path: Path) -> None:
    ring = SharedRing(tmp_path / "ring")
    for record in (b"a", b"x" * MOST_BYTES, b"x" * (MOST_BYTES + 1), b"b"):
        ring.append(record)
    assert [len(record) for record in ring.newest(5)] == [1, MOST_BYTES, 1]
    ring.close()
    with (tmp_path / "ring").open("r+b") as file:
        file.seek(PAGE + SLOT_BYTES + 100)
        file.write(b"torn")
    again = SharedRing(tmp_path / "ring")
    assert again.newest(5) == [b"b", b"a"]
    again.close()


def test_only_its_owner_reads_it(tmp_path: Path) -> None:
    SharedRing(tmp_path / "ring").close()
    assert (tmp_path / "ring").stat().st_mode & 0o777 == 0o600
