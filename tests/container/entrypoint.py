"""The image's entry point run here, with a `storage` that only tells how it was called."""

import os
import stat
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.support.service import REPOSITORY
from tests.support.tools import require_tool

SCRIPT = REPOSITORY / "deploy/entrypoint.sh"
# As a file, not as `python -c`: it runs as users who may not read this repository.
TELLER = """#!/bin/sh
printf '%s\\n' "$(id -u) $(id -g) $(id -G)" "$@" >"$TOLD"
env -0 >"$TOLD.env"
"""


class Told(NamedTuple):
    """How `storage` was called."""

    uid: int
    gid: int
    groups: set[int]
    arguments: list[str]
    environment: dict[str, str]


class Container:
    """A root directory of its own is not needed: the script touches STORAGE_PATH and nothing else."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.data = top / "data"
        self.before: list[str] = []  # a command that starts it
        self._told = top / "told"
        programs = top / "bin"
        programs.mkdir()
        teller = programs / "storage"
        teller.write_text(TELLER)
        teller.chmod(0o755)
        self._told.mkdir(mode=0o777)
        self._told.chmod(0o777)
        self._path = f"{programs}:{os.environ['PATH']}"

    def run(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Never raises for its exit code."""
        for left in self._told.iterdir():
            left.unlink()
        environment = {"PATH": self._path, "TOLD": str(self._told / "call"), "STORAGE_PATH": str(self.data)} | settings
        return subprocess.run(
            [*self.before, require_tool("sh"), str(SCRIPT), *arguments],
            env=environment,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def told(self, *arguments: str, **settings: str) -> Told:
        """What reached `storage`."""
        done = self.run(*arguments, **settings)
        assert done.returncode == 0, done.stderr
        who, *given = (self._told / "call").read_text().splitlines()
        uid, gid, *groups = map(int, who.split())
        said = (self._told / "call.env").read_bytes().split(b"\0")
        environment = dict(line.decode().split("=", 1) for line in said if line)
        return Told(uid, gid, set(groups), given, environment)

    def refused(self, *arguments: str, **settings: str) -> str:
        """The line it refuses with."""
        done = self.run(*arguments, **settings)
        assert done.returncode == 3, done
        assert not any(self._told.iterdir()), "it went on all the same"
        assert done.stderr.splitlines()[-1].startswith("storage: ")
        return done.stderr


def owners(path: Path) -> set[tuple[int, int]]:
    """Of it and everything below."""
    return {(found.lstat().st_uid, found.lstat().st_gid) for found in [path, *path.rglob("*")]}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
