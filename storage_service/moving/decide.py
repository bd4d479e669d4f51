"""What is to be done with a key: pure, from the source's list, the journal, and what stands at the target."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from storage_service.moving.journal import Moved
from storage_service.moving.layouts import is_md5
from storage_service.moving.model import Entry, Version
from storage_service.remote import Listed

NEW = {"if-none-match": "*"}  # nothing that is there is ever replaced by chance


class Step(NamedTuple):
    """`move` the versions from `start` on; under these conditions for the first of them. `there`: nothing to do.
    `kept`: something else stands at the target, and stays. `compare`: only the bytes tell whether it is the same; the
    target's have the MD5 `etag`."""

    what: Literal["move", "there", "kept", "compare"]
    start: int = 0
    conditions: Mapping[str, str] = {}
    etag: str = ""


def decide(entry: Entry, moved: Moved | None, present: Sequence[Listed], *, overwrite: bool) -> Step:
    """`present`: the target's versions of the key, the oldest first; only the current one where no versions are moved.

    What was moved and then changed or deleted at the target is the target's matter, until the source changes too.
    """
    if moved is not None and moved.stamp == entry.stamp:
        return Step("there")
    if len(entry.versions) > 1 or entry.versions[0].is_marker:
        return _history(entry, present, overwrite=overwrite)
    if not present or present[-1].is_marker:
        return Step("move", conditions=NEW)
    return _single(entry.versions[0], moved, present[-1], overwrite=overwrite)


def _single(version: Version, moved: Moved | None, current: Listed, *, overwrite: bool) -> Step:
    if (current.etag, current.size) == (version.etag, version.size):
        return Step("there")
    if overwrite or (moved is not None and moved.etag == current.etag):
        return Step("move", conditions={"if-match": f'"{current.etag}"'})
    if current.size == version.size and is_md5(current.etag) and not is_md5(version.etag):
        return Step("compare", etag=current.etag)
    return Step("kept")


def _history(entry: Entry, present: Sequence[Listed], *, overwrite: bool) -> Step:
    """What stands there must be how the history begins; then it goes on."""
    if len(present) > len(entry.versions) or not all(map(_same, present, entry.versions)):
        return Step("move") if overwrite else Step("kept")
    if len(present) == len(entry.versions):
        return Step("there")
    return Step("move", len(present), {} if present else NEW)


def _same(there: Listed, here: Version) -> bool:
    return there.is_marker == here.is_marker and (here.is_marker or (there.etag, there.size) == (here.etag, here.size))
