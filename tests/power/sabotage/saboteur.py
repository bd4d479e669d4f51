"""The sabotages: each takes away one of the promises that the power tests rely on.

`unsynced-data`     bodies above the journal's limit are named and committed without their sync
`normal-commit`     SQLite does not sync its log at COMMIT (PRAGMA synchronous=NORMAL)
`early-answer`      the client hears of success before COMMIT
`early-drop`        settle drops journalled bodies before the files are synced

and one that must go unnoticed:

`late-doors`        each worker opens its doors later than the others, by up to so many seconds
"""

import asyncio
import importlib.abc
import importlib.machinery
import os
import random
import stat
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

Patch = Callable[[ModuleType], None]

JOURNALLED_BYTES = 16 << 10


class _PatchingLoader(importlib.abc.Loader):
    """Runs the module as its own loader would, then the patch."""

    def __init__(self, loader: importlib.abc.Loader, patch: Patch) -> None:
        self._loader = loader
        self._patch = patch

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        self._patch(module)


class _PatchingFinder(importlib.abc.MetaPathFinder):
    """Finds one module, as all others would, and has it patched."""

    def __init__(self, module: str, patch: Patch) -> None:
        self._module = module
        self._patch = patch

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _PatchingLoader(spec.loader, self._patch)
        return spec


def when_imported(module: str, patch: Patch) -> None:
    sys.meta_path.insert(0, _PatchingFinder(module, patch))


def commit(name: str, seconds: float) -> None:
    SABOTAGES[name](seconds)


def _unsynced_data(_seconds: float) -> None:
    """fsync and fdatasync of large files under `.storage/staging` or `.blobs` do nothing."""

    def lying(real: Callable[[Any], None]) -> Callable[[Any], None]:
        def sync(fd: Any) -> None:
            number = fd if isinstance(fd, int) else fd.fileno()
            found, path = os.fstat(number), str(Path(f"/proc/self/fd/{number}").readlink())
            is_large = stat.S_ISREG(found.st_mode) and found.st_size > JOURNALLED_BYTES
            if not is_large or ("/staging/" not in path and "/.blobs/" not in path):
                real(fd)

        return sync

    os.fsync = lying(os.fsync)  # type: ignore[assignment]
    os.fdatasync = lying(os.fdatasync)  # type: ignore[assignment]


def _normal_commit(_seconds: float) -> None:
    """Every connection is set to NORMAL when it opens, and later wishes for FULL are ignored."""

    def patch(apsw: Any) -> None:
        def weaken(connection: Any) -> None:
            connection.execute("PRAGMA synchronous=NORMAL")

            def authorize(operation: int, first: str | None, second: str | None, *_: object) -> int:
                is_pragma = operation == apsw.SQLITE_PRAGMA
                ignored = is_pragma and first == "synchronous" and second is not None
                return int(apsw.SQLITE_IGNORE if ignored else apsw.SQLITE_OK)

            connection.authorizer = authorize

        apsw.connection_hooks.append(weaken)

    when_imported("apsw", patch)


def _early_answer(seconds: float) -> None:
    """The committer's futures are resolved right before its COMMIT, which then comes late."""

    def patch(module: Any) -> None:
        committer = module.Committer
        real_start, real_one = committer.start, committer._one
        real_gather, real_resolve = committer._gather, committer._resolve

        def start(self: Any, *arguments: Any) -> None:
            real_start(self, *arguments)
            self._connection = _AnsweringConnection(self._connection, lambda: answer(self))

        def gather(self: Any) -> Any:
            self._early_batch = real_gather(self)
            self._early_results = []
            return self._early_batch

        def one(self: Any, *arguments: Any) -> Any:
            self._early_results.append(real_one(self, *arguments))
            return self._early_results[-1]

        def answer(self: Any) -> None:
            if len(self._early_batch) == len(self._early_results):
                self._loop.call_soon_threadsafe(real_resolve, self, self._early_batch, self._early_results)
            time.sleep(seconds)

        def resolve(self: Any, batch: Any, results: Any) -> None:
            left = [pair for pair in zip(batch, results, strict=True) if not pair[0].future.done()]
            real_resolve(self, [waiting for waiting, _ in left], [result for _, result in left])

        committer.start, committer._one, committer._gather = start, one, gather
        committer._resolve = resolve

    when_imported("storage_service.app.backends.catalog.committer", patch)


class _AnsweringConnection:
    """A connection that calls `before_commit` first."""

    def __init__(self, connection: Any, before_commit: Callable[[], None]) -> None:
        self._connection = connection
        self._before_commit = before_commit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, *arguments: Any) -> Any:
        if sql == "COMMIT":
            self._before_commit()
        return self._connection.execute(sql, *arguments)


def _early_drop(seconds: float) -> None:
    """Rows are marked settled, and their bodies dropped, once files are written but unsynced."""

    def patch(module: Any) -> None:
        settler = module.Settler
        real_write = settler._write

        def write(self: Any, rows: Any) -> Any:
            result = real_write(self, rows)
            self._catalog.mark([row.sequence for row in result[0]], viewed=self._shown_to)
            time.sleep(seconds)
            return result

        settler._write = write

    when_imported("storage_service.app.backends.settle", patch)


def _late_doors(seconds: float) -> None:
    """As on a busy machine, where workers become ready one after the other."""

    def patch(module: Any) -> None:
        real_open = module.Signatures.open

        async def open_late(self: Any) -> None:
            await asyncio.sleep(random.uniform(0.0, seconds))
            await real_open(self)

        module.Signatures.open = open_late

    when_imported("storage_service.app.signatures", patch)


SABOTAGES: dict[str, Callable[[float], None]] = {
    "unsynced-data": _unsynced_data,
    "normal-commit": _normal_commit,
    "early-answer": _early_answer,
    "early-drop": _early_drop,
    "late-doors": _late_doors,
}
