"""Programs and rights a test needs from the machine: there, or skipped with the reason.

With CI=true a missing one fails the test: a proof that did not run is not a proof.
"""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

# As in scripts/install-test-tools.sh.
PACKAGES = {
    "mkfs.xfs": "xfsprogs",
    "xfs_io": "xfsprogs",
    "mkfs.ext4": "e2fsprogs",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "flock": "util-linux",
    "mount": "mount",
    "umount": "mount",
    "losetup": "mount",
    "gcc": "gcc",
    "nginx": "nginx-light",
    "curl": "curl",
    "openssl": "openssl",
    "setpriv": "util-linux",
    "debootstrap": "debootstrap",
    "chromium": "chromium",
    "tsc": "node-typescript",
    "chroot": "coreutils",
    "shellcheck": "shellcheck",
    "systemd-analyze": "systemd",
    "pg_ctl": "postgresql",
    "initdb": "postgresql",
    "mc": "none: go install github.com/minio/mc",
    "versitygw": "none: go install github.com/versity/versitygw/cmd/versitygw",
}


def require_tool(name: str) -> str:
    """The program's path."""
    # Plain users often lack the sbin folders, where mkfs and nginx live.
    # Debian keeps PostgreSQL's beside those of its other versions: the newest.
    postgres = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    search = os.pathsep.join(
        [os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin", *postgres, str(Path.home() / "go/bin")]
    )
    path = shutil.which(name, path=search)
    if path is None:
        package = PACKAGES.get(name, name)
        missing(f"{name} is not installed (package {package}; scripts/install-test-tools.sh)")
    return path


def require_root() -> None:
    """Go on only as root: loop mounts, small file systems and other users need it."""
    if os.geteuid() != 0:
        missing("needs root")


def missing(reason: str) -> NoReturn:
    """Skip, or in CI fail, for this reason."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}: in CI this may not be skipped", pytrace=False)
    pytest.skip(reason)
