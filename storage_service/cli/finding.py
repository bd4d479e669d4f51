"""`storage find`: objects by name, size, age, type and tags."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from itertools import chain
from typing import TYPE_CHECKING, Annotated

import typer

from storage_service.cli.connect import connected
from storage_service.cli.objects import Where
from storage_service.cli.parameters import OBJECTS, Access, AsJson, examples, expanded
from storage_service.cli.say import as_json_list, found
from storage_service.cli.show import parse_age, parse_bytes, plain

if TYPE_CHECKING:
    from storage_service.client import FileInfo

Test = Callable[["FileInfo"], bool]


@dataclass(frozen=True, slots=True)
class Criteria:
    """What must be true of an object, all of it."""

    name: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="Its last part, as *.jpg; with a slash the whole key.")
    ] = None
    larger: Annotated[int | None, typer.Option(parser=parse_bytes, metavar="SIZE", help="At least, as 10M.")] = None
    smaller: Annotated[int | None, typer.Option(parser=parse_bytes, metavar="SIZE", help="At most.")] = None
    newer: Annotated[
        timedelta | None, typer.Option(parser=parse_age, metavar="TIME", help="Stored within the last 1h, 7d ...")
    ] = None
    older: Annotated[
        timedelta | None, typer.Option(parser=parse_age, metavar="TIME", help="Stored longer ago than that.")
    ] = None
    kind: Annotated[str | None, typer.Option("--type", metavar="PATTERN", help="Its content type, as image/*.")] = None
    tag: Annotated[list[str] | None, typer.Option(metavar="NAME[=VALUE]", help="A tag it has. May be repeated.")] = None

    def tests(self, now: datetime) -> list[Test]:
        """One for each criterion that was named."""
        name, larger, smaller = self.name, self.larger, self.smaller
        newer, older, kind = self.newer, self.older, self.kind
        tests: list[tuple[object, Test]] = [
            (name, lambda info: fnmatchcase(info.key if "/" in str(name) else info.key.rpartition("/")[2], str(name))),
            (larger, lambda info: larger is not None and info.size >= larger),
            (smaller, lambda info: smaller is not None and info.size <= smaller),
            (newer, lambda info: newer is not None and now - info.updated_at <= newer),
            (older, lambda info: older is not None and now - info.updated_at > older),
            (kind, lambda info: fnmatchcase(info.content_type.partition(";")[0], str(kind))),
        ]
        return [test for said, test in tests if said is not None] + [_tagged(text) for text in self.tag or ()]


def _tagged(text: str) -> Test:
    name, equals, value = text.partition("=")
    return lambda info: name in info.tags and (not equals or info.tags[name] == value)


def register(app: typer.Typer) -> None:
    some = examples(
        "storage find photos --name '*.jpg' --larger 10M", "storage find photos --tag kind=draft --older 30d"
    )
    app.command(rich_help_panel=OBJECTS, epilog=some)(expanded(find))


def find(
    place: Where,
    json: AsJson = False,
    print0: Annotated[bool, typer.Option("--print0", help="End each line with a zero byte, for xargs -0.")] = False,
    *,
    criteria: Criteria,
    access: Access,
) -> None:
    """Print BUCKET/KEY of every object that meets all criteria. Exit code 1 when there is none."""
    tests = criteria.tests(datetime.now(UTC))
    with connected(access) as client:
        infos = client.bucket(place.bucket).list(place.key)
        matching = (info for info in infos if all(test(info) for test in tests))
        if json:
            as_json_list(info.record for info in matching)
            return
        first = next(matching, None)
        if first is None:
            found("")
        for info in chain([first], matching):
            name = f"{place.bucket}/{info.key}"
            typer.echo(f"{name}\0" if print0 else plain(name), nl=not print0)
