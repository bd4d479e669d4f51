"""The stacks of the examples' compose files, without docker: their environment and commands on ports of our own."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.support.ready import wait_until_ready
from tests.support.service import REPOSITORY

EXAMPLES = REPOSITORY / "examples"


class Composed:
    """One example's file with its variables filled in, and other addresses in place of its own."""

    def __init__(self, example: str, variables: Mapping[str, str], addresses: Mapping[str, str]) -> None:
        self.folder: Path = EXAMPLES / example
        text = (self.folder / "compose.yaml").read_text(encoding="utf-8")
        text = re.sub(r"\$\{(\w+)\}", lambda found: variables[found[1]], text)
        for shown, real in addresses.items():
            assert shown in text, f"{example} does not speak of {shown}"
            text = text.replace(shown, real)
        self.record: dict[str, Any] = YAML(typ="safe", pure=True).load(text)

    def environment(self, service: str) -> dict[str, str]:
        return {name: str(value) for name, value in self.record["services"][service]["environment"].items()}

    def command(self, port: int) -> list[str]:
        """What starts the app, here and on this port. Packages are those of the tests: nothing is installed."""
        found = self.record["services"]["app"]
        ours = {"python": sys.executable, "0.0.0.0": "127.0.0.1", "8000": str(port)}
        words = [ours.get(word, word) for word in [*found.get("entrypoint", []), *found.get("command", [])]]
        return [_adapted(word, port) for word in words]


def _adapted(script: str, port: int) -> str:
    kept = [line for line in script.replace("$$", "$").splitlines() if not line.startswith("pip install")]
    return "\n".join(kept).replace("--host 0.0.0.0 --port 8000", f"--host 127.0.0.1 --port {port}")


@contextmanager
def running(words: Sequence[str], folder: Path, environment: Mapping[str, str], url: str) -> Iterator[None]:
    """The app, from answering at this address until the end. What it says is part of the failure."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    known = {**environment, "PATH": programs, "PYTHONDONTWRITEBYTECODE": "1"}
    app = subprocess.Popen(
        words, cwd=folder, env=known, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        wait_until_ready(url, path="")
        yield
    except TimeoutError:
        app.kill()
        raise AssertionError(app.communicate()[0].decode(errors="replace")[-4000:]) from None
    finally:
        app.terminate()
        app.communicate(timeout=60)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
