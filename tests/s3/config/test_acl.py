"""Access control lists and ownership, by boto3."""

from typing import Any

import httpx

from tests.s3.asking import refused
from tests.support.service import SERVICE_KEY

Client = Any
WORLD = "http://acs.amazonaws.com/groups/global/AllUsers"
OWN = {
    "Grantee": {"DisplayName": "main-user", "ID": "main-user", "Type": "CanonicalUser"},
    "Permission": "FULL_CONTROL",
}
WORLD_READS = {"Grantee": {"Type": "Group", "URI": WORLD}, "Permission": "READ"}
DENIED = (403, "AccessDenied")


def test_a_new_bucket_and_a_new_object_are_the_owners(s3: Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    for found in (s3.get_bucket_acl(Bucket=bucket), s3.get_object_acl(Bucket=bucket, Key="a")):
        assert found["Owner"]["ID"] == "main-user"
        assert found["Grants"] == [OWN]


def test_a_public_bucket_shows_its_list_and_not_its_objects(s3: Client, anonymous: Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    assert s3.get_bucket_acl(Bucket=bucket)["Grants"] == [WORLD_READS, OWN]
    assert [one["Key"] for one in anonymous.list_objects_v2(Bucket=bucket)["Contents"]] == ["a"]
    assert refused(anonymous.get_object, Bucket=bucket, Key="a") == DENIED
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    assert refused(anonymous.list_objects_v2, Bucket=bucket) == DENIED


def test_an_object_is_opened_when_it_is_written_and_later(
    s3: Client, anonymous: Client, http: httpx.Client, bucket: str
) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"x", ACL="public-read")
    s3.put_object(Bucket=bucket, Key="b", Body=b"y")
    assert anonymous.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"
    assert http.get(f"/storage/{bucket}/a").content == b"x"
    assert refused(anonymous.get_object, Bucket=bucket, Key="b") == DENIED
    s3.put_object_acl(Bucket=bucket, Key="b", ACL="public-read")
    assert anonymous.get_object(Bucket=bucket, Key="b")["Body"].read() == b"y"
    s3.put_object_acl(Bucket=bucket, Key="b", ACL="private")
    assert refused(anonymous.get_object, Bucket=bucket, Key="b") == DENIED


def test_an_overwrite_and_a_copy_do_not_inherit_the_list(s3: Client, anonymous: Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"x", ACL="public-read")
    s3.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a")
    s3.put_object(Bucket=bucket, Key="a", Body=b"y")
    for key in ("a", "b"):
        assert refused(anonymous.get_object, Bucket=bucket, Key=key) == DENIED


def test_a_multipart_upload_takes_its_list_from_its_beginning(s3: Client, anonymous: Client, bucket: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="a", ACL="public-read")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="a", UploadId=upload, PartNumber=1, Body=b"x")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="a", UploadId=upload, MultipartUpload=parts)
    assert anonymous.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"


def test_grants_by_header_and_by_document(s3: Client, other: Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"x", GrantRead='id="other-user"')
    assert other.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"
    assert refused(other.get_object_acl, Bucket=bucket, Key="a") == DENIED
    grantee = {"ID": "other-user", "Type": "CanonicalUser"}
    policy = {"Owner": {"ID": "main-user"}, "Grants": [{"Grantee": grantee, "Permission": "FULL_CONTROL"}]}
    s3.put_object_acl(Bucket=bucket, Key="a", AccessControlPolicy=policy)
    [grant] = other.get_object_acl(Bucket=bucket, Key="a")["Grants"]
    assert (grant["Grantee"]["ID"], grant["Permission"]) == ("other-user", "FULL_CONTROL")


