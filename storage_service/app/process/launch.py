"""`storage serve`: checks the settings, takes the directory, opens the port, and becomes the supervisor.

The settings library is left behind with this program's memory: the supervisor is a fresh, small one.
"""

import json
import os
import socket
import sys

from storage_service.app.backends.shared import ELSEWHERE_VARIABLE
from storage_service.app.backends.volume import (
    DiskIsReadOnly,
    Layout,
    VolumeRefused,
    layout_of,
    open_volume,
)
from storage_service.app.core.config import BadSettings, Settings, WeakSecret, check_secret, load
from storage_service.app.group import GROUP_VARIABLE, join
from storage_service.app.process.agreement import LAUNCH_VARIABLE, REFUSED
from storage_service.app.process.elsewhere import copy_catalog
from storage_service.app.process.greeting import render
from storage_service.app.process.tls import BadCertificate, make_context
from storage_service.app.wiring import plan_of

BACKLOG = 2048  # connections that wait to be accepted
GROUP_UMASK = 0o027  # with STORAGE_GID: what the service makes is its group's to read, whatever its user's habit


class PortTaken(Exception):
    """Somebody listens there already."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket that children inherit.

    Raises:
        PortTaken: with the one line to show.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
    except OSError as error:
        found.close()
        raise PortTaken(
            f"Cannot listen on {host}:{port}: {error.strerror}. Is another service there? Set PORT or ALSO_LISTEN"
        ) from None
    found.listen(BACKLOG)
    found.set_inheritable(True)
    return found


def _take(settings: Settings) -> Layout:
    """The directory, checked; with a place elsewhere if it can only be read.

    Raises:
        VolumeRefused
    """
    try:
        open_volume(settings.storage_path, settings.storage_id)
    except DiskIsReadOnly:
        os.environ[ELSEWHERE_VARIABLE] = str(copy_catalog(Layout(settings.storage_path)))
    return layout_of(settings.storage_path)


def main() -> int:
    """Does not return but to refuse: one line on stderr, and the exit code."""
    try:
        settings = load()
        warnings = [check_secret(settings, host) for host, _ in settings.addresses]
        if settings.tls_pair is not None:
            make_context(*settings.tls_pair)
        layout = _take(settings)
        os.environ[GROUP_VARIABLE] = f"serve-{os.getpid()}"
        membership = join(layout, os.environ[GROUP_VARIABLE])
        listeners = [listen(*address) for address in settings.addresses]
    except (BadSettings, WeakSecret, VolumeRefused, PortTaken, BadCertificate) as error:
        print(f"storage: {'; '.join(str(error).splitlines())}", file=sys.stderr)
        return REFUSED
    if settings.storage_gid is not None:
        os.umask(GROUP_UMASK)
    os.environ.update(plan_of(settings).as_variable())
    os.set_inheritable(membership.descriptor, True)
    os.environ[LAUNCH_VARIABLE] = json.dumps(
        {
            "workers": settings.workers,
            "listeners": [listener.fileno() for listener in listeners],
            "lock": membership.descriptor,
            "shared": str(layout.shared),
            "greeting": render(settings, warnings[0]),
        }
    )
    os.execv(sys.executable, [sys.executable, "-m", "storage_service.app.process.supervisor"])  # noqa: S606 (ourselves)


if __name__ == "__main__":
    sys.exit(main())
