"""F1: every operation of the description is asked what it promises to take, and what it does not.

No fault of ours, no status, type or shape of an answer that the description does not name, and nobody waits long.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup

from tests.support.service import SERVICE_KEY, Service

SLOW_SECONDS = 20.0  # a fault is a hang, not a busy machine
EXAMPLES_OF_CI, EXAMPLES = 40, 400
BUCKET, KEY = "photos", "2024/cat"
# Wherever one of these stands, most requests name what is there: a 404 tells little.
THERE = {"bucket": BUCKET, "bucket_id": BUCKET, "bucket_name": BUCKET, "key": KEY, "object_name": KEY}
PROMISES = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
STREAMS = frozenset({"/events", "/api/v1/requests/live"})  # they go on for as long as somebody listens
CREDENTIALS = {"authorization": f"Bearer {SERVICE_KEY}"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    place = tmp_path_factory.mktemp("described")
    with Service(place / "data", place, environment={"DURABILITY": "scratch", "TRASH_DAYS": "0"}) as running:
        yield running


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, headers=CREDENTIALS, timeout=SLOW_SECONDS) as client:
        yield client


def prepare(client: httpx.Client) -> None:
    """The bucket and the file that most requests name."""
    client.post("/buckets", json={"name": BUCKET, "is_public": True})
    client.put(f"/buckets/{BUCKET}", json={"file_size_limit": None, "allowed_mime_types": [], "quota_bytes": None})
    client.put(f"/files/upload-direct/{BUCKET}/{KEY}", content=b"cat" * 100)


def name_what_is_there(value: Any) -> None:
    """Replace the names in a request's parameters or body."""
    if isinstance(value, list):
        for inner in value:
            name_what_is_there(inner)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name in THERE and isinstance(inner, str):
                value[name] = THERE[name]
            else:
                name_what_is_there(inner)


def cases_of(operation: Any) -> st.SearchStrategy[Any]:
    """Requests as described; where anything can be said wrong, such too."""
    said = operation.path_parameters or operation.query or operation.headers or operation.body
    modes = [GenerationMode.POSITIVE, *([GenerationMode.NEGATIVE] if said else [])]
    return st.one_of([operation.as_strategy(generation_mode=mode) for mode in modes])


def try_out(operation: Any, client: httpx.Client, examples: int) -> None:
    """Raises: the checks' failures, with the request that shows them."""
    load_all_checks()
    # OpenAPI 3.1 knows a stream as text; schemathesis takes the schema for one of its events.
    left_out = {"response_schema_conformance"} if operation.path in STREAMS else set()
    server_error = CHECKS.get_one("not_a_server_error")
    promises = [CHECKS.get_one(name) for name in PROMISES if name not in left_out]
    destroys = operation.method.upper() == "DELETE" or operation.path in {"/files/move", "/files/delete"}

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases_of(operation), odds=st.integers(0, 3))
    def ask(case: Any, odds: int) -> None:
        if destroys:
            prepare(client)
        if odds:
            name_what_is_there(case.path_parameters)
            name_what_is_there(case.body)
        if operation.path in STREAMS:
            case.query = {**(case.query or {}), "follow": "false"}
        answer = case.call(headers=CREDENTIALS, timeout=SLOW_SECONDS)
        full = answer.status_code == httpx.codes.INSUFFICIENT_STORAGE  # a size was announced that no disk has: no fault
        case.validate_response(answer, checks=[one for one in promises if not full or one is not server_error])

    prepare(client)
    ask()


@pytest.mark.parametrize(
    "examples",
    [
        pytest.param(EXAMPLES_OF_CI, marks=pytest.mark.timeout(600)),
        pytest.param(EXAMPLES, marks=[pytest.mark.full, pytest.mark.timeout(3600)]),
    ],
)
def test_every_operation_keeps_what_the_description_promises(
    service: Service, client: httpx.Client, examples: int
) -> None:
    schema = schemathesis.openapi.from_url(f"{service.url}/openapi.json")
    operations: list[Any] = [found.ok() for found in schema.get_all_operations()]  # type: ignore[union-attr]
    assert len(operations) > 40
    broken = {}
    for operation in operations:
        try:
            try_out(operation, client, examples)
        except (Exception, FailureGroup) as fault:
            broken[operation.label] = f"{type(fault).__name__}: {fault}"[:2_000]
    assert not broken, "\n\n".join(f"{label}: {fault}" for label, fault in broken.items())
    assert len(service.pids("worker")) == 1
    assert "Traceback" not in Path(service.log).read_text(errors="replace")
