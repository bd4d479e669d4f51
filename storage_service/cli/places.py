"""Where things are, as commands are told: `BUCKET/KEY` in the store, a local path, `-`. Pure but for one look.

A path of this machine begins with `/`, `./`, `../` or `~`, or is `.` or `..`. Anything else is in the store;
`store:BUCKET/KEY` says so beyond doubt, and is asked for where a local file of that name is in the way.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import typer

from storage_service.cli.parameters import read_as

STORE = "store:"
LOCAL = re.compile(r"\A(?:/|~|\.{1,2}(?:/|\Z))")


class Place:
    """One of the three below. A class, as typer knows no unions."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Stored(Place):
    """A key, or what begins like one; an empty key is the whole bucket."""

    bucket: str
    key: str = ""

    def __str__(self) -> str:
        return f"{self.bucket}/{self.key}"

    @property
    def is_prefix(self) -> bool:
        """Whether it can only be a directory, so to say."""
        return not self.key or self.key.endswith("/")

    @property
    def directory(self) -> str:
        """What the keys below it begin with."""
        return self.key if self.is_prefix else f"{self.key}/"


@dataclass(frozen=True, slots=True)
class Local(Place):
    """A path of this machine. `is_directory`: it was written with a slash at its end."""

    path: Path
    is_directory: bool = False

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class Pipe(Place):
    """Standard input as a source, standard output as a target."""

    def __str__(self) -> str:
        return "-"


@read_as("path")
def parse_stored(text: str) -> Stored:
    """`BUCKET`, `BUCKET/KEY` or `BUCKET/PREFIX`. Raises: BadParameter."""
    if text == "-" or LOCAL.match(text):
        raise typer.BadParameter(f"{text} is a local path; here BUCKET/KEY is meant")
    bucket, _, key = text.removeprefix(STORE).partition("/")
    if not bucket:
        raise typer.BadParameter(f"{text!r} names no bucket; it is BUCKET/KEY")
    return Stored(bucket, key)


@read_as("path")
def parse_object(text: str) -> Stored:
    """`BUCKET/KEY` of one object. Raises: BadParameter."""
    place = parse_stored(text)
    if not place.key:
        raise typer.BadParameter(f"{text!r} names a bucket; it is BUCKET/KEY")
    return place


@read_as("path")
def parse_place(text: str) -> Place:
    """Raises: BadParameter, too where a local file or directory of that name is in the way."""
    if text == "-":
        return Pipe()
    if LOCAL.match(text):
        return Local(Path(text).expanduser(), is_directory=text.endswith(("/", "/.", "/..")) or text in {".", ".."})
    first = text.partition("/")[0]
    if first and not text.startswith(STORE) and Path(first).exists():
        raise typer.BadParameter(
            f"{text!r} may be a bucket's or a local path, as {first!r} is in this directory:"
            f" write {STORE}{text} or ./{text}"
        )
    return parse_stored(text)
