"""What the command line does to a store: plain functions of plain values. With a service running, or without.

Whatever may not be done raises `Refused`, with the one line to show.
"""

import contextlib
import os
import pwd
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import apsw

from storage_service.app.backends import shared as words
from storage_service.app.backends.accept import Acceptance
from storage_service.app.backends.catalog.auditing import Auditor
from storage_service.app.backends.check import Check
from storage_service.app.backends.findings import Finding, Report
from storage_service.app.backends.local import LocalFiles
from storage_service.app.backends.recovery import examine, settle_all
from storage_service.app.backends.shared import Shared
from storage_service.app.backends.view import View, has_reflinks
from storage_service.app.backends.view_rebuild import ViewRebuild
from storage_service.app.backends.volume import Layout, VolumeRefused, open_volume, try_lock, wait_lock
from storage_service.app.core.config import BadSettings, Settings, load
from storage_service.app.group import join
from storage_service.app.keeping import Keeper, Plan, make_blobs, make_keeper
from storage_service.app.operations import read_loss
from storage_service.app.process.recover import rebuild, recover
from storage_service.app.wiring import make_staging, plan_of

LOOK_SECONDS = 0.05
PROGRESS_SECONDS = 0.5
ACCEPTED_SECONDS = 30.0  # for the service to write what was accepted
UNUSED_SECRET = "a secret that these commands neither need nor use"  # noqa: S105 # nosec B105

Progress = Callable[[int, int], None]


class Refused(Exception):
    """It may not be done as things are; the message says why and what to do."""


class CatalogUnreadable(Refused):
    """It is damaged, or no catalog at all."""


# The store, and who has it ----------------------------------------------------------------------------------------


def load_settings() -> Settings:
    """For commands that sign nothing. Raises: Refused."""
    try:
        return load(secret_key=UNUSED_SECRET)
    except BadSettings as error:
        raise Refused(str(error)) from None


def open_store() -> tuple[Plan, Layout]:
    """Settings and paths of a store that is there, and ours to touch."""
    settings = load_settings()
    layout = Layout(settings.storage_path)
    try:
        owner = layout.identity.stat().st_uid
        with _refusing():
            if owner == os.geteuid():
                open_volume(layout.root, settings.storage_id)
    except (FileNotFoundError, NotADirectoryError):
        raise Refused(f"{layout.root} holds no storage yet: set STORAGE_PATH, or start the service once") from None
    except PermissionError:
        raise Refused(f"{layout.root} cannot be read by this user: run this as its owner") from None
    if owner != os.geteuid():
        raise Refused(f"{layout.root} belongs to {_user(owner)}: run this as that user, or the service is locked out")
    return plan_of(settings), layout


def _user(uid: int) -> str:
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except (VolumeRefused, BadSettings) as error:
        raise Refused(str(error)) from None


def is_served(layout: Layout) -> bool:
    """Whether a service, or another command, has the directory."""
    start = wait_lock(layout.start_lock)  # or a service that starts now would take us for its rival
    try:
        lock = try_lock(layout.serve_lock)
        if lock is not None:
            os.close(lock)
        return lock is None
    finally:
        os.close(start)


@contextlib.contextmanager
def alone(layout: Layout) -> Iterator[Shared]:
    """Be the directory's service for a while, so that no other starts."""
    with _refusing():
        membership = join(layout, f"command-{os.getpid()}")
        if not membership.first:
            raise Refused(f"{layout.root} is used by another process")
        try:
            yield Shared(layout.shared)
        finally:
            os.close(membership.descriptor)


@contextlib.contextmanager
def auditor_of(layout: Layout) -> Iterator[Auditor]:
    if not layout.catalog.exists():  # to open it would make it
        raise Refused(f"{layout.catalog} is not there; the next start, or `storage reindex`, rebuilds it")
    try:
        auditor = Auditor(str(layout.catalog))
    except apsw.Error as error:
        raise CatalogUnreadable(f"{layout.catalog} cannot be opened: {error}") from None
    try:
        yield auditor
    finally:
        auditor.close()


def check_ready(layout: Layout) -> None:
    if is_served(layout) and Shared(layout.shared)[words.VOLUME] == words.REBUILDING:
        raise Refused("The service is starting or rebuilding its catalog; try again when `storage health` says ready")


# settle -----------------------------------------------------------------------------------------------------------


def settle(timeout_seconds: float | None, *, wait: bool) -> dict[str, Any]:
    """Have everything that was acknowledged until now stand in files. `waiting` is what does not yet; `parked` of them
    could not be written. `wait` counts beside a running service; without one this settles itself."""
    plan, layout = open_store()
    if is_served(layout):
        return await_settled(layout, timeout_seconds if wait else 0.0)
    with alone(layout) as shared:
        keeper = recover(plan, shared)
        debt = _debt(layout)
        _close(keeper)
    return debt


def _close(keeper: Keeper) -> None:
    keeper.catalog.checkpoint()
    keeper.close()


def _debt(layout: Layout, up_to: int | None = None) -> dict[str, Any]:
    with auditor_of(layout) as auditor:
        return dict(auditor.debt(auditor.last_sequence() if up_to is None else up_to)._asdict())


