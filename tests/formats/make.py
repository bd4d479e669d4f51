"""Makes the fixture of this release: `python -m tests.formats.make`. Once, before it is released; never again.

Two files: the directory as a killed service leaves it, and what it answered while it ran.
"""

import json
import subprocess
import tempfile
from pathlib import Path

from storage_service import __version__
from tests.formats.questions import ask, fill, leave_unsettled, store_at

PLACE = Path(__file__).parent
LEFT_OUT = ("ballast", "run")  # made anew by every start


def main() -> None:
    target = PLACE / f"{__version__}.tar.gz"
    if target.exists():
        raise SystemExit(f"{target} is there: a released format does not change")
    with tempfile.TemporaryDirectory() as place:
        data = Path(place) / "data"
        with store_at(data, Path(place)) as service:
            known = fill(service)
            leave_unsettled(service)
            answers = ask(service, known)
            service.kill_all()
        pack(Path(place), target)
    text = json.dumps({"known": known, "answers": answers}, indent=1, ensure_ascii=False, sort_keys=True)
    target.with_name(f"{__version__}.json").write_text(text + "\n", encoding="utf-8")


def pack(place: Path, target: Path) -> None:
    """By tar itself: it keeps links between blobs and view, and times to the nanosecond."""
    left_out = [f"--exclude=data/.storage/{name}" for name in LEFT_OUT]
    options = ["--format=posix", "--owner=0", "--group=0", "--sort=name", *left_out]
    subprocess.run(["tar", "-C", place, *options, "-czf", target, "data"], check=True)


if __name__ == "__main__":
    main()
