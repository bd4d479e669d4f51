"""Ready is said by one worker; the others may still be opening their doors."""

from pathlib import Path

import httpx

from tests.support.service import Service

SABOTAGE = Path(__file__).parents[1] / "power" / "sabotage"


def test_once_ready_no_request_is_refused_by_a_worker_that_is_still_opening(tmp_path: Path) -> None:
    late = {"SABOTAGE": "late-doors", "SABOTAGE_SECONDS": "2.0"}
    with Service(tmp_path / "data", tmp_path, 4, late, [SABOTAGE]) as service:
        # A connection each: the kernel gives them to any worker.
        statuses = [httpx.get(f"{service.url}/buckets", headers=bearer(service)).status_code for _ in range(60)]
    assert statuses == [200] * 60


def bearer(service: Service) -> dict[str, str]:
    return {"authorization": f"Bearer {service.token()}"}
