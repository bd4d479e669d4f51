"""Buckets and their settings, walked in a browser."""

from __future__ import annotations

import json

import httpx
from playwright.sync_api import Page, expect

from tests.console.walking import go, open_files, put, toast, until
from tests.support.service import Service


def test_bucket_is_made_listed_with_its_counts_and_deleted_after_typing_its_name(page: Page, api: httpx.Client) -> None:
    page.get_by_role("button", name="New bucket").click()
    page.get_by_label("Name").fill("made-in-a-browser")
    page.get_by_label("Quota").fill("1.5 GB")
    page.get_by_role("button", name="Make bucket").click()
    expect(page.get_by_text("This folder is empty")).to_be_visible()
    made = api.get("/buckets/made-in-a-browser").json()
    assert (made["is_public"], made["quota_bytes"], made["versioning"]) == (False, 3 * 2**29, "off")

    put(api, "made-in-a-browser", "a.txt", b"12345")
    go(page, "#/")
    row = page.get_by_role("row", name="made-in-a-browser")
    expect(row).to_contain_text("5 bytes")
    row.get_by_role("button", name="Actions of made-in-a-browser").click()
    page.get_by_role("menuitem", name="Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Delete bucket")).to_be_disabled()
    dialog.get_by_label("Type made-in-a-browser to confirm").fill("made-in-a-browser")
    dialog.get_by_role("button", name="Delete bucket").click()
    until(lambda: api.get("/buckets/made-in-a-browser").status_code, 404)


def test_wrong_name_is_explained_by_the_service(page: Page, bucket: str) -> None:
    page.get_by_role("button", name="New bucket").click()
    page.get_by_label("Name").fill(bucket)
    page.get_by_role("button", name="Make bucket").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("exists")


def test_general_settings_are_saved(page: Page, api: httpx.Client, bucket: str) -> None:
    go(page, f"#/settings/{bucket}/general")
    page.get_by_label("Public: anyone may read its files").check()
    page.get_by_label("and anyone may list them").uncheck()
    page.get_by_label("Description").fill("For the tests")
    page.get_by_role("combobox", name="Versions").select_option("on")
    page.get_by_label("Quota").fill("20 MiB")
    page.get_by_label("Most files").fill("100")
    page.get_by_label("Largest file").fill("5 MB")
    page.get_by_label("Allowed types").fill("image/*, text/plain")
    page.get_by_role("button", name="Save").click()
    toast(page, "Saved")
    found = api.get(f"/buckets/{bucket}").json()
    assert (found["is_public"], found["public_list"], found["description"]) == (True, False, "For the tests")
    assert (found["versioning"], found["quota_bytes"], found["quota_objects"]) == ("on", 20 * 2**20, 100)
    assert (found["max_object_bytes"], found["allowed_mime_types"]) == (5 * 2**20, ["image/*", "text/plain"])


def configuration(api: httpx.Client, bucket: str, name: str) -> object:
    return api.get(f"/api/v1/buckets/{bucket}/configuration").json()[name]


def test_cors_rules_are_added_and_removed(page: Page, api: httpx.Client, service: Service, bucket: str) -> None:
    go(page, f"#/settings/{bucket}/cors")
    page.get_by_role("button", name="Add rule").click()
    page.get_by_label("Origins").fill("https://app.example.org")
    page.get_by_label("PUT").check()
    page.get_by_role("button", name="Save rules").click()
    rule = {"origins": ["https://app.example.org"], "methods": ["GET", "PUT"], "headers": ["*"]}
    until(lambda: configuration(api, bucket, "cors"), [{**rule, "expose": ["ETag"], "max_age": 3600}])
    preflight = {"Origin": "https://app.example.org", "Access-Control-Request-Method": "PUT"}
    answer = httpx.options(f"{service.url}/files/upload-direct/{bucket}/x", headers=preflight)
    assert answer.headers["access-control-allow-origin"] == "https://app.example.org"
    page.get_by_role("button", name="Remove rule 1").click()
    page.get_by_role("button", name="Save rules").click()
    until(lambda: configuration(api, bucket, "cors"), [])


