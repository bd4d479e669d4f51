"""Lifecycle rules: which documents are taken, how they come back, and which objects they end when."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_service.app.core.errors import (
    InvalidArgument,
    InvalidRequest,
    InvalidTag,
    MalformedXML,
    NotImplemented,
    StorageError,
)
from storage_service.app.core.lifecycle import DAY_MS, Subject, first_end, fits
from storage_service.app.s3.configuration.lifecycle_xml import parse_lifecycle_xml, render_lifecycle_xml
from storage_service.app.s3.reading import parse_xml
from tests.s3.asking import refused

Client = Any
DAYS = "<Expiration><Days>1</Days></Expiration>"
PREFIX = "<Prefix>a/</Prefix>"


def parse(rules: str) -> list[dict[str, Any]]:
    document = f"<LifecycleConfiguration>{rules}</LifecycleConfiguration>".encode()
    return parse_lifecycle_xml(parse_xml(document, "LifecycleConfiguration"))


def rule(inner: str, status: str = "Enabled", name: str = "r") -> str:
    return f"<Rule><ID>{name}</ID><Status>{status}</Status>{inner}</Rule>"


def test_rules_are_kept_and_removed(s3: Client, bucket: str) -> None:
    missing = (404, "NoSuchLifecycleConfiguration")
    assert refused(s3.get_bucket_lifecycle_configuration, Bucket=bucket) == missing
    tags = [{"Key": "a", "Value": "b"}, {"Key": "c", "Value": "d"}]
    rules = [
        {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 30}},
        {
            "ID": "both",
            "Status": "Disabled",
            "Filter": {"And": {"Prefix": "x/", "Tags": tags, "ObjectSizeGreaterThan": 5}},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 3, "NewerNoncurrentVersions": 2},
        },
        {
            "ID": "parts",
            "Status": "Enabled",
            "Filter": {},
            "Expiration": {"ExpiredObjectDeleteMarker": True},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        },
    ]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == rules
    s3.delete_bucket_lifecycle(Bucket=bucket)
    assert refused(s3.get_bucket_lifecycle_configuration, Bucket=bucket) == missing


def test_an_object_says_when_it_will_end(s3: Client, bucket: str) -> None:
    rules = [{"ID": "two days", "Status": "Enabled", "Filter": {"Prefix": "a/"}, "Expiration": {"Days": 2}}]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    said = s3.put_object(Bucket=bucket, Key="a/x", Body=b"x")["Expiration"]
    assert 'rule-id="two days"' in said
    assert s3.head_object(Bucket=bucket, Key="a/x")["Expiration"] == said
    assert "Expiration" not in s3.put_object(Bucket=bucket, Key="b/x", Body=b"x")


@pytest.mark.parametrize(
    ("rules", "error"),
    [
        ("", MalformedXML),
        (rule(PREFIX + DAYS, "enabled"), MalformedXML),
        (rule(DAYS), MalformedXML),
        (rule(PREFIX + "<Filter/>" + DAYS), MalformedXML),
        (rule(PREFIX), InvalidRequest),
        (rule(PREFIX + DAYS, name="x" * 256), InvalidArgument),
        (rule(PREFIX + DAYS) * 2, InvalidArgument),
        (rule(PREFIX + "<Expiration><Days>0</Days></Expiration>"), InvalidArgument),
        (rule(PREFIX + "<Expiration><Days>-1</Days></Expiration>"), InvalidArgument),
        (rule(PREFIX + "<Expiration><Days>one</Days></Expiration>"), MalformedXML),
        (rule(PREFIX + "<Expiration/>"), MalformedXML),
        (rule(PREFIX + "<Expiration><Days>1</Days><Date>2030-01-01</Date></Expiration>"), MalformedXML),
        (rule(PREFIX + "<Expiration><Date>20300101</Date></Expiration>"), MalformedXML),
        (rule(PREFIX + "<Expiration><Date>2030-13-01</Date></Expiration>"), MalformedXML),
        (rule(PREFIX + "<Expiration><Date>2030-01-01T01:00:00Z</Date></Expiration>"), InvalidArgument),
        (rule("<Filter><Prefix>a</Prefix><Tag><Key>a</Key><Value>b</Value></Tag></Filter>" + DAYS), MalformedXML),
        (rule("<Filter><Tag><Key></Key><Value>b</Value></Tag></Filter>" + DAYS), InvalidTag),
        (rule("<Filter><ObjectSizeLessThan>0</ObjectSizeLessThan></Filter>" + DAYS), InvalidRequest),
        (rule(PREFIX + "<NoncurrentVersionExpiration/>"), MalformedXML),
        (
            rule(
                "<Filter><Tag><Key>a</Key><Value>b</Value></Tag></Filter>"
                "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"
            ),
            InvalidRequest,
        ),
        (
            rule(
                "<Filter><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></Filter>"
                "<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation>"
                "</AbortIncompleteMultipartUpload>"
            ),
            InvalidRequest,
        ),
        (rule(PREFIX + "<Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition>"), NotImplemented),
    ],
)
def test_rules_that_make_no_sense_are_refused(rules: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse(rules)


def test_a_rule_without_a_name_gets_one() -> None:
    [found] = parse(f"<Rule><Status>Enabled</Status>{PREFIX}{DAYS}</Rule>")
    assert found["id"]


PIECES = [
    "<Rule>",
    "</Rule>",
    "<Filter>",
    "</Filter>",
    "<Status>Enabled</Status>",
    PREFIX,
    DAYS,
    "<And>",
    "</And>",
    "7",
]


@given(st.lists(st.sampled_from(PIECES), max_size=8))
def test_no_document_does_worse_than_be_refused(pieces: list[str]) -> None:
    try:
        found = parse("".join(pieces))
    except StorageError:
        return
    again = parse_lifecycle_xml(parse_xml(render_lifecycle_xml(found).encode(), "LifecycleConfiguration"))
    assert again == found


# What the rules mean ------------------------------------------------------------------------------------------------

NOON = int(datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp() * 1000)
MIDNIGHT = int(datetime(2026, 1, 2, tzinfo=UTC).timestamp() * 1000)


def subject(key: str = "a/x", size: int = 5, **tags: str) -> Subject:
    return Subject(key, size, NOON, tags)


@pytest.mark.parametrize(
    ("filtered", "given", "expected"),
    [
        ("<Prefix>a/</Prefix>", subject(), True),
        ("<Prefix>b/</Prefix>", subject(), False),
        ("<Prefix></Prefix>", subject(), True),
        ("<Filter/>", subject(), True),
        ("<Filter><Prefix>a</Prefix></Filter>", subject(), True),
        ("<Filter><Tag><Key>t</Key><Value>v</Value></Tag></Filter>", subject(t="v"), True),
        ("<Filter><Tag><Key>t</Key><Value>v</Value></Tag></Filter>", subject(t="w"), False),
        ("<Filter><Tag><Key>t</Key><Value>v</Value></Tag></Filter>", subject(), False),
        ("<Filter><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></Filter>", subject(size=5), False),
        ("<Filter><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></Filter>", subject(size=6), True),
        ("<Filter><ObjectSizeLessThan>5</ObjectSizeLessThan></Filter>", subject(size=4), True),
        (
            "<Filter><And><Prefix>a</Prefix><Tag><Key>t</Key><Value>v</Value></Tag></And></Filter>",
            subject("b", t="v"),
            False,
        ),
    ],
)
def test_which_objects_a_rule_takes_in(filtered: str, given: Subject, expected: bool) -> None:
    [enabled] = parse(rule(filtered + DAYS))
    assert fits(enabled, given) is expected
    [disabled] = parse(rule(filtered + DAYS, "Disabled"))
    assert not fits(disabled, given)


def test_days_end_at_midnight_and_the_first_end_counts() -> None:
    later = rule(PREFIX + "<Expiration><Days>3</Days></Expiration>", name="later")
    sooner = rule(PREFIX + DAYS, name="sooner")
    assert first_end(parse(later + sooner), subject()) == (MIDNIGHT + DAY_MS, "sooner")
    dated = rule(PREFIX + "<Expiration><Date>2026-01-02</Date></Expiration>", name="dated")
    assert first_end(parse(later + dated), subject()) == (MIDNIGHT, "dated")
    noncurrent = "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>"
    assert first_end(parse(rule(PREFIX + noncurrent)), subject()) is None
