"""Websites: what a browser sees of a bucket that has one."""

from typing import Any

import httpx
import pytest

from storage_service.app.core.errors import StorageError
from storage_service.app.s3.configuration.website import parse_website_xml, render_website_xml
from storage_service.app.s3.reading import parse_xml
from tests.s3.asking import refused

Client = Any
SITE = {
    "IndexDocument": {"Suffix": "index.html"},
    "ErrorDocument": {"Key": "oops.html"},
    "RoutingRules": [
        {"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": "new/"}},
        {
            "Condition": {"HttpErrorCodeReturnedEquals": "404", "KeyPrefixEquals": "lost/"},
            "Redirect": {"HostName": "example.org", "Protocol": "https", "HttpRedirectCode": "302"},
        },
    ],
}
PAGES = {"index.html": b"home", "docs/index.html": b"docs", "new/a": b"a", "oops.html": b"oops"}


@pytest.fixture
def site(s3: Client, bucket: str) -> str:
    for key, body in PAGES.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="text/html", ACL="public-read")
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=SITE)
    return bucket


def test_a_website_is_kept_and_removed(s3: Client, bucket: str) -> None:
    assert refused(s3.get_bucket_website, Bucket=bucket) == (404, "NoSuchWebsiteConfiguration")
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=SITE)
    found = s3.get_bucket_website(Bucket=bucket)
    assert {name: found[name] for name in SITE} == SITE
    s3.delete_bucket_website(Bucket=bucket)
    assert refused(s3.get_bucket_website, Bucket=bucket) == (404, "NoSuchWebsiteConfiguration")


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("", 200, b"home"),
        ("/", 200, b"home"),
        ("/index.html", 200, b"home"),
        ("/docs/", 200, b"docs"),
        ("/?utm_source=letter", 200, b"home"),
        ("/docs/?v=2", 200, b"docs"),
        ("/new/a", 200, b"a"),
        ("/nothing", 404, b"oops"),
        ("/nothing/", 404, b"oops"),
    ],
)
def test_pages(http: httpx.Client, site: str, path: str, status: int, body: bytes) -> None:
    answer = http.get(f"/{site}{path}")
    assert (answer.status_code, answer.content) == (status, body)
    assert answer.headers["content-type"] == "text/html"
    head = http.head(f"/{site}{path}")
    assert (head.status_code, head.headers["content-length"]) == (status, str(len(body)))


@pytest.mark.parametrize(
    ("path", "status", "location"),
    [
        ("/docs", 302, "/{b}/docs/"),
        ("/old/a", 301, "/{b}/new/a"),
        ("/lost/x y", 302, "https://example.org/lost/x%20y"),
    ],
)
def test_redirects(http: httpx.Client, site: str, path: str, status: int, location: str) -> None:
    answer = http.get(f"/{site}{path}")
    assert (answer.status_code, answer.headers["location"]) == (status, location.format(b=site))


def test_a_browser_is_led_to_the_slash_that_relative_links_need(http: httpx.Client, site: str) -> None:
    answer = http.get(f"/{site}", headers={"accept": "text/html,*/*;q=0.8"})
    assert (answer.status_code, answer.headers["location"]) == (302, f"/{site}/")
    assert http.get(f"/{site}/", headers={"accept": "text/html"}).content == b"home"
    host = {"host": f"{site}.s3.example.test", "accept": "text/html"}
    assert http.get("/", headers=host).content == b"home"


def test_under_a_host_of_its_own_the_bucket_is_not_in_the_path(http: httpx.Client, site: str) -> None:
    host = {"host": f"{site}.s3.example.test"}
    assert http.get("/", headers=host).content == b"home"
    assert http.get("/docs", headers=host).headers["location"] == "/docs/"
    assert http.get("/old//example.com", headers=host).headers["location"] == "/new//example.com"


def test_an_object_may_redirect(s3: Client, http: httpx.Client, site: str) -> None:
    there = "https://example.org/there"
    s3.put_object(Bucket=site, Key="here", Body=b"", WebsiteRedirectLocation=there, ACL="public-read")
    assert http.get(f"/{site}/here").headers["location"] == there


