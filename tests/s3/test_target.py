"""What a request's address names."""

import pytest

from storage_service.app.core.errors import InvalidURI, KeyTooLong
from storage_service.app.s3.target import Target, is_hosted, parse_target

DOMAINS = ("s3.example.org", "s3.internal")


@pytest.mark.parametrize(
    ("path", "target"),
    [
        (b"/", Target("")),
        (b"/photos", Target("photos")),
        (b"/photos/", Target("photos")),
        (b"/photos/cat.jpg", Target("photos", "cat.jpg")),
        (b"/photos//cat", Target("photos", "/cat")),
        (b"/photos/a//b/", Target("photos", "a//b/")),
        (b"/photos/a%2Fb", Target("photos", "a/b")),
        (b"/pho%2Ftos/a", Target("pho/tos", "a")),
        (b"/photos/a+b%20c%2B", Target("photos", "a+b c+")),
        (b"/photos/%C3%A9", Target("photos", "é")),
        (b"/photos/%252e", Target("photos", "%2e")),
        (b"/photos/..%2F..%2Fetc", Target("photos", "../../etc")),
        (b"/photos/100%", Target("photos", "100%")),
    ],
)
def test_paths_are_split_before_they_are_decoded(path: bytes, target: Target) -> None:
    assert parse_target(path, "localhost:8001", ()) == target


@pytest.mark.parametrize("path", [b"/photos/%ff", b"/%ff", b"/photos/\xff"])
def test_what_is_not_utf8_is_no_address(path: bytes) -> None:
    with pytest.raises(InvalidURI):
        parse_target(path, "", ())


@pytest.mark.parametrize("key", ["k" * 1025, "é" * 513, "😀" * 257])
def test_a_key_longer_than_s3s_is_refused_at_once(key: str) -> None:
    assert parse_target(f"/photos/{key[:-1]}".encode(), "", ()).key == key[:-1]
    with pytest.raises(KeyTooLong):
        parse_target(f"/photos/{key}".encode(), "", ())


@pytest.mark.parametrize(
    ("host", "path", "target"),
    [
        ("photos.s3.example.org", b"/cat.jpg", Target("photos", "cat.jpg", hosted=True)),
        ("photos.S3.example.org:8001", b"/", Target("photos", "", hosted=True)),
        ("a.b.s3.example.org", b"/x", Target("a.b", "x", hosted=True)),
        ("photos.s3.internal.", b"/x/y", Target("photos", "x/y", hosted=True)),
        ("s3.example.org", b"/photos/x", Target("photos", "x")),
        ("photos.other.org", b"/photos/x", Target("photos", "x")),
        ("photos-s3.example.org", b"/photos/x", Target("photos", "x")),
        ("[::1]:8001", b"/photos/x", Target("photos", "x")),
    ],
)
def test_a_host_under_a_domain_names_the_bucket(host: str, path: bytes, target: Target) -> None:
    assert parse_target(path, host, DOMAINS) == target


@pytest.mark.parametrize(
    ("host", "domains", "hosted"),
    [
        ("s3.example.org", DOMAINS, True),
        ("s3.example.org:443", DOMAINS, True),
        ("x.s3.example.org", DOMAINS, True),
        ("xs3.example.org", DOMAINS, False),
        ("s3.example.org", (), False),
    ],
)
def test_a_host_is_ours_under_a_domain_or_as_one(host: str, domains: tuple[str, ...], hosted: bool) -> None:
    assert is_hosted(host, domains) is hosted
