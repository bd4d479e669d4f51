"""Commands that carry files between this machine and a store, or within one: `cp`, `mv`, `sync`, `mirror`."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from storage_service.cli.completion import complete_stored
from storage_service.cli.connect import connected
from storage_service.cli.parameters import OBJECTS, Access, Describing, Manner, Selection, examples, expanded
from storage_service.cli.places import Local, Pipe, Place, Stored, parse_place
from storage_service.cli.reporting import tell
from storage_service.cli.say import found, refuse
from storage_service.cli.show import plain

if TYPE_CHECKING:
    from storage_service.cli.transfer.plan import Plan, Terms
    from storage_service.cli.transfer.said import Said
    from storage_service.client import Client
    from storage_service.client.options import PutOptions

EITHER = "BUCKET/KEY; local paths begin with / ./ ../ or ~"
CP = examples(
    "storage cp ./cat.jpg photos/2026/",
    "storage cp -r ./pictures photos/all --exclude '*.tmp'",
    "storage cp ./page.html site/ --cache-control max-age=3600 --tag kind=page",
    "storage cp -r photos/all ./back",
    "storage cp photos/notes.txt -",
)
MV = examples("storage mv photos/draft.jpg photos/2026/", "storage mv -r ./finished photos/archive")
SYNC = examples("storage sync ./pictures photos/all --delete --dry-run", "storage sync photos ./backup")
Places = Annotated[
    list[Place],
    typer.Argument(
        parser=parse_place,
        metavar="SOURCE... TARGET",
        help=f"{EITHER}; - is standard input or output.",
        autocompletion=complete_stored,
    ),
]
Source = Annotated[
    Place, typer.Argument(parser=parse_place, metavar="SOURCE", help=f"{EITHER}.", autocompletion=complete_stored)
]
Target = Annotated[
    Place, typer.Argument(parser=parse_place, metavar="TARGET", help="The same.", autocompletion=complete_stored)
]
Recursive = Annotated[bool, typer.Option("--recursive", "-r", help="What lies below the source goes below the target.")]


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel=OBJECTS, epilog=CP)(expanded(cp))
    app.command(rich_help_panel=OBJECTS, epilog=MV)(expanded(mv))
    app.command(rich_help_panel=OBJECTS, epilog=SYNC)(expanded(sync))
    app.command("mirror", rich_help_panel=OBJECTS, help="The same as `sync`.")(expanded(sync))


def cp(
    places: Places, recursive: Recursive = False, *, selection: Selection, manner: Describing, access: Access
) -> None:
    """Copy files to a store, from it, or within it. What is at the target is replaced.

    With -r, what is there already with the same content is not copied again: an interrupted copy is just repeated.
    """
    _carry(places, _Wish(recursive, selection, manner, access))


def mv(places: Places, recursive: Recursive = False, *, selection: Selection, manner: Manner, access: Access) -> None:
    """Move files to a store, from it, or within it. A source goes once its target is complete."""
    _carry(places, _Wish(recursive, selection, manner, access, move=True))


def sync(
    source: Source,
    target: Target,
    delete: Annotated[bool, typer.Option("--delete", help="Delete what only the target has.")] = False,
    *,
    selection: Selection,
    manner: Describing,
    access: Access,
) -> None:
    """Make the target hold what the source holds: new and changed files are copied.

    Files are compared by size and checksum. --delete comes last, and only when nothing failed.
    """
    _check([source], target)
    if isinstance(source, Pipe) or isinstance(target, Pipe):
        raise typer.BadParameter("a directory or prefix is meant, not -")
    if isinstance(source, Stored) and isinstance(target, Stored) and _overlap(source, target):
        raise typer.BadParameter(f"{source} and {target} lie in one another: there would be no end to it")
    wish = _Wish(True, selection, manner, access)
    _check_said(wish.said, target)
    with connected(access) as client:
        plan = _tree(client, source, target, wish.terms())
        if delete and plan.surplus and not plan.steps:
            refuse(f"{source} holds nothing: all of {target} would be deleted. `storage rm -r --yes` does that")
        _go(plan, manner, delete=delete)


class _Wish(NamedTuple):
    """What was asked of `cp` or `mv`."""

    recursive: bool
    selection: Selection
    manner: Manner
    access: Access
    move: bool = False

    @property
    def said(self) -> "Said":
        from storage_service.cli.transfer.said import NOTHING

        return self.manner.said() if isinstance(self.manner, Describing) else NOTHING

    def terms(self) -> "Terms":
        from storage_service.cli.transfer.plan import Terms
        from storage_service.cli.transfer.selection import Patterns
        from storage_service.cli.transfer.steps import Options

        patterns = Patterns(self.selection.include or (), self.selection.exclude or ())
        options = Options(self.manner.size_only, self.move, said=self.said)
        return Terms(patterns, options, self.manner.follow_links)


def _carry(places: Sequence[Place], wish: _Wish) -> None:
    *sources, target = places
    _check(sources, target)
    _check_said(wish.said, target)
    piped = any(isinstance(place, Pipe) for place in places)
    if piped and (wish.move or wish.manner.dry_run):
        raise typer.BadParameter("- can only be copied from or to")
    with connected(wish.access) as client:
        if not piped:
            _go(_planned(client, sources, target, wish), wish.manner)
            return
        for source in sources:
            _stream(client, source, target, wish.said)


def _planned(client: "Client", sources: Sequence[Place], target: Place, wish: _Wish) -> "Plan":
    """Single files and whole trees together. Of several sources a tree keeps its name below the target."""
    from storage_service.cli.transfer.plan import Plan, inside

    plan = Plan()
    for source in sources:
        if not wish.recursive or (isinstance(source, Local) and source.path.is_file()):
            _single(client, plan, (source, target), wish.terms())
            continue
        below = _tree(client, source, inside(target, source) if len(sources) > 1 else target, wish.terms())
        if not below.steps and not below.faults:
            found(f"storage: there is nothing at {plain(str(source))}")
        plan.add(below)
    return plan


def _check(sources: Sequence[Place], target: Place) -> None:
    """Raises: BadParameter for what cannot be meant."""
    if not sources:
        raise typer.BadParameter("a source and a target are needed")
    if not any(isinstance(place, Stored) for place in (*sources[:1], target)) or (
        not isinstance(target, Stored) and not all(isinstance(source, Stored) for source in sources)
    ):
        raise typer.BadParameter("one side is in a store: BUCKET/KEY, or store:BUCKET/KEY where that is not clear")
    if any(isinstance(source, Pipe) for source in sources) and not _is_one_object(target):
        raise typer.BadParameter("standard input needs a key to go to: BUCKET/KEY")
    if len(sources) > 1 and not _is_directory(target):
        raise typer.BadParameter(f"{target} must be a directory, or end with a slash, for several sources")
    if any(source == target for source in sources):
        raise typer.BadParameter(f"{target} is both source and target")


def _check_said(said: "Said", target: Place) -> None:
    """Raises: BadParameter where there will be no object of which it could be said."""
    if said.given() and not isinstance(target, Stored):
        raise typer.BadParameter(f"{target} is no object: type, metadata, tags and the like are said of objects")


def _overlap(one: Stored, other: Stored) -> bool:
    below = one.directory.startswith(other.directory) or other.directory.startswith(one.directory)
    return one.bucket == other.bucket and below


def _is_one_object(place: Place) -> bool:
    return isinstance(place, Stored) and not place.is_prefix


def _is_directory(place: Place) -> bool:
    if isinstance(place, Stored):
        return place.is_prefix
    return isinstance(place, Pipe) or (isinstance(place, Local) and (place.is_directory or place.path.is_dir()))


def _stream(client: "Client", source: Place, target: Place, said: "Said") -> None:
    """Between an object and standard input or output."""
    if isinstance(target, Stored):
        how: PutOptions = {**said.options(), "upsert": True}
        client.bucket(target.bucket).put(target.key, sys.stdin.buffer, **how)
    elif isinstance(source, Stored):
        with client.bucket(source.bucket).get(source.key) as content:
            for chunk in content.iter_bytes():
                sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()


def _tree(client: "Client", source: Place, target: Place, terms: "Terms") -> "Plan":
    from storage_service.cli.transfer.plan import store_to_store, store_to_tree, tree_to_store

    if isinstance(source, Local) and isinstance(target, Stored):
        return tree_to_store(client, source, target, terms)
    if isinstance(source, Stored) and isinstance(target, Local):
        return store_to_tree(client, source, target, terms)
    if isinstance(source, Stored) and isinstance(target, Stored):
        return store_to_store(client, source, target, terms)
    raise typer.BadParameter("a directory or prefix is meant, not -")


def _single(client: "Client", plan: "Plan", places: tuple[Place, Place], terms: "Terms") -> None:
    from storage_service.cli.transfer.plan import one_across, one_down, one_up

    source, target = places
    if isinstance(source, Stored) and source.is_prefix:
        raise typer.BadParameter(f"{source} is no object; -r copies what lies below it")
    if isinstance(source, Local) and source.path.is_dir():
        raise typer.BadParameter(f"{source} is a directory; -r copies what lies in it")
    if isinstance(source, Local) and isinstance(target, Stored):
        plan.steps.append(one_up(client, source, target, terms.options))
    elif isinstance(source, Stored) and isinstance(target, Local):
        plan.steps.append(one_down(client, source, target, terms.options))
    elif isinstance(source, Stored) and isinstance(target, Stored):
        plan.steps.append(one_across(client, source, target, terms.options))


def _go(plan: "Plan", manner: Manner, *, delete: bool = False) -> None:
    """Take the steps, tell what came of them; exit code 1 if a file failed."""
    from storage_service.cli.transfer.meter import Meter
    from storage_service.cli.transfer.run import Run

    with Meter(plan.total_bytes, shown=not manner.dry_run) as meter:
        run = Run(manner.at_once, meter, dry=manner.dry_run)
        run.report.failed += plan.faults
        run.report.notes += plan.notes
        run.copy(plan.steps)
        if delete and run.clean:
            run.delete(plan.surplus)
        elif delete and plan.surplus:
            run.report.notes.append("nothing was deleted, as files failed")
    tell(run.report, json=manner.json, dry=manner.dry_run)
