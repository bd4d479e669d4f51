"""Bucket policy, its status and the public access block, by boto3: what is kept, what is refused, what it does."""

import json
import time
from typing import Any

import httpx
from jose import jwt

from tests.s3.asking import refused
from tests.support.service import SECRET_KEY, SERVICE_KEY

Client = Any

READ = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
NO_BLOCK = {
    "BlockPublicAcls": False,
    "IgnorePublicAcls": False,
    "BlockPublicPolicy": False,
    "RestrictPublicBuckets": False,
}


def policy(bucket: str, statement: dict[str, Any], resource: str = "/*") -> str:
    said = {**statement, "Resource": f"arn:aws:s3:::{bucket}{resource}"}
    return json.dumps({"Version": "2012-10-17", "Statement": [said]})


def test_a_policy_is_kept_word_for_word_and_removed(s3: Client, bucket: str) -> None:
    assert refused(s3.get_bucket_policy, Bucket=bucket) == (404, "NoSuchBucketPolicy")
    text = policy(bucket, READ)
    s3.put_bucket_policy(Bucket=bucket, Policy=text)
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == text
    s3.delete_bucket_policy(Bucket=bucket)
    s3.delete_bucket_policy(Bucket=bucket)
    assert refused(s3.get_bucket_policy, Bucket=bucket) == (404, "NoSuchBucketPolicy")


def test_a_policy_that_is_not_understood_is_refused_and_the_old_one_stands(s3: Client, bucket: str) -> None:
    text = policy(bucket, READ)
    s3.put_bucket_policy(Bucket=bucket, Policy=text)
    for wrong in ("{", policy("another", READ), policy(bucket, {**READ, "Action": "s3:Frobnicate"})):
        assert refused(s3.put_bucket_policy, Bucket=bucket, Policy=wrong) == (400, "MalformedPolicy")
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == text


def test_a_policy_opens_objects_to_the_world_on_both_doors(
    s3: Client, anonymous: Client, http: httpx.Client, bucket: str
) -> None:
    s3.put_object(Bucket=bucket, Key="open/a", Body=b"seen")
    s3.put_object(Bucket=bucket, Key="b", Body=b"hidden")
    assert refused(anonymous.get_object, Bucket=bucket, Key="open/a") == (403, "AccessDenied")
    assert http.get(f"/storage/{bucket}/open/a").status_code == 403
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, READ, "/open/*"))
    assert anonymous.get_object(Bucket=bucket, Key="open/a")["Body"].read() == b"seen"
    assert http.get(f"/storage/{bucket}/open/a").content == b"seen"
    assert refused(anonymous.get_object, Bucket=bucket, Key="b") == (403, "AccessDenied")
    assert http.get(f"/storage/{bucket}/b").status_code == 403


def test_an_explicit_deny_reaches_the_owner_but_not_the_policy(s3: Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, deny, "*"))
    assert refused(s3.get_object, Bucket=bucket, Key="a") == (403, "AccessDenied")
    assert refused(s3.get_bucket_acl, Bucket=bucket) == (403, "AccessDenied")
    s3.delete_bucket_policy(Bucket=bucket)
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"


def test_a_policy_names_a_user_by_arn(s3: Client, other: Client, anonymous: Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    named = {**READ, "Principal": {"AWS": "arn:aws:iam:::user/other-user"}}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, named))
    assert other.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"
    assert refused(anonymous.get_object, Bucket=bucket, Key="a") == (403, "AccessDenied")
    assert refused(other.put_object, Bucket=bucket, Key="a", Body=b"y") == (403, "AccessDenied")


def test_conditions_look_at_query_headers_and_address(s3: Client, other: Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    lists = {"Effect": "Allow", "Principal": "*", "Action": "s3:ListBucket"}
    lists["Condition"] = {"StringEquals": {"s3:prefix": "open/"}}  # type: ignore[assignment]
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, lists, ""))
    other.list_objects_v2(Bucket=bucket, Prefix="open/")
    assert refused(other.list_objects_v2, Bucket=bucket, Prefix="") == (403, "AccessDenied")
    far = {**READ, "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, far))
    assert refused(other.get_object, Bucket=bucket, Key="a") == (403, "AccessDenied")
    near = {**READ, "Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, near))
    assert other.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"


def test_tags_of_an_object_open_it(s3: Client, other: Client, bucket: str) -> None:
    tagged = {**READ, "Condition": {"StringEquals": {"s3:ExistingObjectTag/level": "open"}}}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, tagged))
    s3.put_object(Bucket=bucket, Key="a", Body=b"x", Tagging="level=open")
    s3.put_object(Bucket=bucket, Key="b", Body=b"x", Tagging="level=secret")
    assert other.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"
    assert refused(other.get_object, Bucket=bucket, Key="b") == (403, "AccessDenied")
    assert refused(other.get_object, Bucket=bucket, Key="c") == (403, "AccessDenied")


