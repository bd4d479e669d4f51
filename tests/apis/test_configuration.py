"""A bucket's policy, CORS, lifecycle and tags in JSON; who may do what under a policy; unfinished uploads; settings."""

from base64 import b64encode
from typing import Any

import httpx
import pytest

from tests.apis.asking import NOBODY, OWN, SERVICE, get, invalid, post, put, refused, said
from tests.apis.callers import OWNER, SECRET_KEY, SERVICE_KEY, STRANGER, Bucket


def allowing(bucket: Bucket, **more: Any) -> dict[str, Any]:
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket.name}/open/*",
    }
    return {"Version": "2012-10-17", "Statement": [statement | more]}


async def change(client: httpx.AsyncClient, bucket: Bucket, **fields: Any) -> httpx.Response:
    return await client.patch(f"/api/v1/buckets/{bucket.name}/configuration", json=fields, headers=OWN)


async def test_configuration_is_set_field_by_field_and_taken_away_by_null(
    client: httpx.AsyncClient, private: Bucket
) -> None:
    rule = {
        "id": "tmp",
        "status": "Enabled",
        "filter": {"prefix": "tmp/", "tags": {"a": "b"}},
        "expiration": {"days": 3},
    }
    cors = {"origins": ["https://a.example"], "methods": ["GET"], "headers": ["*"], "expose": []}
    assert said(await change(client, private, cors=[cors], tags={"team": "blue"}))["cors"] == [cors]
    found = said(await change(client, private, lifecycle=[rule], policy=allowing(private)))
    assert (found["lifecycle"], found["tags"], found["is_public"]) == ([rule], {"team": "blue"}, True)
    assert found["policy"] == allowing(private)
    found = said(await change(client, private, policy=None, lifecycle=None, cors=None, tags=None))
    assert found == {"policy": None, "cors": [], "lifecycle": [], "tags": {}, "is_public": False}
    assert await get(client, f"/api/v1/buckets/{private.name}/configuration") == found


@pytest.mark.parametrize(
    "fields",
    [
        {"cors": [{"origins": [], "methods": ["GET"]}]},
        {"cors": [{"origins": ["*"], "methods": ["TRACE"]}]},
        {"cors": [{"origins": ["*.*"], "methods": ["GET"]}]},
        {"lifecycle": [{"filter": {}}]},
        {"lifecycle": [{"expiration": {"days": 1, "marker": True}}]},
        {"lifecycle": [{"abort_days": 1, "filter": {"size_over": 1}}]},
        {"lifecycle": [{"id": "a", "abort_days": 1}, {"id": "a", "abort_days": 2}]},
        {"tags": {"aws:x": "y"}},
    ],
)
async def test_configuration_that_makes_no_sense_is_refused(
    client: httpx.AsyncClient, private: Bucket, fields: dict[str, Any]
) -> None:
    invalid(await change(client, private, **fields))


async def test_policy_is_checked_before_it_is_kept(client: httpx.AsyncClient, private: Bucket) -> None:
    other = allowing(private, Resource="arn:aws:s3:::another-bucket/*")
    assert refused(await change(client, private, policy=other), 400)["code"] == "malformed_policy"


async def ask(client: httpx.AsyncClient, bucket: Bucket, **question: Any) -> tuple[bool, str]:
    found = await post(client, f"/api/v1/buckets/{bucket.name}/access", question, status=200)
    return found["allowed"], found["reason"]


async def test_questions_are_answered_as_requests_would_be(client: httpx.AsyncClient, private: Bucket) -> None:
    await put(client, private, "open/a")
    assert await ask(client, private, user=OWNER, key="x") == (True, "The bucket is theirs")
    assert (await ask(client, private, key="open/a"))[0] is False
    draft = allowing(private)
    assert await ask(client, private, key="open/a", policy=draft) == (True, "A statement of the policy allows it")
    assert (await client.get(f"/files/download/{private.name}/open/a", headers=NOBODY)).status_code == 403
    said(await change(client, private, policy=draft))
    assert await ask(client, private, user=STRANGER, key="open/a") == (True, "A statement of the policy allows it")
    assert (await ask(client, private, user=STRANGER, key="open/a", action="delete_object"))[0] is False
    denying = allowing(private, Effect="Deny")
    answer = await ask(client, private, user=OWNER, key="open/a", policy=denying)
    assert answer == (False, "A statement of the policy denies it")


async def test_public_bucket_is_the_reason(client: httpx.AsyncClient, public: Bucket) -> None:
    assert await ask(client, public, key="x") == (True, "The bucket is public")


# Unfinished uploads and the service itself --------------------------------------------------------------------------


async def test_unfinished_uploads_are_listed_by_pages_and_ended(client: httpx.AsyncClient, private: Bucket) -> None:
    for key in ("a", "b", "c"):
        words = ((name, b64encode(text.encode()).decode()) for name, text in (("bucket", private.name), ("key", key)))
        sent = {"Tus-Resumable": "1.0.0", "Upload-Length": "10", "Upload-Metadata": ",".join(map(" ".join, words))}
        assert (await client.post("/files/resumable", headers={**OWN, **sent})).status_code == 201
    path = f"/api/v1/uploads/{private.name}"
    first = await get(client, f"{path}?limit=2")
    assert [(one["key"], one["kind"], one["length"]) for one in first["uploads"]] == [
        ("a", "resumable", 10),
        ("b", "resumable", 10),
    ]
    (last,) = (await get(client, f"{path}?cursor={first['cursor']}"))["uploads"]
    assert (await client.delete(f"{path}/{last['id']}", headers=OWN)).status_code == 204
    assert refused(await client.delete(f"{path}/{last['id']}", headers=OWN), 404)["code"] == "no_such_upload"
    assert len((await get(client, path))["uploads"]) == 2


async def test_upload_is_ended_by_its_own_bucket_only(
    client: httpx.AsyncClient, private: Bucket, public: Bucket
) -> None:
    pair = f"bucket {b64encode(private.name.encode()).decode()},key {b64encode(b'k').decode()}"
    sent = {**OWN, "Tus-Resumable": "1.0.0", "Upload-Length": "10", "Upload-Metadata": pair}
    await client.post("/files/resumable", headers=sent)
    (upload,) = (await get(client, f"/api/v1/uploads/{private.name}"))["uploads"]
    assert (await client.delete(f"/api/v1/uploads/{public.name}/{upload['id']}", headers=OWN)).status_code == 404


async def test_settings_say_what_is_and_no_secret(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/settings", headers=SERVICE)
    found = {one["name"]: one for one in said(answer)["settings"]}
    assert (found["DURABILITY"]["value"], found["DURABILITY"]["is_default"]) == ("scratch", False)
    assert (found["SECRET_KEY"]["value"], found["CONSOLE_PASSWORD"]["value"]) == ("set", "")
    assert SECRET_KEY not in answer.text
    assert SERVICE_KEY not in answer.text


@pytest.mark.parametrize("odd", ["1" + "0" * 30, '"\\ud819"'], ids=["number of 31 digits", "half a character"])
async def test_policy_that_json_elsewhere_does_not_know_is_a_fault_of_the_request(
    client: httpx.AsyncClient, private: Bucket, odd: str
) -> None:
    """Found by schemathesis: it was answered 500."""
    headers = OWN | {"content-type": "application/json"}
    place = f"/api/v1/buckets/{private.name}"
    asked = f'{{"action": "read_object", "key": "a", "policy": {{"Version": {odd}}}}}'
    assert (await client.post(f"{place}/access", content=asked, headers=headers)).status_code == 422
    given = f'{{"policy": {{"Version": {odd}}}}}'
    assert (await client.patch(f"{place}/configuration", content=given, headers=headers)).status_code == 422
