"""The operations of this package."""

from storage_service.app.core.security import Action
from storage_service.app.s3.configuration import (
    acl,
    cors,
    lifecycle,
    locks,
    others,
    ownership,
    policy,
    public_access,
    tagging,
    website,
)
from storage_service.app.s3.operation import Operation

READ: Action = "read_config"
WRITE: Action = "write_config"
LOCK: Action = "lock_object"

OPERATIONS: tuple[Operation, ...] = (
    Operation("GET", "bucket", "policy", "GetBucketPolicy", READ, policy.get),
    Operation("PUT", "bucket", "policy", "PutBucketPolicy", WRITE, policy.put),
    Operation("DELETE", "bucket", "policy", "DeleteBucketPolicy", WRITE, policy.delete),
    Operation("GET", "bucket", "policyStatus", "GetBucketPolicyStatus", READ, policy.get_status),
    Operation("GET", "bucket", "publicAccessBlock", "GetPublicAccessBlock", READ, public_access.get),
    Operation("PUT", "bucket", "publicAccessBlock", "PutPublicAccessBlock", WRITE, public_access.put),
    Operation("DELETE", "bucket", "publicAccessBlock", "DeletePublicAccessBlock", WRITE, public_access.delete),
    Operation("GET", "bucket", "ownershipControls", "GetBucketOwnershipControls", READ, ownership.get),
    Operation("PUT", "bucket", "ownershipControls", "PutBucketOwnershipControls", WRITE, ownership.put),
    Operation("DELETE", "bucket", "ownershipControls", "DeleteBucketOwnershipControls", WRITE, ownership.delete),
    Operation("GET", "bucket", "acl", "GetBucketAcl", READ, acl.get_bucket),
    Operation("PUT", "bucket", "acl", "PutBucketAcl", WRITE, acl.put_bucket),
    Operation("GET", "object", "acl", "GetObjectAcl", "read_acl", acl.get_object),
    Operation("PUT", "object", "acl", "PutObjectAcl", "write_acl", acl.put_object),
    Operation("GET", "bucket", "cors", "GetBucketCors", READ, cors.get),
    Operation("PUT", "bucket", "cors", "PutBucketCors", WRITE, cors.put),
    Operation("DELETE", "bucket", "cors", "DeleteBucketCors", WRITE, cors.delete),
    Operation("GET", "bucket", "tagging", "GetBucketTagging", READ, tagging.get),
    Operation("PUT", "bucket", "tagging", "PutBucketTagging", WRITE, tagging.put),
    Operation("DELETE", "bucket", "tagging", "DeleteBucketTagging", WRITE, tagging.delete),
    Operation("GET", "bucket", "lifecycle", "GetBucketLifecycleConfiguration", READ, lifecycle.get),
    Operation("PUT", "bucket", "lifecycle", "PutBucketLifecycleConfiguration", WRITE, lifecycle.put),
    Operation("DELETE", "bucket", "lifecycle", "DeleteBucketLifecycle", WRITE, lifecycle.delete),
    Operation("GET", "bucket", "object-lock", "GetObjectLockConfiguration", READ, locks.get_bucket),
    Operation("PUT", "bucket", "object-lock", "PutObjectLockConfiguration", WRITE, locks.put_bucket),
    Operation("GET", "object", "retention", "GetObjectRetention", LOCK, locks.get_retention),
    Operation("PUT", "object", "retention", "PutObjectRetention", LOCK, locks.put_retention),
    Operation("GET", "object", "legal-hold", "GetObjectLegalHold", LOCK, locks.get_legal_hold),
    Operation("PUT", "object", "legal-hold", "PutObjectLegalHold", LOCK, locks.put_legal_hold),
    Operation("GET", "bucket", "website", "GetBucketWebsite", READ, website.get),
    Operation("PUT", "bucket", "website", "PutBucketWebsite", WRITE, website.put),
    Operation("DELETE", "bucket", "website", "DeleteBucketWebsite", WRITE, website.delete),
    Operation("GET", "bucket", "encryption", "GetBucketEncryption", READ, others.get_encryption),
    Operation("PUT", "bucket", "encryption", "PutBucketEncryption", WRITE, others.put_encryption),
    Operation("DELETE", "bucket", "encryption", "DeleteBucketEncryption", WRITE, others.forget_nothing),
    Operation("GET", "bucket", "notification", "GetBucketNotificationConfiguration", READ, others.get_notification),
    Operation("PUT", "bucket", "notification", "PutBucketNotificationConfiguration", WRITE, others.put_notification),
    Operation("GET", "bucket", "logging", "GetBucketLogging", READ, others.get_logging),
    Operation("PUT", "bucket", "logging", "PutBucketLogging", WRITE, others.put_logging),
    Operation("GET", "bucket", "replication", "GetBucketReplication", READ, others.get_replication),
    Operation("PUT", "bucket", "replication", "PutBucketReplication", WRITE, others.put_replication),
    Operation("DELETE", "bucket", "replication", "DeleteBucketReplication", WRITE, others.forget_nothing),
    Operation("GET", "bucket", "accelerate", "GetBucketAccelerateConfiguration", READ, others.get_accelerate),
    Operation("PUT", "bucket", "accelerate", "PutBucketAccelerateConfiguration", WRITE, others.put_accelerate),
    Operation("GET", "bucket", "requestPayment", "GetBucketRequestPayment", READ, others.get_payment),
    Operation("PUT", "bucket", "requestPayment", "PutBucketRequestPayment", WRITE, others.put_payment),
)