def test_who_may_list_is_told_what_is_missing(s3: Client, other: Client, bucket: str) -> None:
    assert refused(other.get_object, Bucket=bucket, Key="a") == (403, "AccessDenied")
    lists = {"Effect": "Allow", "Principal": "*", "Action": "s3:ListBucket"}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, lists, ""))
    assert refused(other.get_object, Bucket=bucket, Key="a") == (404, "NoSuchKey")


def test_the_status_says_who_gets_in(s3: Client, bucket: str) -> None:
    def is_public() -> bool:
        return bool(s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"])

    assert not is_public()
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, READ))
    assert is_public()
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, {**READ, "Principal": {"AWS": "other-user"}}))
    assert not is_public()
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    assert is_public()


def test_a_public_access_block_is_kept_and_removed(s3: Client, bucket: str) -> None:
    missing = (404, "NoSuchPublicAccessBlockConfiguration")
    assert refused(s3.get_public_access_block, Bucket=bucket) == missing
    said = {**NO_BLOCK, "BlockPublicPolicy": True}
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=said)
    assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"] == said
    s3.delete_public_access_block(Bucket=bucket)
    assert refused(s3.get_public_access_block, Bucket=bucket) == missing


def test_public_policies_and_lists_are_blocked(s3: Client, bucket: str) -> None:
    blocks = {**NO_BLOCK, "BlockPublicPolicy": True, "BlockPublicAcls": True}
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=blocks)
    denied = (403, "AccessDenied")
    assert refused(s3.put_bucket_policy, Bucket=bucket, Policy=policy(bucket, READ)) == denied
    assert refused(s3.put_bucket_acl, Bucket=bucket, ACL="public-read") == denied
    assert refused(s3.put_object, Bucket=bucket, Key="a", Body=b"x", ACL="public-read") == denied
    named = {**READ, "Principal": {"AWS": "other-user"}}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, named))


def test_a_restricted_bucket_lets_in_the_owner_alone(
    s3: Client, anonymous: Client, http: httpx.Client, bucket: str
) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, READ))
    blocks = {**NO_BLOCK, "RestrictPublicBuckets": True}
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=blocks)
    assert refused(anonymous.get_object, Bucket=bucket, Key="a") == (403, "AccessDenied")
    assert http.get(f"/storage/{bucket}/a").status_code == 403
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"


def test_only_the_owner_configures(other: Client, anonymous: Client, bucket: str) -> None:
    denied = (403, "AccessDenied")
    for client in (other, anonymous):
        assert refused(client.get_bucket_policy, Bucket=bucket) == denied
        assert refused(client.put_bucket_policy, Bucket=bucket, Policy=policy(bucket, READ)) == denied
        assert refused(client.put_bucket_acl, Bucket=bucket, ACL="public-read-write") == denied
        assert refused(client.get_bucket_cors, Bucket=bucket) == denied
        assert refused(client.delete_public_access_block, Bucket=bucket) == denied


def test_the_json_door_holds_to_what_is_said_of_keys(s3: Client, http: httpx.Client, bucket: str) -> None:
    own = {"authorization": f"Bearer {SERVICE_KEY}"}
    s3.put_object(Bucket=bucket, Key="locked/a", Body=b"x")
    s3.put_object(Bucket=bucket, Key="b", Body=b"x")
    file_id = http.get(f"/files/info/{bucket}/locked/a", headers=own).json()["id"]
    deny = {"Effect": "Deny", "Principal": "*", "Action": ["s3:PutObject", "s3:DeleteObject", "s3:GetObject"]}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, deny, "/locked/*"))
    place, target = {"bucket": bucket, "key": "b"}, {"bucket": bucket, "key": "locked/c"}
    form = {"file": ("c", b"x")}
    answers = [
        http.get(f"/files/download/{bucket}/locked/a", headers=own),
        http.get(f"/files/download/{bucket}/{file_id}", headers=own),
        http.get(f"/files/info/{bucket}/{file_id}", headers=own),
        http.get(f"/files/versions/{bucket}/locked/a", headers=own),
        http.delete(f"/files/{bucket}/{file_id}", headers=own),
        http.put(f"/files/upload-direct/{bucket}/locked/c", content=b"x", headers=own),
        http.put(f"/files/upload-direct/{bucket}/{file_id}", content=b"x", headers=own),
        http.post(f"/files/upload/{bucket}?key=locked/c", files=form, headers=own),
        http.post("/files/copy", json={"source": place, "target": target}, headers=own),
        http.post(f"/files/presigned-url/upload/{bucket}/locked/c", headers=own),
        http.post(f"/files/presigned-url/download/{bucket}/locked/a", headers=own),
    ]
    assert [answer.status_code for answer in answers] == [403] * len(answers)
    assert http.get(f"/files/download/{bucket}/b", headers=own).content == b"x"
    assert http.post(f"/files/upload/{bucket}?key=d", files=form, headers=own).status_code == 201