def test_lifecycle_rule_is_saved(page: Page, api: httpx.Client, bucket: str) -> None:
    go(page, f"#/settings/{bucket}/lifecycle")
    page.get_by_role("button", name="Add rule").click()
    page.get_by_label("For keys that begin with").fill("tmp/")
    page.get_by_label("Files end after days").fill("7")
    page.get_by_label("Old versions end after days").fill("3")
    page.get_by_role("button", name="Save rules").click()
    toast(page, "Saved")
    (rule,) = api.get(f"/api/v1/buckets/{bucket}/configuration").json()["lifecycle"]
    assert (rule["filter"], rule["expiration"], rule["noncurrent"]) == ({"prefix": "tmp/"}, {"days": 7}, {"days": 3})


def test_tags_of_a_bucket_are_saved(page: Page, api: httpx.Client, bucket: str) -> None:
    go(page, f"#/settings/{bucket}/tags")
    page.get_by_role("button", name="Add").click()
    page.get_by_label("Tags: name 1").fill("team")
    page.get_by_label("Tags: value 1").fill("blue")
    page.get_by_role("button", name="Save tags").click()
    until(lambda: configuration(api, bucket, "tags"), {"team": "blue"})


def test_policy_is_tried_before_it_is_saved_and_then_holds(
    page: Page, api: httpx.Client, service: Service, bucket: str
) -> None:
    put(api, bucket, "public/a.txt")
    go(page, f"#/settings/{bucket}/access")
    answer = page.locator("[data-test=answer]")
    page.get_by_label("to which key").fill("public/a.txt")
    page.get_by_role("button", name="Ask").click()
    expect(answer).to_contain_text("No")
    page.get_by_label("Begin with").select_option("Anyone may read files below public/")
    page.get_by_role("button", name="Ask").click()
    expect(answer).to_contain_text("Yes A statement of the policy allows it")
    url = f"{service.url}/files/download/{bucket}/public/a.txt"
    assert httpx.get(url).status_code == 403, "asking changes nothing"
    page.get_by_role("button", name="Save policy").click()
    toast(page, "Saved")
    assert httpx.get(url).status_code == 200
    expect(page.get_by_text("The world can reach something")).to_be_visible()


def test_policy_that_is_no_json_cannot_be_saved(page: Page, api: httpx.Client, bucket: str) -> None:
    go(page, f"#/settings/{bucket}/access")
    page.get_by_label("Policy as JSON").fill("{")
    expect(page.get_by_role("alert")).to_contain_text("Not JSON")
    expect(page.get_by_role("button", name="Save policy")).to_be_disabled()
    page.get_by_label("Policy as JSON").fill(json.dumps({"Statement": [{"Effect": "Maybe"}]}))
    page.get_by_role("button", name="Save policy").click()
    toast(page, "Invalid effect")
    assert configuration(api, bucket, "policy") is None


def test_connect_shows_lines_for_every_client_with_this_bucket(page: Page, bucket: str) -> None:
    open_files(page, bucket)
    page.get_by_role("button", name="Connect").click()
    dialog = page.get_by_role("dialog")
    for client in ("curl", "Python", "JavaScript", "aws", "rclone", "restic", "mc"):
        dialog.get_by_role("tab", name=client, exact=True).click()
        expect(dialog.locator("pre")).to_contain_text(bucket)


def test_usage_tells_what_is_kept(page: Page, api: httpx.Client, bucket: str) -> None:
    put(api, bucket, "a", b"x" * 1000)
    put(api, bucket, "a", b"x" * 500)
    go(page, f"#/settings/{bucket}/usage")
    expect(page.get_by_text("500 bytes")).to_be_visible()
    expect(page.get_by_text("1000 bytes")).to_be_visible()
