"""The README followed literally: its bash blocks run in order, in one shell, in a fresh copy on a port of its own.

After a block, the lines of the `output` block that follows it are compared with what it printed. `...` stands for
anything; ids, times and digests are compared by their form.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.support.service import REPOSITORY, _processes_of
from tests.support.tools import require_tool

pytestmark = [pytest.mark.ci, pytest.mark.timeout(900)]

START = "./run.sh"
DONE = "-- end of block --"
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv*", ".env", "data", ".hypothesis", "__pycache__", "*.egg-info", "build", ".*_cache", ".coverage*"
)
FORMS = [
    (r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "ID"),
    (r"/\.blobs/[0-9a-f]{2}/", "/.blobs/SHARD/"),
    (r"\b[0-9a-f]{64}\b", "SHA256"),
    (r"\b[0-9a-f]{32}\b", "MD5"),
    (r"[A-Za-z0-9+/]{11}=", "CRC"),
    (r"\b\d{19}\b", "NANOSECONDS"),
    (r"\b\d{13}\b", "MILLISECONDS"),
    (r'("(?:meta_)?sequence"): \d+', r"\1: N"),
]


class Block(NamedTuple):
    line: int
    commands: str
    output: list[str] | None


def blocks() -> list[Block]:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    found: list[Block] = []
    for fence in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        language, body = fence.groups()
        if language == "bash":
            found.append(Block(text[: fence.start()].count("\n") + 1, body, None))
        elif language == "output":
            found[-1] = found[-1]._replace(output=body.splitlines())
    return found


def form_of(text: str) -> str:
    for pattern, word in FORMS:
        text = re.sub(pattern, word, text)
    return text


def fits(shown: str, printed: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in form_of(shown).split("..."))
    return re.fullmatch(pattern, form_of(printed)) is not None


def split(printed: str, shown: list[str]) -> list[str]:
    """The printed lines. JSON answers end without a line feed: where one runs into the next, it is cut."""
    lines = re.sub(r"(?<=\})(?=\{\")", "\n", printed).splitlines()
    return lines if len(lines) == len(shown) else printed.splitlines()


class Shell:
    """One bash, and the service it starts; both end with it."""

    def __init__(self, directory: Path, port: int) -> None:
        self._port = port
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        environment |= {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))}
        self._environment = environment | {"PORT": str(port)}
        self._directory = directory
        self._processes: list[subprocess.Popen[str]] = []
        self._bash = self._popen(["bash"], subprocess.PIPE, subprocess.PIPE)

    def _popen(self, command: list[str], stdin: int, stdout: int) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            command,
            cwd=self._directory,
            env=self._environment,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._processes.append(process)
        return process

    def run(self, block: Block) -> str:
        commands = block.commands.replace("8001", str(self._port))
        if commands.strip() == START:
            return self._start()
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._bash.stdin.write(f"{commands}printf '%s\\n' '{DONE}'\n")
        self._bash.stdin.flush()
        printed = ""
        while not printed.endswith(f"{DONE}\n"):
            line = self._bash.stdout.readline()
            assert line, f"README line {block.line}: the shell ended\n{printed}"
            printed += line
        return printed.removesuffix(f"{DONE}\n").replace(str(self._port), "8001")

    def _start(self) -> str:
        log = self._directory / "run.log"
        with log.open("w") as file:
            service = self._popen([START], subprocess.DEVNULL, file.fileno())
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline:
            assert service.poll() is None, log.read_text()
            try:
                if httpx.get(f"http://localhost:{self._port}/readyz").status_code == httpx.codes.OK:
                    return ""
            except httpx.TransportError:
                time.sleep(0.2)
        raise TimeoutError(log.read_text())

    def close(self) -> None:
        for process in self._processes:
            for left in _processes_of(process.pid):
                os.kill(left.pid, signal.SIGKILL)
            process.communicate()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    for tool in ("curl", "bash"):
        require_tool(tool)
    copy = tmp_path / "copy"
    shutil.copytree(REPOSITORY, copy, ignore=LEFT_OUT, symlinks=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    found = Shell(copy, port)
    yield found
    found.close()


def test_blocks_of_the_readme_do_what_it_shows(shell: Shell) -> None:
    ran = blocks()
    assert len(ran) > 10
    for block in ran:
        printed = shell.run(block)
        if block.output is None:
            continue
        lines = split(printed, block.output)
        wrong = [pair for pair in zip(block.output, lines, strict=False) if not fits(*pair)]
        where = f"README.md line {block.line} printed:\n{printed}"
        assert not wrong, where
        assert len(lines) == len(block.output), where


def test_every_output_follows_a_command() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    languages = re.findall(r"^```(\w+)$", text, re.MULTILINE)
    assert all(before == "bash" for before, after in pairwise(languages) if after == "output")


@pytest.mark.parametrize(
    "page", ["README.md", *(str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "docs").rglob("*.md"))]
)
def test_links_lead_somewhere(page: str) -> None:
    path = REPOSITORY / page
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target