def test_a_policy_lets_a_user_of_the_json_door_in(s3: Client, http: httpx.Client, bucket: str) -> None:
    token = jwt.encode({"sub": "other-user", "exp": time.time() + 60}, SECRET_KEY, algorithm="HS256")
    user = {"authorization": f"Bearer {token}"}
    form = {"file": ("a", b"x")}
    assert http.post(f"/files/upload/{bucket}?key=in/a", files=form, headers=user).status_code == 403
    named = {"Effect": "Allow", "Principal": {"AWS": "other-user"}, "Action": ["s3:PutObject", "s3:DeleteBucket"]}
    text = json.dumps({
        "Version": "2012-10-17",
        "Statement": {**named, "Resource": [f"arn:aws:s3:::{bucket}/in/*", f"arn:aws:s3:::{bucket}"]},
    })  # fmt: skip
    s3.put_bucket_policy(Bucket=bucket, Policy=text)
    assert http.post(f"/files/upload/{bucket}?key=in/a", files=form, headers=user).status_code == 201
    assert http.post(f"/files/upload/{bucket}?key=a", files=form, headers=user).status_code == 403
    assert http.put(f"/buckets/{bucket}", json={"is_public": True}, headers=user).status_code == 403
    assert http.delete(f"/buckets/{bucket}?force=true", headers=user).status_code == 403


def test_a_version_is_another_permission_in_a_bulk_delete_too(s3: Client, other: Client, versioned: str) -> None:
    version = s3.put_object(Bucket=versioned, Key="a", Body=b"x")["VersionId"]
    allow = {**READ, "Action": "s3:DeleteObject"}
    s3.put_bucket_policy(Bucket=versioned, Policy=policy(versioned, allow))
    named = {"Objects": [{"Key": "a", "VersionId": version}]}
    assert other.delete_objects(Bucket=versioned, Delete=named)["Errors"][0]["Code"] == "AccessDenied"
    assert refused(other.delete_object, Bucket=versioned, Key="a", VersionId=version) == (403, "AccessDenied")
    assert other.delete_objects(Bucket=versioned, Delete={"Objects": [{"Key": "a"}]})["Deleted"][0]["DeleteMarker"]


def test_a_copy_needs_leave_at_both_ends(s3: Client, other: Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="from/a", Body=b"x")
    copy = {"Bucket": bucket, "Key": "to/a", "CopySource": f"{bucket}/from/a"}
    write = {**READ, "Action": "s3:PutObject"}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, write, "/to/*"))
    assert refused(other.copy_object, **copy) == (403, "AccessDenied")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, {**READ, "Action": ["s3:PutObject", "s3:GetObject"]}))
    other.copy_object(**copy)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, READ))
    assert refused(other.copy_object, **copy) == (403, "AccessDenied")


def test_who_may_write_by_a_policy_may_neither_open_nor_tag(s3: Client, other: Client, bucket: str) -> None:
    def allow(*actions: str) -> None:
        statement = {"Effect": "Allow", "Principal": {"AWS": "other-user"}, "Resource": f"arn:aws:s3:::{bucket}/*"}
        document = {"Version": "2012-10-17", "Statement": {**statement, "Action": list(actions)}}
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(document))

    place = {"Bucket": bucket, "Key": "k", "Body": b"x"}
    allow("s3:PutObject")
    other.put_object(**place)
    for grant in ({"ACL": "private"}, {"ACL": "bucket-owner-full-control"}, {"ACL": "bucket-owner-read"}):
        other.put_object(**place, **grant)
    for said in ({"ACL": "public-read"}, {"GrantRead": 'id="somebody"'}, {"Tagging": "level=open"}):
        assert refused(other.put_object, **place, **said) == (403, "AccessDenied")
    assert refused(other.create_multipart_upload, Bucket=bucket, Key="k", ACL="public-read") == (403, "AccessDenied")
    allow("s3:PutObject", "s3:PutObjectAcl", "s3:PutObjectTagging")
    for said in ({"ACL": "public-read"}, {"GrantRead": 'id="somebody"'}, {"Tagging": "level=open"}):
        other.put_object(**place, **said)
    s3.delete_bucket_policy(Bucket=bucket)
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    other.put_object(**place, ACL="public-read", Tagging="level=open")
