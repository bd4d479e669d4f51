"""The console's modules before they run: their types as their comments say, and what they import of each other."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from storage_service.app.console.assets import STATIC
from tests.support.tools import require_tool

HERE = Path(__file__).parent / "types"
MODULES = sorted(STATIC.glob("*.js"))
IMPORT = re.compile(r"""(?:from|import\() ?"(\./[^"]+)\"""")


def test_modules_hold_to_their_types() -> None:
    done = subprocess.run(
        [require_tool("tsc"), "--project", str(HERE)], capture_output=True, text=True, check=False, timeout=300
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_every_module_asks_to_be_checked() -> None:
    assert [path.name for path in MODULES if not path.read_text().startswith("// @ts-check\n")] == []


def test_vendored_modules_have_types_of_their_own() -> None:
    """Else the checker would guess them from code that was made small."""
    vendored = {name for path in MODULES for name in IMPORT.findall(path.read_text()) if "/vendor/" in name}
    assert vendored
    assert {name for name in vendored if not (HERE / name).with_suffix(".d.ts").exists()} == set()


def test_page_asks_first_for_what_the_console_begins_with() -> None:
    """All modules that are there from the start, and no other: a browser finds the others when they are needed."""
    known: set[str] = set()
    ahead = ["./app.js"]
    while ahead:
        name = ahead.pop()
        known.add(name)
        text = (STATIC / name).read_text()
        ahead += [
            found for found in re.findall(r'from "(\./[^"]+)"', text) if "vendor" not in found and found not in known
        ]
    told = set(re.findall(r'modulepreload" href="\{\{base\}\}/([^"]+)"', (STATIC / "index.html").read_text()))
    assert told == {name.removeprefix("./") for name in known} - {"app.js"} | {"vendor/preact.js"}