def test_lists_that_make_no_sense_are_refused(s3: Client, bucket: str) -> None:
    put = s3.put_bucket_acl
    assert refused(put, Bucket=bucket, ACL="open") == (400, "InvalidArgument")
    assert refused(put, Bucket=bucket, ACL="private", GrantRead='id="x"') == (400, "InvalidRequest")
    assert refused(put, Bucket=bucket, GrantRead="other-user") == (400, "InvalidArgument")
    assert refused(put, Bucket=bucket, GrantRead='uri="http://example.org/all"') == (400, "InvalidArgument")
    email = (400, "UnresolvableGrantByEmailAddress")
    assert refused(put, Bucket=bucket, GrantRead='emailAddress="a@example.org"') == email
    stranger = {"Owner": {"ID": "other-user"}, "Grants": []}
    assert refused(put, Bucket=bucket, AccessControlPolicy=stranger) == (400, "InvalidArgument")


def test_a_writer_reads_back_what_it_wrote_in_anothers_bucket(
    s3: Client, other: Client, anonymous: Client, bucket: str
) -> None:
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    other.put_object(Bucket=bucket, Key="a", Body=b"x")
    assert other.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"
    assert s3.get_object_acl(Bucket=bucket, Key="a")["Owner"]["ID"] == "other-user"
    assert refused(anonymous.get_object, Bucket=bucket, Key="a") == DENIED
    anonymous.put_object(Bucket=bucket, Key="b", Body=b"y")
    assert refused(other.get_object, Bucket=bucket, Key="b") == DENIED


def test_the_public_option_of_the_json_door_shows_and_ends_as_a_list(
    s3: Client, anonymous: Client, http: httpx.Client, bucket: str
) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    own = {"authorization": f"Bearer {SERVICE_KEY}"}
    assert http.put(f"/buckets/{bucket}", json={"is_public": True}, headers=own).status_code == 200
    assert s3.get_bucket_acl(Bucket=bucket)["Grants"] == [WORLD_READS, OWN]
    assert anonymous.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    assert refused(anonymous.get_object, Bucket=bucket, Key="a") == DENIED
    assert http.get(f"/buckets/{bucket}", headers=own).json()["is_public"] is False


def test_ownership_is_kept_and_removed(s3: Client, bucket: str) -> None:
    missing = (404, "OwnershipControlsNotFoundError")
    assert refused(s3.get_bucket_ownership_controls, Bucket=bucket) == missing
    for choice in ("BucketOwnerPreferred", "ObjectWriter", "BucketOwnerEnforced"):
        rules = {"Rules": [{"ObjectOwnership": choice}]}
        s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=rules)
        assert s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"] == rules
    s3.delete_bucket_ownership_controls(Bucket=bucket)
    assert refused(s3.get_bucket_ownership_controls, Bucket=bucket) == missing


def test_where_the_bucket_owns_all_lists_are_refused_and_say_nothing(
    s3: Client, anonymous: Client, bucket: str
) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"x", ACL="public-read")
    enforced = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    wrong = (400, "InvalidBucketAclWithObjectOwnership")
    assert refused(s3.put_bucket_ownership_controls, Bucket=bucket, OwnershipControls=enforced) == wrong
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=enforced)
    assert refused(anonymous.get_object, Bucket=bucket, Key="a") == DENIED
    off = (400, "AccessControlListNotSupported")
    assert refused(s3.put_bucket_acl, Bucket=bucket, ACL="private") == off
    assert refused(s3.put_object, Bucket=bucket, Key="b", Body=b"x", ACL="public-read") == off
    s3.put_object(Bucket=bucket, Key="b", Body=b"x", ACL="bucket-owner-full-control")


def test_a_preferred_owner_gets_what_is_given_in_full_control(s3: Client, other: Client, bucket: str) -> None:
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    rules = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=rules)
    other.put_object(Bucket=bucket, Key="given", Body=b"x", ACL="bucket-owner-full-control")
    other.put_object(Bucket=bucket, Key="own", Body=b"x")
    assert s3.get_object_acl(Bucket=bucket, Key="given")["Owner"]["ID"] == "main-user"
    assert s3.get_object_acl(Bucket=bucket, Key="own")["Owner"]["ID"] == "other-user"
