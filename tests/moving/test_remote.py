"""What other servers write: lists, errors, headers. By table."""

import http.client
from typing import Any

import pytest

from storage_service.remote.connection import headers_of
from storage_service.remote.endpoint import Endpoint, check_url, target_of
from storage_service.remote.errors import Unreachable, parse_xml, refused
from storage_service.remote.listing import parse_objects, parse_versions


def test_a_page_of_objects_is_read_with_its_encoding() -> None:
    page = parse_objects(
        parse_xml(
            b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><EncodingType>url</EncodingType>'
            b"<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
            b"<Contents><Key>a+b%2Fc%2B%C3%BC</Key><Size>5</Size><ETag>&quot;e&quot;</ETag>"
            b"<LastModified>2024-01-02T03:04:05.000Z</LastModified></Contents></ListBucketResult>"
        )
    )
    assert [(one.key, one.size, one.etag) for one in page.entries] == [("a b/c+ü", 5, "e")]
    assert page.after == {"continuation-token": "t"}


def test_a_list_that_is_cut_and_does_not_say_where_it_goes_on_is_an_error() -> None:
    with pytest.raises(Unreachable):
        parse_objects(parse_xml(b"<R><IsTruncated>true</IsTruncated></R>"))


def version(kind: str, key: str, name: str, latest: str, at: int) -> str:
    return (
        f"<{kind}><Key>{key}</Key><VersionId>{name}</VersionId><IsLatest>{latest}</IsLatest>"
        f"<LastModified>2024-01-0{at}T00:00:00Z</LastModified></{kind}>"
    )


VERSIONS = [
    pytest.param(
        [("Version", "a", "2", "true", 1), ("Version", "a", "1", "false", 2), ("DeleteMarker", "b", "4", "true", 1)],
        ["2", "1", "4"],
        id="in S3's order, whatever the clock said",
    ),
    pytest.param(
        [("Version", "a", "1", "false", 1), ("Version", "b", "3", "true", 1), ("DeleteMarker", "a", "2", "true", 2)],
        ["2", "1", "3"],
        id="markers behind all versions",
    ),
    pytest.param([("Version", "a", "1", "false", 1), ("DeleteMarker", "a", "2", "true", 2)], ["2", "1"], id="one key"),
]


@pytest.mark.parametrize(("rows", "names"), VERSIONS)
def test_versions_stand_newest_first_under_their_key(rows: list[tuple[Any, ...]], names: list[str]) -> None:
    text = "".join(version(*row) for row in rows)
    page = parse_versions(parse_xml(f"<R>{text}</R>".encode()))
    assert [one.version_id for one in page.entries] == names


ERRORS = [
    (b"<Error><Code>NoSuchKey</Code><Message>Not\n here</Message></Error>", "404 NoSuchKey: Not here"),
    (b"<html>nginx</html>", "404 HTTPError"),
    (b"", "404 HTTPError"),
    (b"<Error><Code>A&#x9b;B</Code></Error>", "404 A B"),
    (b'<!DOCTYPE x [<!ENTITY a "b">]><Error><Code>&a;</Code></Error>', "404 HTTPError"),
]


@pytest.mark.parametrize(("body", "words"), ERRORS)
def test_errors_are_told_in_words_that_do_no_harm(body: bytes, words: str) -> None:
    assert str(refused(404, body)) == words


@pytest.mark.parametrize(("status", "passing"), [(500, True), (503, True), (429, True), (501, False), (403, False)])
def test_which_errors_are_worth_another_try(status: int, passing: bool) -> None:
    assert refused(status, b"").passing is passing


def test_paths_and_queries_are_encoded_as_they_are_signed() -> None:
    endpoint = Endpoint("https://host:9000/base/")
    assert target_of(endpoint, "/b/a b/ü+%", {"z": "1 2", "a": ""}) == "/base/b/a%20b/%C3%BC%2B%25?a=&z=1%202"
    assert (endpoint.host, endpoint.is_tls) == ("host:9000", True)


@pytest.mark.parametrize("url", ["host:9000", "ftp://host", "http://", "http://u:p@host", "http://host?x"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        check_url(url)


class Answer:
    """What `http.client` makes of a head: every byte a letter of Latin-1."""

    def getheaders(self) -> list[tuple[str, str]]:
        return [("X-Amz-Meta-A", "é".encode().decode("latin-1")), ("X-Amz-Meta-B", "\xe9"), ("ETag", '"x"')]


def test_values_of_headers_are_utf_8_where_they_can_be() -> None:
    answer: http.client.HTTPResponse = Answer()  # type: ignore[assignment]
    assert headers_of(answer) == {"x-amz-meta-a": "é", "x-amz-meta-b": "é", "etag": '"x"'}
