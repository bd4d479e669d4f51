"""S3 access keys through the JSON door."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.apis.asking import OTHER, OWN, SERVICE
from tests.apis.callers import OWNER

KEYS = "/api/v1/keys"


async def make(client: httpx.AsyncClient, headers: dict[str, str] = OWN, **fields: object) -> httpx.Response:
    return await client.post(KEYS, json=fields, headers=headers)


async def listed(
    client: httpx.AsyncClient, headers: dict[str, str] = OWN, query: str = ""
) -> dict[str, dict[str, object]]:
    answer = await client.get(KEYS + query, headers=headers)
    assert answer.status_code == 200, answer.text
    return {key["access_key"]: key for key in answer.json()["keys"]}


async def test_secret_is_shown_once(client: httpx.AsyncClient) -> None:
    answer = await make(client, description="backup", buckets=["photos", "docs/2026/"], actions=["read", "list"])
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (len(made["access_key"]), len(made["secret_key"])) == (20, 40)
    assert answer.headers["cache-control"] == "no-store"
    assert (made["owner_id"], made["description"]) == (OWNER, "backup")
    assert (made["buckets"], made["actions"]) == (["photos", "docs/2026/"], ["list", "read"])
    for text in (
        (await client.get(KEYS, headers=OWN)).text,
        (await client.get(f"{KEYS}/{made['access_key']}", headers=OWN)).text,
    ):
        assert made["access_key"] in text
        assert made["secret_key"] not in text


async def test_key_without_limits_says_so(client: httpx.AsyncClient) -> None:
    made = (await make(client)).json()
    assert (made["buckets"], made["actions"]) == ([], ["delete", "list", "read", "write"])
    assert (made["expires_at"], made["revoked_at"], made["last_used_at"]) == (None, None, None)


async def test_revoked_key_is_gone_from_the_list_but_not_forgotten(client: httpx.AsyncClient) -> None:
    access_key = (await make(client)).json()["access_key"]
    assert (await client.delete(f"{KEYS}/{access_key}", headers=OWN)).status_code == 204
    assert access_key not in await listed(client)
    assert (await listed(client, query="?include_revoked=true"))[access_key]["revoked_at"]
    assert (await client.get(f"{KEYS}/{access_key}", headers=OWN)).json()["revoked_at"]


async def test_users_see_their_own_keys_and_admins_all(client: httpx.AsyncClient) -> None:
    mine, theirs = [(await make(client, headers)).json()["access_key"] for headers in (OWN, OTHER)]
    assert mine in await listed(client) and theirs not in await listed(client)
    assert {mine, theirs} <= (await listed(client, SERVICE)).keys()


async def test_only_admins_make_keys_for_others(client: httpx.AsyncClient) -> None:
    assert (await make(client, owner_id="somebody")).status_code == 403
    assert (await make(client, owner_id="@service")).status_code == 403
    assert (await make(client, owner_id=OWNER)).status_code == 201
    made = await make(client, SERVICE, owner_id="somebody")
    assert (made.status_code, made.json()["owner_id"]) == (201, "somebody")
    assert (await make(client, SERVICE)).json()["owner_id"] == "@service"


async def test_expiry_is_in_the_future(client: httpx.AsyncClient) -> None:
    soon = datetime.now(UTC) + timedelta(days=1)
    assert (await make(client, expires_at=soon.isoformat())).json()["expires_at"].startswith(soon.strftime("%Y-%m-%dT"))
    assert (await make(client, expires_at="2020-01-01T00:00:00Z")).status_code == 422


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"actions": ["fly"]}, 422),
        ({"buckets": ["UPPER/x"]}, 400),
        ({"buckets": ["../etc"]}, 400),
        ({"buckets": ["photos"] * 101}, 422),
        ({"description": "x" * 1025}, 422),
        ({"description": "\x00"}, 400),
        ({"owner_id": ""}, 422),
    ],
)
async def test_field_that_cannot_be_meant_is_refused(
    client: httpx.AsyncClient, fields: dict[str, Any], status: int
) -> None:
    before = await listed(client, SERVICE)
    assert (await make(client, **fields)).status_code == status
    assert (await listed(client, SERVICE)).keys() == before.keys()


async def test_doctor_says_which_line_differs(client: httpx.AsyncClient) -> None:
    authorization = (
        "AWS4-HMAC-SHA256 Credential=NOSUCHKEY/20260524/us-east-1/s3/aws4_request,"
        " SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=" + "0" * 64
    )
    headers = {
        "authorization": authorization,
        "x-amz-date": "20260524T120000Z",
        "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
        "x-request-id": "one-of-a-kind",
    }
    assert (await client.get("/bucket/key", headers=headers)).status_code == 403
    answer = await client.get("/api/v1/signature-doctor?request_id=one-of-a-kind", headers=SERVICE)
    (report,) = answer.json()["requests"]
    assert (report["fault"], report["code"], report["access_key"]) == ("access key", "InvalidAccessKeyId", "NOSUCHKEY")
    assert report["path"] == "/bucket/key"
    assert "0" * 64 not in answer.text
