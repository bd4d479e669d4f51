"""From keys to names in an archive that unpack anywhere: below the target, each its own. Pure."""

import re
from collections.abc import Iterator, Sequence

# What Windows takes for a path or refuses in a name, control characters, and marks that turn text round.
UNSAFE = re.compile('[\\\\:*?"<>|\x00-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]')


def names_of(keys: Sequence[str], base: str = "") -> list[str]:
    """A name for each key, in their order; `base` is left out at the front of keys that begin with it.

    `..` and absolute keys stay inside; of keys that come to one name the later get a number; a key that is another's
    folder too is numbered; a key with a slash at the end is a directory.
    """
    wanted = [safe_name(key.removeprefix(base)) for key in keys]
    taken = dict.fromkeys((_folded(folder) for name in wanted for folder in _folders(name)), 1)
    return [_free(name, taken) for name in wanted]


def safe_name(key: str) -> str:
    """The key as a relative path."""
    segments = [UNSAFE.sub("_", segment) for segment in key.split("/")]
    kept = [_segment(segment) for segment in segments if segment not in ("", ".")]
    name = "/".join(kept) or "_"
    return f"{name}/" if key.endswith("/") and kept else name


def _segment(segment: str) -> str:
    """Windows drops dots and blanks at the end of a name: `... ` would be none, or another's."""
    stripped = segment.rstrip(". ")
    return stripped + "_" * (len(segment) - len(stripped))


def _free(name: str, taken: dict[str, int]) -> str:
    """The name, or it with a number before its extension; takes it. A directory may be named twice. `taken` holds the
    last number tried, so that many keys of one name cost no more than others."""
    if name.endswith("/"):
        return name
    folder, slash, last = name.rpartition("/")
    stem, dot, extension = last.rpartition(".")
    if not stem:
        stem, dot, extension = last, "", ""
    free, plain = name, _folded(name)
    while _folded(free) in taken:
        taken[plain] += 1
        free = f"{folder}{slash}{stem} ({taken[plain]}){dot}{extension}"
    taken[_folded(free)] = 1
    return free


def _folders(name: str) -> Iterator[str]:
    at = name.find("/")
    while at >= 0:
        yield name[:at]
        at = name.find("/", at + 1)


def _folded(name: str) -> str:
    """Names that differ in case only are one on many disks."""
    return name.casefold()
