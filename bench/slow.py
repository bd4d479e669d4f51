"""Memory per slow upload: many clients that declare a large body and send it drop by drop."""

import json
import subprocess
import sys
import time

from bench.client import Wrong
from bench.processes import Server
from bench.rounds import Bench
from bench.targets import REPOSITORY, Place, tokens

END_SECONDS = 30
SAMPLE_SECONDS = 1.0


def slow_uploads(bench: Bench, round_number: int) -> None:
    """Growth of PSS of all processes over idle, at its highest, per upload."""
    with bench.fresh("ours", 1) as (server, place):
        idle_kib = server.pss_kib()
        with _clients(bench.plan.uploads, server, place) as clients:
            highest = _begin(clients, server)
            until = time.perf_counter() + bench.plan.upload_seconds
            while time.perf_counter() < until:
                highest = max(highest, server.pss_kib())
                time.sleep(SAMPLE_SECONDS)
            said, _ = clients.communicate(timeout=END_SECONDS)
        found = json.loads(said)
        if found["broken"]:
            raise Wrong(f"slow uploads were broken off: {found}")
        bench.add(
            "slow_uploads",
            round_number,
            server,
            uploads=found["begun"],
            sent_bytes=found["sent_bytes"],
            idle_pss_kib=idle_kib,
            highest_pss_kib=highest,
            per_upload_kib=round((highest - idle_kib) / found["begun"], 1),
        )


def _clients(count: int, server: Server, place: Place) -> subprocess.Popen[str]:
    token = tokens(place.secret_key, 1)[0]
    words = [sys.executable, "-m", "bench.slow_client", str(server.port), str(count), token]
    return subprocess.Popen(  # noqa: S603 - ourselves
        words, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _begin(clients: subprocess.Popen[str], server: Server) -> int:
    """Wait until all uploads have begun; the PSS then."""
    if clients.stdout is None or clients.stdout.readline().strip() != "begun":
        raise Wrong("the slow clients did not begin")
    return server.pss_kib()
