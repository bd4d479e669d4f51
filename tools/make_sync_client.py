"""Derives `storage_service/client/_sync` from `_async`: `python tools/make_sync_client.py` writes, `--check` compares.

The two `io.py` and `__init__.py` are written by hand; everything else of `_sync` is `_async` without its words for
waiting. tests/client compares, so that neither is edited alone.
"""

import re
import subprocess
import sys
from pathlib import Path

CLIENT = Path(__file__).parents[1] / "storage_service" / "client"
BY_HAND = frozenset({"__init__.py", "io.py"})
# In this order: longer words before those they hold.
WORDS = (
    (r"\basync (?=def|with|for)", ""),
    (r"\bawait ", ""),
    (r"\bAsync(?=[A-Z])", ""),
    (r"\b_async\b", "_sync"),
    (r"\b__aenter__\b", "__enter__"),
    (r"\b__aexit__\b", "__exit__"),
    (r"\baiter_raw\b", "iter_raw"),
    (r"\baread\b", "read"),
    (r"\baclose\b", "close"),
)


def derived(text: str) -> str:
    """The source without await, formatted."""
    for pattern, word in WORDS:
        text = re.sub(pattern, word, text)
    for command in (["check", "--select", "I", "--fix-only", "--quiet"], ["format", "--quiet"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(CLIENT / "_sync" / "derived.py"), "-"]
        text = subprocess.run(ruff, input=text, capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own
    return text


def all_derived() -> dict[Path, str]:
    sources = sorted(path for path in (CLIENT / "_async").glob("*.py") if path.name not in BY_HAND)
    return {CLIENT / "_sync" / path.name: derived(path.read_text(encoding="utf-8")) for path in sources}


def main() -> int:
    stale = [(path, text) for path, text in all_derived().items() if not path.exists() or path.read_text() != text]
    for path, text in stale:
        print(path.relative_to(CLIENT))
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
