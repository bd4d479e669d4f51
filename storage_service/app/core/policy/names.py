"""The actions a policy may name, and which of them a request asks for. Source: AWS "Actions for Amazon S3"."""

from typing import Final

# What our own doors do, in S3's words. An action without a row is no bucket's business.
PERMISSIONS: Final = {
    "list_buckets": "s3:ListAllMyBuckets",
    "create_bucket": "s3:CreateBucket",
    "read_bucket": "s3:ListBucket",
    "update_bucket": "s3:PutBucketPolicy",  # it says who gets in, among all else: for those who may say that anyway
    "delete_bucket": "s3:DeleteBucket",
    "list_objects": "s3:ListBucket",
    "read_object": "s3:GetObject",
    "read_object_meta": "s3:GetObject",
    "write_object": "s3:PutObject",
    "write_object_meta": "s3:PutObject",
    "delete_object": "s3:DeleteObject",
    "sign_upload": "s3:PutObject",
    "sign_download": "s3:GetObject",
}

# Named with a version, a request asks for another permission.
VERSIONED: Final = {
    "s3:DeleteObject": "s3:DeleteObjectVersion",
    "s3:DeleteObjectTagging": "s3:DeleteObjectVersionTagging",
    "s3:GetObject": "s3:GetObjectVersion",
    "s3:GetObjectAcl": "s3:GetObjectVersionAcl",
    "s3:GetObjectAttributes": "s3:GetObjectVersionAttributes",
    "s3:GetObjectTagging": "s3:GetObjectVersionTagging",
    "s3:PutObjectAcl": "s3:PutObjectVersionAcl",
    "s3:PutObjectTagging": "s3:PutObjectVersionTagging",
}

# The owner of a bucket and the admins keep these whatever a policy says: else nobody could take it back.
# In lower case, as all sets of permissions from here on.
KEPT: Final = frozenset({"s3:getbucketpolicy", "s3:putbucketpolicy", "s3:deletebucketpolicy"})

# About an object that is there: what its own tags and its own ACL say counts.
OF_OBJECT: Final = frozenset(
    name.lower()
    for name in (
        *VERSIONED,
        *VERSIONED.values(),
        "s3:GetObjectLegalHold",
        "s3:GetObjectRetention",
        "s3:PutObjectLegalHold",
        "s3:PutObjectRetention",
    )
)

_SETTINGS = (
    "AccelerateConfiguration AnalyticsConfiguration BucketAcl BucketCORS BucketLogging BucketNotification"
    " BucketObjectLockConfiguration BucketOwnershipControls BucketPolicy BucketPublicAccessBlock BucketRequestPayment"
    " BucketTagging BucketVersioning BucketWebsite EncryptionConfiguration IntelligentTieringConfiguration"
    " InventoryConfiguration LifecycleConfiguration MetricsConfiguration ReplicationConfiguration"
)
_OTHERS = (
    "AbortMultipartUpload BypassGovernanceRetention CreateBucket DeleteBucket DeleteBucketOwnershipControls"
    " DeleteBucketPolicy DeleteBucketWebsite DeleteObject DeleteObjectTagging DeleteObjectVersion"
    " DeleteObjectVersionTagging GetBucketLocation GetBucketPolicyStatus GetBucketVersioning GetObject GetObjectAcl"
    " GetObjectAttributes GetObjectLegalHold GetObjectRetention GetObjectTagging GetObjectTorrent GetObjectVersion"
    " GetObjectVersionAcl GetObjectVersionAttributes GetObjectVersionForReplication GetObjectVersionTagging"
    " GetObjectVersionTorrent InitiateReplication ListAllMyBuckets ListBucket ListBucketMultipartUploads"
    " ListBucketVersions ListMultipartUploadParts ObjectOwnerOverrideToBucketOwner PutObject PutObjectAcl"
    " PutObjectLegalHold PutObjectRetention PutObjectTagging PutObjectVersionAcl PutObjectVersionTagging"
    " RenameObject ReplicateDelete ReplicateObject ReplicateTags RestoreObject UpdateObjectEncryption"
)
KNOWN: Final = frozenset(
    [f"s3:{verb}{name}".lower() for name in _SETTINGS.split() for verb in ("Get", "Put")]
    + [f"s3:{name}".lower() for name in _OTHERS.split()]
)


def permission_of(action: str) -> str:
    """The permission that one of our own actions stands for; empty where no policy speaks of it."""
    return PERMISSIONS.get(action, "")
