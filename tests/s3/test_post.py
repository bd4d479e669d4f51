"""POST of objects by forms, as browsers send them."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import httpx
import pytest
from defusedxml.ElementTree import fromstring

from tests.s3.asking import body_of, refused

Client = Any
LEVEL = "<Tagging><TagSet><Tag><Key>level</Key><Value>open</Value></Tag></TagSet></Tagging>"
WITHOUT_FILE = b'--x\r\nContent-Disposition: form-data; name="key"\r\n\r\nk\r\n--x--\r\n'


def post(http: httpx.Client, form: dict[str, Any], data: bytes = b"data", name: str = "cat.txt") -> httpx.Response:
    files = {"file": (name, data)}
    return http.post(f"/{urlsplit(form['url']).path.strip('/')}", data=form["fields"], files=files)


def signed(s3: Client, bucket: str, key: str, *conditions: Any, **fields: str) -> dict[str, Any]:
    wanted = [*conditions, *({name: value} for name, value in fields.items())]
    form: dict[str, Any] = s3.generate_presigned_post(bucket, key, Fields=dict(fields), Conditions=wanted)
    return form


def test_a_form_uploads_what_its_policy_allows(http: httpx.Client, s3: Client, bucket: str) -> None:
    fields = {"Content-Type": "text/plain", "x-amz-meta-colour": "blue", "Cache-Control": "max-age=1"}
    answer = post(http, signed(s3, bucket, "up/k", **fields), b"x" * 100_000)
    assert (answer.status_code, answer.content) == (204, b"")
    got = s3.get_object(Bucket=bucket, Key="up/k")
    assert body_of(got) == b"x" * 100_000
    assert (got["ContentType"], got["Metadata"], got["CacheControl"]) == ("text/plain", {"colour": "blue"}, "max-age=1")
    assert answer.headers["etag"] == got["ETag"]


def test_the_file_name_stands_where_the_key_wants_it(http: httpx.Client, s3: Client, bucket: str) -> None:
    form = signed(s3, bucket, "up/${filename}", ["starts-with", "$key", "up/"])
    assert post(http, form, name="my cat.jpg").status_code == 204
    assert s3.head_object(Bucket=bucket, Key="up/my cat.jpg")["ContentLength"] == 4


@pytest.mark.parametrize(("asked", "status"), [("200", 200), ("201", 201), ("204", 204), ("404", 204), ("x", 204)])
def test_the_form_chooses_the_status(http: httpx.Client, s3: Client, bucket: str, asked: str, status: int) -> None:
    answer = post(http, signed(s3, bucket, "k", success_action_status=asked))
    assert answer.status_code == status
    if status == 201:
        root: ElementTree.Element = fromstring(answer.content)
        assert {child.tag: child.text for child in root} == {
            "Location": f"/{bucket}/k",
            "Bucket": bucket,
            "Key": "k",
            "ETag": answer.headers["etag"],
        }


def test_the_form_sends_the_browser_on(http: httpx.Client, s3: Client, bucket: str) -> None:
    answer = post(http, signed(s3, bucket, "k", success_action_redirect="https://app.example.org/done?a=1"))
    assert answer.status_code == 303
    target = urlsplit(answer.headers["location"])
    assert target.netloc == "app.example.org"
    assert parse_qs(target.query) == {"a": ["1"], "bucket": [bucket], "key": ["k"], "etag": [answer.headers["etag"]]}


def test_tags_come_as_a_document(http: httpx.Client, s3: Client, bucket: str) -> None:
    tagging = "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>"
    assert post(http, signed(s3, bucket, "k", tagging=tagging)).status_code == 204
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "a", "Value": "1"}]


@pytest.mark.parametrize(
    ("condition", "field"),
    [
        ({"s3:x-amz-acl": "public-read"}, {"acl": "public-read"}),
        ({"s3:x-amz-storage-class": "STANDARD"}, {"x-amz-storage-class": "STANDARD"}),
        ({"s3:RequestObjectTag/level": "open"}, {"tagging": LEVEL}),
        ({"s3:authType": "POST"}, {}),
    ],
)
def test_a_bucket_policy_sees_what_the_form_says(
    http: httpx.Client, s3: Client, bucket: str, condition: dict[str, str], field: dict[str, str]
) -> None:
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    policy = {"Version": "2012-10-17", "Statement": {**statement, "Condition": {"StringEquals": condition}}}
    form = signed(s3, bucket, "k", **field)
    assert post(http, form).status_code == 204
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    assert post(http, form).status_code == 403


@pytest.mark.parametrize(
    ("bounds", "data", "code"),
    [((0, 3), b"four", "EntityTooLarge"), ((5, 9), b"four", "EntityTooSmall"), ((0, 4), b"four", "")],
)
def test_the_length_is_held_to_the_policy(
    http: httpx.Client, s3: Client, bucket: str, bounds: tuple[int, int], data: bytes, code: str
) -> None:
    answer = post(http, signed(s3, bucket, "k", ["content-length-range", *bounds]), data)
    assert answer.status_code == (400 if code else 204)
    assert f"<Code>{code}</Code>" in answer.text or not code
    if code:
        assert refused(s3.head_object, Bucket=bucket, Key="k") == (404, "404")


@pytest.mark.parametrize(
    "name",
    ["x-amz-website-redirect-location", "Content-Type", "Cache-Control", "x-amz-meta-a", "x-amz-storage-class", "acl"],
)
@pytest.mark.parametrize("ending", ["\r\nSet-Cookie: a=b", "\nSet-Cookie: a=b", "\x00"])
def test_no_field_becomes_two_lines_of_an_answer(
    http: httpx.Client, s3: Client, bucket: str, name: str, ending: str
) -> None:
    form = signed(s3, bucket, "k", ["starts-with", f"${name}", ""])
    answer = post(http, tampered(form, **{name: f"/x{ending}"}))
    assert (answer.status_code, "<Code>InvalidArgument</Code>" in answer.text) == (400, True)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_no_name_of_a_field_becomes_two_lines_of_an_answer(http: httpx.Client, s3: Client, bucket: str) -> None:
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    body = (
        b'--x\r\nContent-Disposition: form-data; name="key"\r\n\r\nk\r\n'
        b'--x\r\nContent-Disposition: form-data; name="x-amz-meta-a%0D%0Ab: c"\r\n\r\nv\r\n'
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\ndata\r\n--x--\r\n'
    )
    answer = http.post(f"/{bucket}", content=body, headers={"content-type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 400
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def tampered(form: dict[str, Any], **changes: str) -> dict[str, Any]:
    return {**form, "fields": {**form["fields"], **changes}}


def test_a_form_that_was_changed_is_refused(http: httpx.Client, s3: Client, bucket: str) -> None:
    form = signed(s3, bucket, "k")
    expired = base64.b64encode(
        json.dumps({"expiration": (datetime.now(UTC) - timedelta(hours=1)).isoformat(), "conditions": []}).encode()
    ).decode()
    for changed in (
        tampered(form, key="other"),
        tampered(form, **{"x-amz-meta-more": "1"}),
        tampered(form, policy=expired),
    ):
        assert post(http, changed).status_code == 403
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_form_without_a_signature_needs_an_open_bucket(http: httpx.Client, s3: Client, bucket: str) -> None:
    form = {"url": f"/{bucket}", "fields": {"key": "k"}}
    assert post(http, form).status_code == 403
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    assert post(http, form).status_code == 204
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == b"data"


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"", "multipart/form-data; boundary=x", 400),
        (b"not a form", "multipart/form-data; boundary=x", 400),
        (b"--x\r\n", "multipart/form-data", 400),
        (
            b'--x\r\nContent-Disposition: form-data; name="key"\r\n\r\nk\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
            400,
        ),
        (b"{}", "application/json", 412),
    ],
)
def test_what_is_no_form_with_a_file_is_refused(
    http: httpx.Client, bucket: str, content: bytes, content_type: str, status: int
) -> None:
    answer = http.post(f"/{bucket}", content=content, headers={"content-type": content_type})
    assert answer.status_code == status
    assert fromstring(answer.content).tag == "Error"


def test_a_form_cut_short_stores_nothing(http: httpx.Client, s3: Client, bucket: str) -> None:
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    content = (
        b'--x\r\nContent-Disposition: form-data; name="key"\r\n\r\nk\r\n'
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\ndata without an end'
    )
    answer = http.post(f"/{bucket}", content=content, headers={"content-type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 400
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
