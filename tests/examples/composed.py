"""The stacks of the examples' compose files, without docker: their environment and commands on ports of our own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

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

    def command(self, service: str) -> list[str]:
        """Entry point and command, where they are lists of words."""
        found = self.record["services"][service]
        return [*found.get("entrypoint", []), *found.get("command", [])]
