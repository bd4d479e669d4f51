"""Signing in and out, in a browser and by hand."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.console.conftest import PASSWORD, PATIENCE_MS, ROOT, watch
from tests.support.service import OWNER, SERVICE_KEY, Service


@pytest.fixture
def stranger(browser: Browser, service: Service) -> Iterator[Page]:
    """Nobody yet, at the sign-in page."""
    with browser.new_context() as context:
        page = context.new_page()
        faults = watch(page)
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"{service.url}/console/")
        yield page
        assert faults == []


def submit(page: Page, way: str, **fields: str) -> None:
    page.get_by_role("tab", name=way).click()
    for name, value in fields.items():
        page.fill(f"[name={name}]", value)
    page.get_by_role("button", name="Sign in").click()


def test_password_signs_in_with_all_rights(stranger: Page) -> None:
    submit(stranger, "Password", password=PASSWORD)
    expect(stranger.locator("[data-test=who]")).to_have_text("operator")
    expect(stranger.get_by_role("link", name="Configuration")).to_be_visible()


def test_root_pair_signs_in(stranger: Page) -> None:
    submit(stranger, "Access key", access_key=ROOT[0], secret_key=ROOT[1])
    expect(stranger.locator("[data-test=who]")).to_have_text(ROOT[0])


def test_login_token_signs_in_as_its_user_who_sees_no_pages_of_operators(stranger: Page, service: Service) -> None:
    submit(stranger, "Token", token=service.token())
    expect(stranger.locator("[data-test=who]")).to_have_text(OWNER)
    expect(stranger.get_by_role("link", name="Configuration")).to_have_count(0)


def test_wrong_password_signs_nobody_in(stranger: Page) -> None:
    submit(stranger, "Password", password="a-guess-of-somebody")
    expect(stranger.get_by_role("alert")).to_contain_text("Nobody was signed in")


def test_signing_out_ends_the_session_for_good(stranger: Page, service: Service) -> None:
    submit(stranger, "Password", password=PASSWORD)
    expect(stranger.get_by_role("heading", name="Buckets", exact=True)).to_be_visible()
    cookies = {cookie["name"]: cookie["value"] for cookie in stranger.context.cookies()}
    stranger.get_by_role("button", name="Sign out").click()
    expect(stranger.get_by_role("button", name="Sign in")).to_be_visible()
    kept = httpx.get(f"{service.url}/console/session", cookies=cookies)
    assert kept.json()["subject"] is None


def test_session_that_ended_elsewhere_says_so_and_the_page_goes_on_after_signing_in(
    stranger: Page, service: Service
) -> None:
    submit(stranger, "Password", password=PASSWORD)
    expect(stranger.get_by_role("heading", name="Buckets", exact=True)).to_be_visible()
    stranger.context.clear_cookies()
    stranger.get_by_role("link", name="Access keys").click()
    expect(stranger.get_by_text("Your session has ended")).to_be_visible()
    submit(stranger, "Password", password=PASSWORD)
    expect(stranger.get_by_role("heading", name="Access keys", exact=True)).to_be_visible()


# By hand --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def session(service: Service) -> Iterator[httpx.Client]:
    """A client that has signed in and sends the cookie, as a browser does, and nothing else."""
    with httpx.Client(base_url=service.url, timeout=60) as client:
        answer = client.post("/console/session", json={"password": PASSWORD})
        assert answer.status_code == 201, answer.text
        client.headers["x-test-csrf"] = answer.json()["csrf_token"]
        yield client


def test_cookie_is_out_of_reach_of_scripts_and_other_sites(service: Service) -> None:
    answer = httpx.post(f"{service.url}/console/session", json={"password": PASSWORD})
    said = answer.headers["set-cookie"]
    assert "HttpOnly" in said
    assert "SameSite=Strict" in said


def test_cookie_alone_reads_and_changes_nothing(session: httpx.Client, bucket: str) -> None:
    assert session.get(f"/buckets/{bucket}").status_code == 200
    for answer in (
        session.post("/buckets", json={"name": "by-another-site"}),
        session.delete(f"/buckets/{bucket}"),
        session.put(f"/files/upload-direct/{bucket}/x", content=b"x"),
        session.get("/api/v1/settings"),
    ):
        assert answer.status_code == 403, answer.request.url


def test_cookie_with_the_sessions_word_may_all_that_its_owner_may(session: httpx.Client, bucket: str) -> None:
    word = {"X-CSRF-Token": session.headers["x-test-csrf"]}
    assert session.put(f"/files/upload-direct/{bucket}/x", content=b"x", headers=word).status_code == 201
    assert session.get("/api/v1/settings", headers=word).status_code == 200
    assert session.get(f"/buckets/{bucket}", headers={"X-CSRF-Token": "a" * 64}).status_code == 401


def test_cookie_that_no_longer_holds_is_nobody_to_public_links_and_refused_to_the_console(
    session: httpx.Client, service: Service, bucket: str
) -> None:
    word = {"X-CSRF-Token": session.headers["x-test-csrf"]}
    session.put(f"/buckets/{bucket}", json={"is_public": True}, headers=word).raise_for_status()
    session.put(f"/files/upload-direct/{bucket}/x", content=b"x", headers=word).raise_for_status()
    cookies = dict(session.cookies)
    assert session.delete("/console/session", headers=word).status_code == 204
    assert httpx.get(f"{service.url}/storage/{bucket}/x", cookies=cookies).status_code == 200
    assert httpx.get(f"{service.url}/buckets/{bucket}", cookies=cookies, headers=word).status_code == 401


def test_session_of_an_access_key_ends_with_the_key_and_has_its_limits(service: Service, bucket: str) -> None:
    with httpx.Client(base_url=service.url, headers={"X-API-Key": SERVICE_KEY}) as operator:
        made = operator.post("/api/v1/keys", json={"buckets": [bucket], "actions": ["read", "list"]}).json()
        said = {"access_key": made["access_key"], "secret_key": made["secret_key"]}
        with httpx.Client(base_url=service.url) as client:
            word = {"X-CSRF-Token": client.post("/console/session", json=said).json()["csrf_token"]}
            assert client.get(f"/files/list/{bucket}", headers=word).status_code == 200
            assert client.put(f"/files/upload-direct/{bucket}/x", content=b"x", headers=word).status_code == 403
            operator.delete(f"/api/v1/keys/{made['access_key']}").raise_for_status()
            assert client.get(f"/files/list/{bucket}", headers=word).status_code == 401


def test_sign_in_takes_json_only_and_one_kind_of_credential(service: Service) -> None:
    url = f"{service.url}/console/session"
    assert httpx.post(url, data={"password": PASSWORD}).status_code == 415
    assert httpx.post(url, json={"password": PASSWORD, "token": "x"}).status_code == 400
    assert httpx.post(url, json={"token": "a0" * 32}).status_code == 401, "the anon key names nobody"
