"""What is amiss with a service, and what helps: keys, the store's place, the way to it. What `storage doctor` prints.

It looks and changes nothing. A healthy service has no faults.
"""

from storage_service.app.core.config import BadSettings, load
from storage_service.app.process.doctor import keys, place, public, service
from storage_service.app.process.doctor.fault import Fault


def examine(timeout_seconds: float) -> list[Fault]:
    """Every fault that was found, in the order in which to see to them. `timeout_seconds` for each request."""
    try:
        settings = load()
    except BadSettings as error:
        fix = "correct it in the environment or in .env; README.md lists all settings"
        return [Fault("settings", line, fix) for line in str(error).splitlines()]
    found = [*keys.faults(settings), *place.faults(settings)]
    down = list(service.faults(settings, timeout_seconds))
    return found + (down or list(public.faults(settings, timeout_seconds)))
