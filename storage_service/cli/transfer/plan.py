"""From two places to the steps between them."""

import errno
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from storage_service.cli.places import Local, Place, Stored
from storage_service.cli.transfer.local import LocalFile, Tree, file_below
from storage_service.cli.transfer.selection import Patterns
from storage_service.cli.transfer.steps import Options, Step, copy, delete_local, delete_stored, download, upload
from storage_service.cli.transfer.stored import StoredFile, is_marker, stored_files
from storage_service.client import Client


@dataclass(slots=True)
class Plan:
    """Steps to take, what the target holds beyond the source, and what was met on the way."""

    steps: list[Step] = field(default_factory=list)
    surplus: list[Step] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)

    @property
    def total_bytes(self) -> int:
        return sum(step.size for step in self.steps)

    def add(self, other: "Plan") -> None:
        self.steps += other.steps
        self.surplus += other.surplus
        self.notes += other.notes
        self.faults += other.faults


class Terms(NamedTuple):
    """What a plan goes by."""

    patterns: Patterns = Patterns()
    options: Options = Options()
    follow_links: bool = False


def tree_to_store(client: Client, source: Local, target: Stored, terms: Terms) -> Plan:
    """A directory's files to the keys below a prefix. Raises: OSError, ClientError."""
    tree = Tree(source.path, terms.follow_links)
    there = {found.path: found for found in _listed(client, target, terms)}
    files = {file.path: file for file in tree.files() if terms.patterns.take(file.path)}
    plan = Plan(notes=tree.notes, faults=tree.faults)
    for path, file in files.items():
        key = Stored(target.bucket, f"{target.directory}{path}")
        plan.steps.append(upload(client, file, key, there.get(path), terms.options))
    gone = (found for path, found in there.items() if path not in files and not is_marker(found))
    plan.surplus = [delete_stored(client, found) for found in gone]
    return plan


def store_to_tree(client: Client, source: Stored, target: Local, terms: Terms) -> Plan:
    """The keys below a prefix to files of a directory. Raises: OSError, ClientError."""
    plan, wanted = Plan(), set()
    for found in _listed(client, source, terms):
        if is_marker(found):
            continue
        wanted.add(found.path)
        plan.steps.append(download(client, found, (target.path, found.path), terms.options))
    plan.surplus = [
        delete_local(target.path, file) for file in _present(target.path, terms, plan) if file.path not in wanted
    ]
    return plan


def _present(root: Path, terms: Terms, plan: Plan) -> Iterator[LocalFile]:
    """The files a target directory has; links are nobody's business here."""
    if not root.exists():
        return
    tree = Tree(root)
    yield from (file for file in tree.files() if terms.patterns.take(file.path))
    plan.faults += tree.faults


def store_to_store(client: Client, source: Stored, target: Stored, terms: Terms) -> Plan:
    """The keys below a prefix to those below another. Raises: ClientError."""
    there = {found.path: found for found in _listed(client, target, terms)}
    plan, wanted = Plan(), set()
    for found in list(_listed(client, source, terms)):  # all first: copies may appear among them
        wanted.add(found.path)
        key = Stored(target.bucket, f"{target.directory}{found.path}")
        plan.steps.append(copy(client, found, key, there.get(found.path), terms.options))
    plan.surplus = [delete_stored(client, found) for path, found in there.items() if path not in wanted]
    return plan


def _listed(client: Client, place: Stored, terms: Terms) -> Iterator[StoredFile]:
    found = stored_files(client, place.bucket, place.directory)
    return (file for file in found if terms.patterns.take(file.path))


def one_up(client: Client, source: Local, target: Stored, options: Options) -> Step:
    """One local file; below the target if that is a directory, so to say. Raises: OSError."""
    path = source.path
    if not path.is_file() and path.stat():  # a pipe or device has no size to announce
        raise OSError(errno.EINVAL, "no regular file; `storage cp - BUCKET/KEY` reads a pipe", str(path))
    key = f"{target.key}{path.name}" if target.is_prefix else target.key
    return upload(client, LocalFile(path.name, path.stat().st_size, path), Stored(target.bucket, key), None, options)


def one_down(client: Client, source: Stored, target: Local, options: Options) -> Step:
    """One object, to a path or into a directory. Raises: NotFound."""
    found = StoredFile.of(client.bucket(source.bucket).head(source.key), source.key)
    into = target.is_directory or target.path.is_dir()
    place = (target.path, _name(source)) if into else (target.path.parent, target.path.name)
    file_below(*place)
    step = download(client, found, place, options)
    return Step(step.source, step.target, step.size, step.work, None, step.after)


def one_across(client: Client, source: Stored, target: Stored, options: Options) -> Step:
    """One object to another key. Raises: NotFound."""
    found = StoredFile.of(client.bucket(source.bucket).head(source.key), source.key)
    key = f"{target.key}{_name(source)}" if target.is_prefix else target.key
    return copy(client, found, Stored(target.bucket, key), None, options)


def inside(target: Place, source: Place) -> Place:
    """The source's name below a target that is a directory, so to say."""
    if isinstance(source, Local):
        name = source.path.resolve().name
    else:
        name = _name(source) if isinstance(source, Stored) else ""
    if isinstance(target, Local):
        return Local(target.path / name)
    return Stored(target.bucket, f"{target.key}{name}/") if isinstance(target, Stored) else target


def _name(place: Stored) -> str:
    return place.key.rstrip("/").rpartition("/")[2] or place.bucket