def test_everything_may_be_redirected(s3: Client, http: httpx.Client, bucket: str) -> None:
    everything = {"RedirectAllRequestsTo": {"HostName": "example.org", "Protocol": "https"}}
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=everything)
    answer = http.get(f"/{bucket}/a/b")
    assert (answer.status_code, answer.headers["location"]) == (301, "https://example.org/a/b")


def test_a_website_opens_nothing(s3: Client, http: httpx.Client, site: str) -> None:
    s3.put_object(Bucket=site, Key="secret", Body=b"hidden")
    answer = http.get(f"/{site}/secret")
    assert (answer.status_code, answer.content) == (403, b"oops")
    s3.put_object_acl(Bucket=site, Key="oops.html", ACL="private")
    assert http.get(f"/{site}/secret").headers["content-type"] == "application/xml"


def test_who_signs_or_asks_for_more_means_s3(s3: Client, anonymous: Client, http: httpx.Client, site: str) -> None:
    assert refused(s3.get_object, Bucket=site, Key="docs/") == (404, "NoSuchKey")
    assert len(anonymous.list_objects_v2(Bucket=site)["Contents"]) == len(PAGES)
    assert b"<ListBucketResult" in http.get(f"/{site}?list-type=2").content


@pytest.mark.parametrize(
    "inner",
    [
        "",
        "<ErrorDocument><Key>a</Key></ErrorDocument>",
        "<IndexDocument/>",
        "<IndexDocument><Suffix></Suffix></IndexDocument>",
        "<IndexDocument><Suffix>a/b</Suffix></IndexDocument>",
        "<RedirectAllRequestsTo/>",
        "<RedirectAllRequestsTo><HostName>a b</HostName></RedirectAllRequestsTo>",
        "<RedirectAllRequestsTo><HostName>a/b</HostName></RedirectAllRequestsTo>",
        "<RedirectAllRequestsTo><HostName>a</HostName><Protocol>ftp</Protocol></RedirectAllRequestsTo>",
        "<RedirectAllRequestsTo><HostName>a</HostName></RedirectAllRequestsTo><IndexDocument/>",
        *[
            f"<IndexDocument><Suffix>i</Suffix></IndexDocument><RoutingRules><RoutingRule>{rule}</RoutingRule></RoutingRules>"
            for rule in (
                "",
                "<Redirect/>",
                "<Redirect><HttpRedirectCode>200</HttpRedirectCode></Redirect>",
                "<Redirect><HttpRedirectCode>x</HttpRedirectCode></Redirect>",
                "<Redirect><ReplaceKeyWith>a</ReplaceKeyWith><ReplaceKeyPrefixWith>b</ReplaceKeyPrefixWith></Redirect>",
                "<Condition/><Redirect><HostName>a</HostName></Redirect>",
                "<Condition><HttpErrorCodeReturnedEquals>200</HttpErrorCodeReturnedEquals></Condition>"
                "<Redirect><HostName>a</HostName></Redirect>",
            )
        ],
    ],
)
def test_websites_that_make_no_sense_are_refused(inner: str) -> None:
    document = f"<WebsiteConfiguration>{inner}</WebsiteConfiguration>".encode()
    with pytest.raises(StorageError):
        parse_website_xml(parse_xml(document, "WebsiteConfiguration"))


def test_a_document_survives_the_way_through_json() -> None:
    inner = (
        "<IndexDocument><Suffix>i.html</Suffix></IndexDocument><RoutingRules><RoutingRule>"
        "<Condition><KeyPrefixEquals>a&amp;b</KeyPrefixEquals></Condition>"
        "<Redirect><HostName>example.org</HostName><HttpRedirectCode>307</HttpRedirectCode></Redirect>"
        "</RoutingRule></RoutingRules>"
    )
    document = f"<WebsiteConfiguration>{inner}</WebsiteConfiguration>".encode()
    found = parse_website_xml(parse_xml(document, "WebsiteConfiguration"))
    rendered = render_website_xml(found).encode()
    assert parse_website_xml(parse_xml(rendered, "WebsiteConfiguration")) == found
