"""Access keys, status and configuration, walked in a browser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError
from playwright.sync_api import Page, expect

from tests.console.walking import go, put, toast
from tests.support.service import SECRET_KEY, SERVICE_KEY, Service


def test_key_is_made_with_limits_shown_once_works_and_is_revoked(
    page: Page, api: httpx.Client, service: Service, bucket: str
) -> None:
    put(api, bucket, "a/x", b"read me")
    go(page, "#/keys")
    page.get_by_role("button", name="New key").click()
    page.get_by_label("What is it for?").fill(f"for {bucket}")
    for action in ("write", "delete"):
        page.get_by_role("dialog").get_by_label(action, exact=True).uncheck()
    page.get_by_label("Only in").fill(f"{bucket}/a/")
    page.get_by_label("It expires").select_option("in 30 days")
    page.get_by_role("button", name="Make key").click()
    access_key = page.get_by_label("Access key", exact=True).last.input_value()
    secret = page.get_by_label("Secret key", exact=True).last.input_value()
    page.get_by_role("button", name="Done").click()

    made = api.get(f"/api/v1/keys/{access_key}").json()
    assert (made["buckets"], made["actions"]) == ([f"{bucket}/a/"], ["list", "read"])
    assert datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC) > timedelta(days=29)
    s3 = boto3.client(
        "s3",
        endpoint_url=service.url,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret,
        region_name="us-east-1",
    )
    assert s3.get_object(Bucket=bucket, Key="a/x")["Body"].read() == b"read me"
    assert secret not in page.content()

    page.get_by_role("row", name=access_key).get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke", exact=True).click()
    toast(page, "Revoked")
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        s3.get_object(Bucket=bucket, Key="a/x")
    page.get_by_label("Show revoked keys").check()
    expect(page.get_by_role("row", name=access_key)).to_contain_text("revoked")


def test_key_says_when_it_was_used_last(page: Page, api: httpx.Client, service: Service, bucket: str) -> None:
    expires_at = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    made = api.post("/api/v1/keys", json={"buckets": [bucket], "expires_at": expires_at}).json()
    go(page, "#/keys")
    line = page.get_by_role("row", name=made["access_key"])
    expect(line).to_contain_text("never")
    sign_in = {"access_key": made["access_key"], "secret_key": made["secret_key"]}
    httpx.post(f"{service.url}/console/session", json=sign_in).raise_for_status()
    service.stop()  # when it is written down; else once a minute
    service.start()
    page.reload()
    expect(line).to_be_visible()
    expect(line).not_to_contain_text("never")
    assert api.get(f"/api/v1/keys/{made['access_key']}").json()["last_used_at"] is not None


def test_status_shows_disk_inodes_backlog_and_usage(page: Page, api: httpx.Client, bucket: str) -> None:
    put(api, bucket, "a", b"x" * 2048)
    go(page, "#/status")
    for label in ("Disk used", "Inodes used", "Backlog"):
        expect(page.get_by_role("meter", name=label)).to_be_visible()
    expect(page.get_by_text("healthy", exact=True)).to_be_visible()
    expect(page.get_by_role("row", name=bucket)).to_contain_text("2.00 KiB")


def test_configuration_is_shown_without_secrets(page: Page) -> None:
    go(page, "#/config")
    expect(page.get_by_role("row", name="DURABILITY")).to_contain_text("scratch")
    expect(page.get_by_role("row", name="SECRET_KEY Signs")).to_contain_text("set")
    page.get_by_label("Only what differs from the default").check()
    expect(page.get_by_role("row", name="MAX_OBJECT_BYTES")).to_have_count(0)
    text = page.content()
    assert SECRET_KEY not in text
    assert SERVICE_KEY not in text
