"""Keeps the demo's code in `demo_assets/`, and takes it out of the app and back in.

python oppdemo.py save       services/ to demo_assets/services/
python oppdemo.py restore    and back
python oppdemo.py destroy    remove services/: only when all of it is saved
python oppdemo.py diff       what differs; exit code 1 if anything does
"""

import filecmp
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ASSETS = "demo_assets"
SAVED = ("services",)
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc")


def save(root: Path = HERE) -> list[str]:
    """Copy the demo's code into the assets, which then hold just that."""
    for name in SAVED:
        if not (root / name).is_dir():
            raise SystemExit(f"{name}/ is not there: nothing is saved")
    return [_replace(root / name, root / ASSETS / name) for name in SAVED]


def restore(root: Path = HERE) -> list[str]:
    """Copy it back, and make the directories for uploads."""
    for name in SAVED:
        if not (root / ASSETS / name).is_dir():
            raise SystemExit(f"{ASSETS}/{name}/ is not there: save first")
    restored = [_replace(root / ASSETS / name, root / name) for name in SAVED]
    ensure_upload_dirs()
    return restored


def destroy(root: Path = HERE) -> list[str]:
    """Remove the demo's code from the app. What is not saved stays."""
    if unsaved := diff(root):
        raise SystemExit("\n".join(["not saved, so nothing is removed:", *unsaved]))
    for name in SAVED:
        shutil.rmtree(root / name)
    return [f"removed {name}/" for name in SAVED]


def diff(root: Path = HERE) -> list[str]:
    """A line for each file that is missing on a side, or different."""
    lines = []
    for name in SAVED:
        here, there = _files(root / name), _files(root / ASSETS / name)
        lines += [f"only in {name}/: {path}" for path in sorted(here - there)]
        lines += [f"only in {ASSETS}/{name}/: {path}" for path in sorted(there - here)]
        both = sorted(here & there)
        _, changed, unread = filecmp.cmpfiles(root / name, root / ASSETS / name, both, shallow=False)
        lines += [f"differs: {name}/{path}" for path in sorted([*changed, *unread])]
    return lines


def ensure_upload_dirs() -> None:
    """The directories of uploads, wherever the storage is."""
    from services.storage import get_storage  # noqa: PLC0415 - `destroy` takes it away, `restore` brings it

    get_storage().ensure_directories("photos", "sample_photos")


def _replace(source: Path, target: Path) -> str:
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(source, target, ignore=LEFT_OUT)
    return f"{source.parent.name}/{source.name}/ to {target.parent.name}/{target.name}/"


def _files(directory: Path) -> set[str]:
    found = (path for path in directory.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(directory).as_posix() for path in found}


COMMANDS = {"save": save, "restore": restore, "destroy": destroy, "diff": diff}


def main() -> int:
    command = COMMANDS.get(sys.argv[1]) if len(sys.argv) == 2 else None  # noqa: PLR2004 - the program and one word
    if command is None:
        print(__doc__)
        return 2
    lines = command()
    print("\n".join(lines) or "no differences")
    return int(command is diff and bool(lines))


if __name__ == "__main__":
    sys.exit(main())
