"""Tags of buckets, and what this service does not have: AWS's answer for "none", the reason for a refusal."""

from typing import Any

import pytest

from tests.s3.asking import refused

Client = Any


def test_tags_are_kept_and_removed(s3: Client, bucket: str) -> None:
    assert refused(s3.get_bucket_tagging, Bucket=bucket) == (404, "NoSuchTagSet")
    tags = [{"Key": "cost", "Value": "42"}, {"Key": "team", "Value": "größe & <co>"}]
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags
    twice = {"TagSet": [tags[0], tags[0]]}
    assert refused(s3.put_bucket_tagging, Bucket=bucket, Tagging=twice) == (400, "InvalidTag")
    s3.delete_bucket_tagging(Bucket=bucket)
    assert refused(s3.get_bucket_tagging, Bucket=bucket) == (404, "NoSuchTagSet")


def test_what_is_not_there_is_answered_as_aws_does(s3: Client, bucket: str) -> None:
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)
    assert "Status" not in s3.get_bucket_accelerate_configuration(Bucket=bucket)
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    assert "TopicConfigurations" not in s3.get_bucket_notification_configuration(Bucket=bucket)
    missing = (404, "ReplicationConfigurationNotFoundError")
    assert refused(s3.get_bucket_replication, Bucket=bucket) == missing
    missing = (404, "ServerSideEncryptionConfigurationNotFoundError")
    assert refused(s3.get_bucket_encryption, Bucket=bucket) == missing
    s3.delete_bucket_replication(Bucket=bucket)
    s3.delete_bucket_encryption(Bucket=bucket)


def test_to_ask_for_none_of_it_is_a_success(s3: Client, bucket: str) -> None:
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "BucketOwner"})


TOPIC = {"TopicArn": "arn:aws:sns:us-east-1:1:t", "Events": ["s3:ObjectCreated:*"]}
ENCRYPTED = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
REPLICA = {
    "Role": "r",
    "Rules": [{"Status": "Enabled", "Prefix": "", "Destination": {"Bucket": "arn:aws:s3:::other"}}],
}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            "put_bucket_logging",
            {"BucketLoggingStatus": {"LoggingEnabled": {"TargetBucket": "b", "TargetPrefix": ""}}},
        ),
        (
            "put_bucket_notification_configuration",
            {"NotificationConfiguration": {"TopicConfigurations": [TOPIC]}},
        ),
        ("put_bucket_accelerate_configuration", {"AccelerateConfiguration": {"Status": "Enabled"}}),
        ("put_bucket_request_payment", {"RequestPaymentConfiguration": {"Payer": "Requester"}}),
        ("put_bucket_replication", {"ReplicationConfiguration": REPLICA}),
        ("put_bucket_encryption", {"ServerSideEncryptionConfiguration": ENCRYPTED}),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(
    s3: Client, bucket: str, call: str, said: dict[str, Any]
) -> None:
    assert refused(getattr(s3, call), Bucket=bucket, **said) == (501, "NotImplemented")
