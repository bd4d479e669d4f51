"""The Dockerfile carried out without a container engine: each instruction in a directory of its own, by chroot.

The base image is Debian with its Python, laid down by debootstrap: of the same release as the one the file names.
"""

import fnmatch
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.support.service import REPOSITORY
from tests.support.tools import require_tool

DOCKERFILE = REPOSITORY / "Dockerfile"
RELEASE = "bookworm"
STEP_SECONDS = 600


class Instruction(NamedTuple):
    word: str
    rest: str


class Config(NamedTuple):
    """What an engine keeps beside the files."""

    environment: dict[str, str]
    workdir: str
    entrypoint: list[str]
    command: list[str]
    healthcheck: list[str]
    stop_signal: str


def instructions() -> list[Instruction]:
    """Of the Dockerfile, with continued lines joined and comments left out."""
    lines = [line for line in DOCKERFILE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    text = re.sub(r"\\\n", " ", "\n".join(lines))
    return [Instruction(*line.split(None, 1)) for line in text.splitlines() if line.strip()]


def is_in_context(path: str) -> bool:
    """Whether .dockerignore lets the file in: of the patterns that match it or a parent, the last decides."""
    found = True
    for line in (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        keeps, pattern = pattern.startswith("!"), pattern.removeprefix("!")
        parts = path.split("/")
        parents = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        names = parts if pattern.startswith("**/") else parents
        if any(fnmatch.fnmatchcase(name, pattern.removeprefix("**/")) for name in names):
            found = keeps
    return found


def make_base(root: Path) -> None:
    """Debian with Python, named `python` as in the image it stands for."""
    include = "--include=python3,python3-venv,ca-certificates"
    command = [require_tool("debootstrap"), "--variant=minbase", include, RELEASE, str(root)]
    subprocess.run(command, check=True, capture_output=True, timeout=STEP_SECONDS)
    (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    (root / "etc/ssl/certs/ca-certificates.crt").write_bytes(Path("/etc/ssl/certs/ca-certificates.crt").read_bytes())


class Image:
    """One stage. `run` and `start` act inside it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = Config({"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, "/", [], [], [], "SIGTERM")

    def command(self, *words: str, environment: dict[str, str] | None = None) -> list[str]:
        """A command line for the host: its own process and mount names, our root and environment."""
        inside = self.config.environment | (environment or {})
        unshare = [require_tool("unshare"), "--fork", "--pid", "--kill-child", f"--mount-proc={self.root}/proc"]
        change = [require_tool("chroot"), str(self.root), "/usr/bin/env", "-i", f"--chdir={self.config.workdir}"]
        return [*unshare, *change, *(f"{name}={value}" for name, value in inside.items()), *words]

    def run(self, *words: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Never raises for its exit code."""
        command = self.command(*words, environment=environment)
        return subprocess.run(command, capture_output=True, text=True, timeout=STEP_SECONDS, check=False)

    def carry_out(self, instruction: Instruction, stages: dict[str, "Image"]) -> None:
        word, rest = instruction
        if word == "RUN":
            # The build machine's way to the package index; an engine would hand it over as build arguments.
            outside = {name: value for name, value in os.environ.items() if name.startswith(("PIP_INDEX", "PIP_EXTRA"))}
            done = self.run("/bin/sh", "-c", rest, environment=outside)
            assert done.returncode == 0, f"RUN {rest}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        elif word == "COPY":
            self._copy(shlex.split(rest), stages)
        else:
            self._configure(word, rest)

    def _configure(self, word: str, rest: str) -> None:
        config = self.config
        match word:
            case "ENV":
                pairs = [pair.split("=", 1) for pair in shlex.split(rest)]
                named = {name: value.replace("$PATH", config.environment["PATH"]) for name, value in pairs}
                self.config = config._replace(environment=config.environment | named)
            case "WORKDIR":
                (self.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
                self.config = config._replace(workdir=rest)
            case "ENTRYPOINT":
                self.config = config._replace(entrypoint=json.loads(rest))
            case "CMD":
                self.config = config._replace(command=json.loads(rest))
            case "HEALTHCHECK":
                self.config = config._replace(healthcheck=json.loads(rest.partition("CMD ")[2]))
            case "STOPSIGNAL":
                self.config = config._replace(stop_signal=rest)
            case "LABEL" | "EXPOSE":
                pass
            case _:
                raise AssertionError(f"{word}: teach the test what it means")

    def _copy(self, words: list[str], stages: dict[str, "Image"]) -> None:
        source = next((word.removeprefix("--from=") for word in words if word.startswith("--from=")), None)
        *names, target = [word for word in words if not word.startswith("--")]
        into = self.root / str(Path(self.config.workdir, target)).lstrip("/")
        for name in names:
            if source is not None:
                shutil.copytree(stages[source].root / name.lstrip("/"), into, symlinks=True)
            else:
                _from_context(name, into, is_folder=target.endswith("/") or target == ".")

    def start(self, *words: str, **settings: str) -> "subprocess.Popen[bytes]":
        """The image run: its entry point with its command, or `words` in its place."""
        command = self.command(*self.config.entrypoint, *(words or self.config.command), environment=settings)
        return subprocess.Popen(command, start_new_session=True)


def _from_context(name: str, into: Path, *, is_folder: bool) -> None:
    source = REPOSITORY / name
    if source.is_file():
        assert is_in_context(name), f".dockerignore keeps {name} out"
        target = into / source.name if is_folder else into
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
        return
    files = [path for path in source.rglob("*") if path.is_file()]
    for path in files:
        relative = str(path.relative_to(REPOSITORY))
        if is_in_context(relative):
            target = into / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)


def build(top: Path) -> Image:
    """The last stage of the Dockerfile."""
    make_base(top / "base")
    stages: dict[str, Image] = {}
    image: Image | None = None
    for instruction in instructions():
        if instruction.word == "ARG":
            assert RELEASE in instruction.rest
            continue
        if instruction.word == "FROM":
            name = instruction.rest.partition(" AS ")[2] or "final"
            subprocess.run(["cp", "-a", top / "base", top / name], check=True)
            image = stages[name] = Image(top / name)
            continue
        assert image is not None
        image.carry_out(instruction, stages)
    assert image is not None
    return image


def first_process(container: "subprocess.Popen[bytes]") -> int:
    """The host's number of the container's process 1."""
    children = Path(f"/proc/{container.pid}/task/{container.pid}/children").read_text().split()
    return int(children[0])


def stop(container: "subprocess.Popen[bytes]", number: int = signal.SIGTERM) -> int:
    """As an engine does; the exit code."""
    os.kill(first_process(container), number)
    return container.wait(40)
