"""S5: names that would lead elsewhere as paths, or that a careless server takes for one another or cannot write in XML.

The other room's list of keys, by every operation of this door that bears a name.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

import httpx
import pytest
from defusedxml.ElementTree import fromstring

from tests.faults.test_keys import KEYS
from tests.s3.asking import body_of, keys, refused
from tests.s3.conftest import MAIN

Client = Any
IN_ORDER = sorted(KEYS, key=str.encode)
NS = "{http://s3.amazonaws.com/doc/2006-03-01/}"
PAGE = 7


@pytest.fixture(scope="module")
def nasty(client_of: Callable[..., Client]) -> str:
    """A bucket with an object, two versions and an unfinished upload of each key."""
    s3, name = client_of(MAIN), "nasty-names"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    for number, key in enumerate(KEYS):
        s3.put_object(Bucket=name, Key=key, Body=b"old")
        s3.put_object(Bucket=name, Key=key, Body=str(number).encode(), Tagging=f"number={number}")
        s3.create_multipart_upload(Bucket=name, Key=key)
    return name


def test_each_key_is_an_object_of_its_own(s3: Client, nasty: str) -> None:
    for number, key in enumerate(KEYS):
        assert body_of(s3.get_object(Bucket=nasty, Key=key)) == str(number).encode(), key
        tags = s3.get_object_tagging(Bucket=nasty, Key=key)["TagSet"]
        assert tags == [{"Key": "number", "Value": str(number)}], key


def test_each_key_is_copied_from_and_to(s3: Client, bucket: str, nasty: str) -> None:
    for number, key in enumerate(KEYS):
        s3.copy_object(Bucket=bucket, Key=key, CopySource={"Bucket": nasty, "Key": key})
        assert body_of(s3.get_object(Bucket=bucket, Key=key)) == str(number).encode(), key
    assert keys(s3.list_objects_v2(Bucket=bucket)) == IN_ORDER
    assert keys(s3.list_objects_v2(Bucket=nasty)) == IN_ORDER


def paged(call: Callable[..., Any], rows: str, markers: dict[str, str], **arguments: Any) -> list[str]:
    """Keys of all pages; `markers`: parameter -> the element that has its next value."""
    found: list[str] = []
    given: dict[str, str] = {}
    while True:
        page = call(**arguments, **given)
        found += [row["Key"] for row in page.get(rows, [])]
        if not page["IsTruncated"]:
            return found
        given = {name: page[element] for name, element in markers.items()}


def test_pages_of_every_list_join_to_the_whole(s3: Client, nasty: str) -> None:
    """With `encoding-type=url`, which boto3 asks for and takes off again; of uploads it leaves both to its caller."""
    token = {"ContinuationToken": "NextContinuationToken"}
    assert paged(s3.list_objects_v2, "Contents", token, Bucket=nasty, MaxKeys=PAGE) == IN_ORDER
    assert paged(s3.list_objects, "Contents", {"Marker": "NextMarker"}, Bucket=nasty, MaxKeys=PAGE) == IN_ORDER
    both = {"KeyMarker": "NextKeyMarker", "VersionIdMarker": "NextVersionIdMarker"}
    versions = paged(s3.list_object_versions, "Versions", both, Bucket=nasty, MaxKeys=PAGE)
    assert versions == [key for key in IN_ORDER for _ in range(2)]
    both = {"KeyMarker": "NextKeyMarker", "UploadIdMarker": "NextUploadIdMarker"}
    found = paged(encoded_uploads(s3), "Uploads", both, Bucket=nasty, MaxUploads=PAGE)
    assert [unquote(key) for key in found] == IN_ORDER


def encoded_uploads(s3: Client) -> Callable[..., Any]:
    def page(**arguments: Any) -> Any:
        arguments = {name: unquote(value) if name == "KeyMarker" else value for name, value in arguments.items()}
        return s3.list_multipart_uploads(**arguments, EncodingType="url")

    return page


@pytest.mark.parametrize("delimiter", ["/", "%", "é", "e", "\\"])
def test_prefixes_are_encoded_as_keys_are(s3: Client, nasty: str, delimiter: str) -> None:
    expected = {key[: key.index(delimiter) + 1] for key in KEYS if delimiter in key}
    for call in (s3.list_objects_v2, s3.list_objects, s3.list_object_versions, s3.list_multipart_uploads):
        page = call(Bucket=nasty, Delimiter=delimiter)
        assert {one["Prefix"] for one in page["CommonPrefixes"]} == expected
        assert page["Delimiter"] == delimiter


@pytest.mark.parametrize("query", ["", "list-type=2", "versions", "uploads"])
def test_lists_that_are_not_encoded_are_xml_all_the_same(
    s3: Client, http: httpx.Client, nasty: str, query: str
) -> None:
    """What XML cannot hold stands as U+FFFD, and hides none of its neighbours."""
    s3.put_bucket_acl(Bucket=nasty, ACL="public-read")
    root = fromstring(http.get(f"/{nasty}?{query}").content)
    found = [node.text for node in root.iter(f"{NS}Key")]
    shown = ["\ufffd" if key == "\x01" else key for key in IN_ORDER]
    assert found == ([key for key in shown for _ in range(2)] if query == "versions" else shown)


@pytest.mark.parametrize(
    "source",
    [
        "../nasty-names/a",
        "nasty-names/../nasty-names/a",
        "./nasty-names/a",
        "%2e%2e/etc/passwd",
        "/etc/passwd",
        "..",
        "//a",
    ],
)
def test_a_copy_source_leads_nowhere_else(s3: Client, bucket: str, source: str) -> None:
    status, code = refused(s3.copy_object, Bucket=bucket, Key="stolen", CopySource=source)
    assert (status, code) in {(400, "InvalidArgument"), (404, "NoSuchBucket"), (404, "NoSuchKey")}
    assert keys(s3.list_objects_v2(Bucket=bucket)) == []


@pytest.mark.parametrize(
    "upload", ["..", "../../.storage", "%2e%2e", "\x01", "x" * 2000, "null", "a/b", "é", "0" * 36, "*"]
)
def test_an_upload_id_leads_nowhere_else(s3: Client, bucket: str, upload: str) -> None:
    place = {"Bucket": bucket, "Key": "k", "UploadId": upload}
    assert refused(s3.upload_part, **place, PartNumber=1, Body=b"x") == (404, "NoSuchUpload")
    assert refused(s3.list_parts, **place) == (404, "NoSuchUpload")
    assert refused(s3.abort_multipart_upload, **place) == (404, "NoSuchUpload")
    listed = {"Parts": [{"PartNumber": 1, "ETag": "x"}]}
    assert refused(s3.complete_multipart_upload, **place, MultipartUpload=listed) == (404, "NoSuchUpload")


@pytest.mark.parametrize("name", ["%2e%2e", "a%2fb", "%00", ".storage", "..%2fetc"])
def test_a_name_that_no_bucket_bears_is_none(http: httpx.Client, name: str) -> None:
    answer = http.get(
        httpx.URL(str(http.base_url)).copy_with(raw_path=f"/{name}/passwd".encode()), headers={"x-amz-x": "1"}
    )
    assert 400 <= answer.status_code < 500
    assert quote("root:") not in answer.text
