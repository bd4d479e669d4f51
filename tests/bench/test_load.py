"""What is handed to the load generator, and what is read from answers."""

from __future__ import annotations

import base64
import json

import pytest
from jose import jwt

from bench.client import Wrong, commit_p99_ms, gauge
from bench.load import Drive, Play, arguments, outcome, render_head
from bench.profiling import by_file, shares
from bench.rounds import key_of
from bench.targets import OWNER, tokens

METRICS = """# HELP storage_backlog_rows Commits that wait
storage_backlog_rows 12.0
storage_bucket_objects{bucket="other"} 1.0
storage_bucket_objects{bucket="bench"} 7.0
storage_commit_seconds_bucket{le="0.005"} 50.0
storage_commit_seconds_bucket{le="0.01"} 99.0
storage_commit_seconds_bucket{le="+Inf"} 100.0
"""


def test_head_of_a_put_declares_its_body_and_ends_with_an_empty_line() -> None:
    head = render_head(Play("PUT", "/a/@@", 4096, ("X: y",)), 80)
    assert head == b"PUT /a/@@ HTTP/1.1\r\nHost: 127.0.0.1:80\r\nX: y\r\nContent-Length: 4096\r\n\r\n"
    assert b"Content-Length" not in render_head(Play("GET", "/a"), 80)


def test_arguments_bound_count_and_time() -> None:
    words = arguments(80, Drive(32, 10.0, most=5, numbered=True))
    assert words == ["-p", "80", "-c", "32", "-d", "10.0", "-n", "5", "-b", "0", "-k"]


def test_outcome_takes_client_and_server_from_the_machine_s_work() -> None:
    found = {
        "ok_rps": 10.0,
        "done": 101,
        "ok": 100,
        "errors": 1,
        "first_error": "HTTP/1.1 503",
        "elapsed_s": 10.0,
        "client_cpu_s": 1.0,
        "per_second": [10, 10],
        "latency": {"p50_us": 1, "p99_us": 2, "max_us": 3},
    }
    assert outcome(found, 4.0, 7.0).other_cpu_seconds == 2.0
    assert outcome(found, 8.0, 7.0).other_cpu_seconds == 0.0


def test_tokens_are_different_ones_of_one_user() -> None:
    made = tokens("s" * 32, 3)
    claims = [jwt.decode(token, "s" * 32, algorithms=["HS256"]) for token in made]
    assert {claim["sub"] for claim in claims} == {OWNER}
    assert len(set(made)) == 3
    assert json.loads(base64.urlsafe_b64decode(made[0].split(".")[0] + "==")) == {"alg": "HS256", "typ": "JWT"}


def test_key_of_a_number_is_what_the_generator_fills_in() -> None:
    assert key_of("p", 4321) == "p/21/00004321"


def test_gauge_is_found_by_name_and_label() -> None:
    assert gauge(METRICS, "storage_backlog_rows") == 12
    assert gauge(METRICS, "storage_bucket_objects", 'bucket="bench"') == 7
    with pytest.raises(Wrong, match="storage_parked"):
        gauge(METRICS, "storage_parked_rows")


def test_p99_of_commits_is_the_bound_of_its_bucket() -> None:
    assert commit_p99_ms(METRICS) == 10.0
    assert commit_p99_ms("storage_backlog_rows 1.0") is None


def test_profile_counts_each_function_once_a_sample_and_threads_apart() -> None:
    stacks = (
        'thread (0x1): "main";run (a.py:1);put (b.py:2) 3\n'
        'thread (0x1): "main";run (a.py:9);run (a.py:1) 1\n'
        'thread (0x2): "committer";commit (c.py:5) 2\n'
    )
    found = shares(stacks)
    assert [(thread, samples) for thread, (samples, _) in found.items()] == [("main", 4), ("committer", 2)]
    assert found["main"][1] == [("put (b.py)", 0.75, 0.75), ("run (a.py)", 0.25, 1.0)]
    assert by_file(found["main"][1]) == [("b.py", 0.75), ("a.py", 0.25)]
