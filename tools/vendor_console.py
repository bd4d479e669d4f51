"""Fetch the libraries of the console, each bundled into one module, or check that they are what the lock file says.

    python tools/vendor_console.py            the locked versions again
    python tools/vendor_console.py --latest   the newest ones; writes the lock file
    python tools/vendor_console.py --check    no network; status 1 if a file differs

Needs the npm client, with whatever registry it is set to. Only here: neither service nor package needs npm.
"""

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from vendored import differences, digests, report

LICENCES = {"Apache-2.0", "MIT", "MPL-2.0"}  # what may be shipped with this project
SHIPPED = Path(__file__).parents[1] / "storage_service" / "app" / "console" / "static" / "vendor"
TESTED = Path(__file__).parents[1] / "tests" / "console" / "vendor"
LOCK = SHIPPED / "vendor.lock.json"
BUNDLER = "esbuild"
PACKAGES = ("preact", "htm", "@preact/signals", "@preact/signals-core", "tus-js-client", "marked", "uqr", "axe-core")
# Module -> what it exports, and of which packages.
MODULES = {
    "preact.js": (
        ("preact", "htm", "@preact/signals", "@preact/signals-core"),
        'import { h, Fragment, render } from "preact"; import htm from "htm";\n'
        "export { h, Fragment, render }; export { useState, useEffect, useLayoutEffect, useRef, useMemo, useCallback }"
        ' from "preact/hooks";\n'
        'export { signal, computed, effect, batch, useSignal, useComputed } from "@preact/signals";\n'
        "export const html = htm.bind(h);\n",
    ),
    "tus.js": (("tus-js-client",), 'export { Upload } from "tus-js-client";\n'),
    "marked.js": (("marked",), 'export { Lexer } from "marked";\n'),
    "qr.js": (("uqr",), 'export { encode } from "uqr";\n'),
}
AXE = "axe.min.js.gz"  # for tests only: it is not shipped


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="compare only")
    parser.add_argument("--latest", action="store_true", help="take the newest versions")
    given = parser.parse_args()
    lock: dict[str, Any] = json.loads(LOCK.read_text()) if LOCK.exists() else {}
    if given.check:
        return report(differences(lock, files()))
    versions = {} if given.latest or not lock else {name: one["version"] for name, one in lock["packages"].items()}
    found = fetch(versions)
    if versions and found != lock:
        return report(["a package or bundle is not the one that was locked"])
    LOCK.write_text(json.dumps(found, indent=2) + "\n")
    return 0


def fetch(versions: dict[str, str]) -> dict[str, Any]:
    """Write the modules of these versions; what the lock file is to say of them."""
    SHIPPED.mkdir(parents=True, exist_ok=True)
    TESTED.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        wanted = [f"{name}@{versions.get(name, 'latest')}" for name in (*PACKAGES, BUNDLER)]
        (root / "package.json").write_text('{"private": true}')
        command = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", *wanted]
        subprocess.run(command, check=True, cwd=root, stdout=sys.stderr)  # noqa: S603
        for name, (_, source) in MODULES.items():
            bundle(root, name, source)
        axe = (root / "node_modules" / "axe-core" / "axe.min.js").read_bytes()
        (TESTED / AXE).write_bytes(gzip.compress(axe, 9, mtime=0))
        packages = {name: described(root, name) for name in (*PACKAGES, BUNDLER)}
        (SHIPPED / "LICENCES.txt").write_text("\n".join(licence(root, name) for name in PACKAGES if name != "axe-core"))
    return {"packages": packages, "sha256": digests(files())}


def bundle(root: Path, name: str, source: str) -> None:
    (root / "entry.js").write_text(source)
    flags = ["--bundle", "--minify", "--format=esm", "--target=es2022", "--legal-comments=none"]
    tool = root / "node_modules" / ".bin" / BUNDLER
    command = [
        str(tool),
        "entry.js",
        *flags,
        '--define:process.env.NODE_ENV="production"',
        f"--outfile={SHIPPED / name}",
    ]
    subprocess.run([*command, "--log-level=warning"], check=True, cwd=root)  # noqa: S603


def described(root: Path, name: str) -> dict[str, str]:
    manifest = json.loads((root / "node_modules" / name / "package.json").read_text())
    if manifest["license"] not in LICENCES:
        raise SystemExit(f"{name} is under {manifest['license']}")
    installed = json.loads((root / "package-lock.json").read_text())["packages"][f"node_modules/{name}"]
    return {"version": manifest["version"], "licence": manifest["license"], "integrity": installed["integrity"]}


def licence(root: Path, name: str) -> str:
    text = next(
        path for path in sorted((root / "node_modules" / name).iterdir()) if path.name.upper().startswith("LICEN")
    )
    return f"==== {name} ====\n\n{text.read_text()}"


def files() -> dict[str, Path]:
    return {**{name: SHIPPED / name for name in MODULES}, AXE: TESTED / AXE}


if __name__ == "__main__":
    sys.exit(main())