def await_settled(layout: Layout, timeout_seconds: float | None) -> dict[str, Any]:
    deadline = time.monotonic() + (timeout_seconds if timeout_seconds is not None else float("inf"))
    while Shared(layout.shared)[words.VOLUME] == words.REBUILDING and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    with auditor_of(layout) as auditor:
        last = auditor.last_sequence()
        while True:
            debt = auditor.debt(last)
            if not debt.waiting or time.monotonic() >= deadline:
                return dict(debt._asdict())
            time.sleep(LOOK_SECONDS)


# reindex ----------------------------------------------------------------------------------------------------------


def reindex(progress: Progress) -> dict[str, Any]:
    """Rebuild the catalog from the sidecars; the old one is set aside."""
    plan, layout = open_store()
    with alone(layout) as shared:
        _settle_first(plan, layout, shared)
        shared[words.VOLUME] = words.REBUILDING
        with _watched(shared, progress):
            report = rebuild(plan, shared, salvage=True)
        _close(recover(plan, shared))
    return report


def _settle_first(plan: Plan, layout: Layout, shared: Shared) -> None:
    """What waits in a sound journal becomes files, and is found there; of a damaged one a rebuild saves what it can."""
    with contextlib.suppress(apsw.Error, OSError):
        if examine(layout) == "whole":
            _close(recover(plan, shared))


@contextlib.contextmanager
def _watched(shared: Shared, progress: Progress) -> Iterator[None]:
    """Tell the progress of a rebuild while it goes on."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(PROGRESS_SECONDS):
            progress(shared[words.DONE], shared[words.TOTAL])

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


# check ------------------------------------------------------------------------------------------------------------


def check(progress: Callable[[int], None], *, deep: bool, accept: bool) -> dict[str, Any]:
    """Compare catalog and files. `accept` first makes new versions of what was edited; `accepted` says of which.

    The record has `ok`, `problems`, `notes`, `objects`, `versions`, `view` and `lost_after`.
    """
    plan, layout = open_store()
    check_ready(layout)
    if not layout.catalog.exists():
        detail = f"{layout.catalog.name} is missing; the next start, or `storage reindex`, rebuilds it"
        return _record(Report([Finding("catalog_missing", None, None, None, detail)]), layout)
    try:
        report = _check(plan, layout, progress, deep=deep)
        accepted = _accept(plan, layout, report) if accept else []
        if accepted:
            report = _check(plan, layout, progress, deep=deep)
    except (apsw.Error, CatalogUnreadable) as error:
        detail = f"the catalog cannot be read ({error}); stop the service and run `storage reindex`"
        return _record(Report([Finding("catalog_damaged", None, None, None, detail)]), layout)
    return _record(report, layout) | ({"accepted": accepted} if accept else {})


def _record(report: Report, layout: Layout) -> dict[str, Any]:
    report.lost_after = read_loss(layout)
    return {"ok": report.is_well, **report.record()}


def _check(plan: Plan, layout: Layout, progress: Callable[[int], None], *, deep: bool) -> Report:
    with auditor_of(layout) as auditor:
        return Check(auditor, make_blobs(plan), plan.grace_ms, deep=deep, progress=progress).run()


def _accept(plan: Plan, layout: Layout, report: Report) -> list[dict[str, Any]]:
    if is_served(layout):
        keeper = make_keeper(plan)
        accepted = _take_over(plan, keeper, report)
        with keeper.catalog.held():
            keeper.shared.add(words.COMMITTED_ROWS, len(accepted))  # wakes settle; the jobs count exactly
        await_settled(layout, ACCEPTED_SECONDS)
        keeper.close()
        return accepted
    with alone(layout) as shared:
        keeper = recover(plan, shared)
        accepted = _take_over(plan, keeper, report)
        settle_all(keeper.catalog, keeper.settler, shared)
        _close(keeper)
    return accepted


def _take_over(plan: Plan, keeper: Keeper, report: Report) -> list[dict[str, Any]]:
    name = f"accept-{os.getpid()}"
    staging, lock = make_staging(keeper.layout, name)
    files = LocalFiles(keeper.blobs, keeper.disk, str(staging))
    try:
        acceptance = Acceptance(keeper.catalog, keeper.blobs, files, keeper.view, plan.keeping)
        return [accepted._asdict() for accepted in acceptance.run(report.problems)]
    finally:
        keeper.disk.remove_dir(str(staging))
        (keeper.layout.run / f"worker-{name}.lock").unlink(missing_ok=True)
        os.close(lock)


# view -------------------------------------------------------------------------------------------------------------


def view_rebuild() -> dict[str, Any]:
    """Make missing names of the view again; `foreign` are files that stand among them and stay."""
    plan, layout = open_store()
    check_ready(layout)
    blobs = make_blobs(plan)
    with tempfile.TemporaryDirectory(dir=layout.run) as probe:
        view = View(blobs, blobs.disk, reflinks=has_reflinks(probe, blobs.disk))
    with auditor_of(layout) as auditor:
        done = ViewRebuild(auditor, blobs, view).run()
    return done._asdict() | {"foreign": [finding._asdict() for finding in done.foreign]}
