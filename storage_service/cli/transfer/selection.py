"""Which paths are meant. Pure."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple


class Patterns(NamedTuple):
    """Shell patterns; `*` matches slashes too. Without any of `include` everything is meant."""

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()

    def take(self, path: str) -> bool:
        included = not self.include or any(matches(path, pattern) for pattern in self.include)
        return included and not any(matches(path, pattern) for pattern in self.exclude)


def matches(path: str, pattern: str) -> bool:
    """Whether the path, or a directory it is in, is what the pattern says.

    Without a slash the pattern speaks of names at any depth, with one of the whole path.
    """
    pattern = pattern.strip("/") if pattern.strip("/") else pattern
    if "/" not in pattern:
        return any(fnmatchcase(name, pattern) for name in path.split("/"))
    return fnmatchcase(path, pattern) or fnmatchcase(path, f"{pattern}/*")
