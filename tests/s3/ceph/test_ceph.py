"""ceph/s3-tests against the running service: each core test does what `expected.txt` says of it.

Its checkout is not ours and not here: S3TESTS_DIR names one, S3TESTS_PYTHON an interpreter with its requirements.
"""

import os
import subprocess
from pathlib import Path

import pytest
from defusedxml.ElementTree import parse

from tests.support.service import Service
from tests.support.tools import missing

EXPECTED = Path(__file__).parent / "expected.txt"
ACCOUNTS = {name: (f"{name}-key", f"secret-of-{name}") for name in ("main", "alt", "tenant")}
TIMEOUT_SECONDS = 2400
HEADERS = "bad-headers"  # the group whose tests have a file of their own
AWS_CONFIG = "[default]\ns3 =\n    signature_version = s3v4\n    addressing_style = path\n"


def lines() -> list[str]:
    return [line for line in EXPECTED.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]


def listed() -> list[tuple[str, str]]:
    """Group and name of each test."""
    words = [line.partition("#")[0].split() for line in lines()]
    return [(group, name) for group, name in words]


def expected() -> dict[str, str]:
    """Test -> why it cannot pass, empty if it must."""
    reasons = [line.partition("#")[2].strip() for line in lines()]
    return {name: reason for (_, name), reason in zip(listed(), reasons, strict=True)}


def test_every_miss_has_its_reason_and_most_pass() -> None:
    assert len(expected()) == len(lines())
    outside = [line for line in lines() if not line.startswith("sse-")]
    passing = [line for line in outside if "#" not in line]
    assert (len(passing), len(outside)) >= (392, 489)
    assert all(len(reason) > 20 for reason in expected().values() if reason)


@pytest.mark.full
@pytest.mark.timeout(TIMEOUT_SECONDS + 60)
def test_the_suite_does_what_the_list_says(tmp_path: Path) -> None:
    if "S3TESTS_DIR" not in os.environ:
        missing("S3TESTS_DIR names no checkout of ceph/s3-tests")
    checkout, python = Path(os.environ["S3TESTS_DIR"]), os.environ.get("S3TESTS_PYTHON", "python3")
    keys = ",".join(f"{key}:{secret}:{name}:rw" for name, (key, secret) in ACCOUNTS.items())
    with Service(tmp_path / "data", tmp_path / "logs", environment={"STORAGE_KEYS": keys}) as service:
        results = run_suite(service, checkout, python, tmp_path)
    wanted = expected()
    surprises = {
        name: f"{'passed' if passed else 'failed'}, expected: {wanted[name] or 'pass'}"
        for name, passed in results.items()
        if name in wanted and passed == bool(wanted[name]) and "skipped" not in wanted[name]
    }
    assert surprises == {}
    assert len(results.keys() & wanted.keys()) == len(wanted)


def run_suite(service: Service, checkout: Path, python: str, place: Path) -> dict[str, bool]:
    """Test -> whether it passed."""
    (place / "s3tests.conf").write_text(configuration(service), encoding="utf-8")
    (place / "aws.conf").write_text(AWS_CONFIG, encoding="utf-8")
    report = place / "report.xml"
    file = {HEADERS: "test_headers.py"}
    tests = [f"s3tests/functional/{file.get(group, 'test_s3.py')}::{name}" for group, name in listed()]
    subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *tests],
        cwd=checkout,
        env={
            "PATH": os.environ["PATH"],
            "S3TEST_CONF": str(place / "s3tests.conf"),
            "AWS_CONFIG_FILE": str(place / "aws.conf"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    root = parse(report).getroot()
    assert root is not None
    results: dict[str, bool] = {}
    for case in root.iter("testcase"):
        name = str(case.get("name")).partition("[")[0]  # one with parameters passes if all of its cases do
        results[name] = results.get(name, True) and case.find("failure") is None
    return results


def configuration(service: Service) -> str:
    head = f"[DEFAULT]\nhost = 127.0.0.1\nport = {service.port}\nis_secure = False\nssl_verify = False\n"
    sections = {"s3 main": "main", "s3 alt": "alt", "s3 tenant": "tenant", "iam": "main"}
    sections |= {"iam root": "main", "iam alt root": "alt"}
    return head + "\n[fixtures]\nbucket prefix = s3t-{random}-\n" + "".join(map(section, sections, sections.values()))


def section(name: str, account: str) -> str:
    key, secret = ACCOUNTS[account]
    return (
        f"\n[{name}]\ndisplay_name = {account}\nuser_id = {account}\nemail = {account}@example.com\n"
        f"access_key = {key}\nsecret_key = {secret}\napi_name =\ntenant =\nlc_debug_interval = 10\n"
        "kms_keyid = testkey-1\nkms_keyid2 = testkey-2\nstorage_classes =\n"
    )
