"""How a worker belongs to a service: it joins the group, and without a supervisor it sees to the jobs process."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from storage_service.app.backends.volume import try_lock
from storage_service.app.group import GROUP_VARIABLE, group_id, join
from storage_service.app.keeping import Plan

JOBS = "storage_service.app.process.jobs"
WATCH_SECONDS = 2.0
JOBS_SECONDS = 5.0


class Member:
    """One worker's membership. With a supervisor the jobs process is its business, not ours."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._layout = layout = plan.layout
        self._supervised = GROUP_VARIABLE in os.environ
        self._group = group_id()
        self._membership = join(layout, self._group)
        self._jobs: subprocess.Popen[bytes] | None = None
        if not self._supervised and self._membership.first:
            self._start_jobs()

    def _start_jobs(self) -> None:
        found = [str(Path(__file__).resolve().parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {
            **os.environ,
            **self._plan.as_variable(),
            GROUP_VARIABLE: self._group,
            "PYTHONPATH": os.pathsep.join(found),  # the package, however this process came to it
        }
        self._jobs = subprocess.Popen([sys.executable, "-m", JOBS], env=environment)  # noqa: S603 (ourselves)

    async def watch(self) -> None:
        """Without a supervisor: start the jobs process again where there is none, until cancelled."""
        while not self._supervised:
            await asyncio.sleep(WATCH_SECONDS)
            if self._jobs is not None and self._jobs.poll() is None:
                continue
            lock = try_lock(self._layout.jobs_lock)
            if lock is not None:
                os.close(lock)
                self._start_jobs()

    async def close(self) -> None:
        """The jobs process that we started ends with us; another worker starts its own."""
        if self._jobs is not None and self._jobs.poll() is None:
            self._jobs.terminate()
            await asyncio.to_thread(self._wait)
        os.close(self._membership.descriptor)

    def _wait(self) -> None:
        if self._jobs is None:
            return
        try:
            self._jobs.wait(JOBS_SECONDS)
        except subprocess.TimeoutExpired:
            self._jobs.kill()
            self._jobs.wait()
