"""Fetch the assets of the /docs page, or check that they are what the lock file says.

    python tools/vendor_docs.py             the locked version again, byte for byte
    python tools/vendor_docs.py --latest    the newest one; writes the lock file
    python tools/vendor_docs.py --check     no network; status 1 if a file differs

Needs the npm client, with whatever registry it is set to.
"""

import argparse
import gzip
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from vendored import differences, digests, report

PACKAGE = "swagger-ui-dist"
LICENCES = {"Apache-2.0", "MIT"}  # what may be shipped with this project
STATIC = Path(__file__).parents[1] / "storage_service" / "app" / "apis" / "static"
LOCK = STATIC / "vendor.lock.json"
# In the package -> here. Packed where that halves it at least; the licence asks for its own texts.
FILES = {
    "swagger-ui-bundle.js": "swagger-ui-bundle.js.gz",
    "swagger-ui.css": "swagger-ui.css.gz",
    "favicon-32x32.png": "favicon-32x32.png",
    "LICENSE": "swagger-ui.LICENSE.txt",
    "NOTICE": "swagger-ui.NOTICE.txt",
    "swagger-ui-bundle.js.LICENSE.txt": "swagger-ui-bundle.LICENSE.txt",
}
PLACES = {name: STATIC / name for name in FILES.values()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="compare only")
    parser.add_argument("--latest", action="store_true", help="take the newest version")
    given = parser.parse_args()
    lock: dict[str, Any] = json.loads(LOCK.read_text()) if LOCK.exists() else {}
    if given.check:
        return report(differences(lock, PLACES))
    version = "latest" if given.latest or not lock else str(lock["version"])
    found = fetch(version)
    if version != "latest" and found != lock:
        return report(["the package is not the one that was locked"])
    LOCK.write_text(json.dumps(found, indent=2) + "\n")
    return 0


def fetch(version: str) -> dict[str, Any]:
    """Write the files of this version; what the lock file is to say of them."""
    with tempfile.TemporaryDirectory() as scratch:
        command = ["npm", "pack", "--json", "--pack-destination", scratch, f"{PACKAGE}@{version}"]
        packed = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)[0]  # noqa: S603
        with tarfile.open(Path(scratch) / packed["filename"]) as archive:
            manifest = json.loads(member(archive, "package.json"))
            if manifest["license"] not in LICENCES:
                raise SystemExit(f"{PACKAGE} is under {manifest['license']}")
            for name, target in FILES.items():
                (STATIC / target).write_bytes(pack(target, member(archive, name)))
    return {
        "name": PACKAGE,
        "version": manifest["version"],
        "licence": manifest["license"],
        "integrity": packed["integrity"],
        "sha256": digests(PLACES),
    }


def member(archive: tarfile.TarFile, name: str) -> bytes:
    found = archive.extractfile(f"package/{name}")
    if found is None:
        raise SystemExit(f"{PACKAGE} has no {name}")
    return found.read()


def pack(target: str, data: bytes) -> bytes:
    # Without a time the same version gives the same bytes.
    return gzip.compress(data, 9, mtime=0) if target.endswith(".gz") else data


if __name__ == "__main__":
    sys.exit(main())
