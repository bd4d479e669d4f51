"""Faults of the running service, asked on its own machine."""

from collections.abc import Iterator

from storage_service.app.core.config import Settings
from storage_service.app.process.doctor.fault import Fault
from storage_service.app.process.probe import health


def faults(settings: Settings, timeout_seconds: float) -> Iterator[Fault]:
    """Nothing where it is well; else why not."""
    found = health(timeout_seconds)
    where = found["url"]
    if found["status"] == "down":
        yield Fault("service_down", found["problems"][0], "start it: storage serve; its log says why it ended")
    elif found["status"] not in {"healthy", "degraded"}:
        detail = f"what answers at {where} is another program"
        yield Fault("port_foreign", detail, "set PORT to a free one, or stop that program")
    elif not found["ready"] or found["problems"]:
        problems = "; ".join(found["problems"]) or "it is not ready"
        yield Fault("service_degraded", f"{where} says: {problems}", "see docs/durability.md, and `storage check`")
