import json

from prometheus_client.parser import text_string_to_metric_families

from storage_service.app.edge.observe import BOUNDS, Gauge, Metrics, Snapshot, Waits, merge, render

UPLOAD = ("json", "upload")


def counted() -> Metrics:
    metrics = Metrics()
    metrics.count(UPLOAD, 201, 0.003, 100, 10)
    metrics.count(UPLOAD, 404, 99.0, 5, 20)
    metrics.count(("s3", "get"), 206, 0.001, 0, 7)
    metrics.error("no_such_key")
    return metrics


def _values(labels: dict[str, str]) -> tuple[str, ...]:
    """The label values, a bucket's bound last."""
    return tuple(labels[name] for name in sorted(labels, key=lambda name: (name == "le", name)))


def samples(text: bytes) -> dict[tuple[str, tuple[str, ...]], float]:
    families = text_string_to_metric_families(text.decode())
    return {(sample.name, _values(sample.labels)): sample.value for family in families for sample in family.samples}


def test_snapshot_is_json_and_a_copy() -> None:
    metrics = counted()
    snapshot = metrics.snapshot()
    metrics.count(UPLOAD, 201, 0.003, 100, 10)
    assert snapshot == counted().snapshot()
    assert json.loads(json.dumps(snapshot)) == snapshot


def test_merged_workers_add_up_and_keep_their_own_numbers() -> None:
    one, other = counted().snapshot(), counted().snapshot()
    merged = merge([one, other])
    assert one == counted().snapshot()
    assert merged["errors"] == {"no_such_key": 2}
    json_upload = merged["operations"][0]
    assert (json_upload["statuses"], json_upload["bytes_in"]) == ([0, 2, 0, 2, 0], 210)
    nothing = Waits(buckets=[0] * (len(BOUNDS) + 1), seconds=0.0)
    assert merge([]) == Snapshot(operations=[], errors={}, commits=nothing)
    assert merge([merge([one]), other]) == merged


def test_rendered_text_reads_back() -> None:
    text = render(
        merge([counted().snapshot()]),
        [
            Gauge("storage_backlog_rows", "Rows to settle.", 3),
            Gauge("storage_usage_bytes", "Bytes.", 5, {"bucket": 'a"b'}),
            Gauge("storage_usage_bytes", "Bytes.", 6, {"bucket": "c"}),
        ],
    )
    found = samples(text)
    assert found["storage_requests_total", (*UPLOAD, "2xx")] == 1
    assert found["storage_requests_total", (*UPLOAD, "4xx")] == 1
    assert found["storage_received_bytes_total", UPLOAD] == 105
    assert found["storage_sent_bytes_total", ("s3", "get")] == 7
    assert found["storage_errors_total", ("no_such_key",)] == 1
    assert found["storage_request_seconds_bucket", (*UPLOAD, "0.0025")] == 0
    assert found["storage_request_seconds_bucket", (*UPLOAD, "0.005")] == 1
    assert found["storage_request_seconds_bucket", (*UPLOAD, "+Inf")] == 2
    assert found["storage_request_seconds_bucket", ("s3", "get", "0.001")] == 1
    assert found["storage_request_seconds_sum", UPLOAD] == 99.003
    assert found["storage_request_seconds_count", UPLOAD] == 2
    assert found["storage_backlog_rows", ()] == 3
    assert found["storage_usage_bytes", ('a"b',)] == 5


def test_nothing_counted_renders() -> None:
    found = samples(render(Metrics().snapshot()))
    assert {name for name, _ in found} == {f"storage_commit_seconds_{part}" for part in ("bucket", "count", "sum")}
    assert set(found.values()) == {0.0}


def test_bounds_grow() -> None:
    assert list(BOUNDS) == sorted(set(BOUNDS))


def test_commits_of_all_workers_are_one_histogram() -> None:
    one, other = Metrics(), Metrics()
    one.commit_waited(0.004)
    other.commit_waited(0.004)
    other.commit_waited(99.0)
    lines = render(merge([one.snapshot(), other.snapshot()])).decode().splitlines()
    assert 'storage_commit_seconds_bucket{le="0.0025"} 0.0' in lines
    assert 'storage_commit_seconds_bucket{le="0.005"} 2.0' in lines
    assert 'storage_commit_seconds_bucket{le="+Inf"} 3.0' in lines
    assert "storage_commit_seconds_count 3.0" in lines
