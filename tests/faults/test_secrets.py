"""S7: no secret is ever said: not in the log, not in an answer, not in metrics, health or what commands print.

Each secret is a word of its own, so that finding it anywhere means that it was said.
"""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import httpx
import pytest
from botocore.config import Config

from tests.support.service import Service

SECRETS = {
    "SECRET_KEY": "canary-of-the-secret-key-0123456789abcdef",
    "SECRET_KEY_PREVIOUS": "canary-of-the-previous-key-0123456789abcdef",
    "STORAGE_SERVICE_API_KEY": "canary-of-the-service-key-0123456789abcdef",
    "S3_ROOT_SECRET_KEY": "canary-of-the-root-secret-0123456789",
}
KEY_SECRET = "canary-of-a-seeded-key-0123456789"
ROOT = "rootkey"
BUCKET = "canaries"


class Said(NamedTuple):
    """Everything that was heard of one service, by where."""

    service: Service
    texts: dict[str, str]
    secrets: dict[str, str]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Said]:
    place = tmp_path_factory.mktemp("canaries")
    settings = {
        **SECRETS,
        "S3_ROOT_ACCESS_KEY": ROOT,
        "STORAGE_KEYS": f"seededkey:{KEY_SECRET}:somebody:rw",
        "DURABILITY": "scratch",
        "PYTHONASYNCIODEBUG": "1",
    }
    with Service(place / "data", place, environment=settings) as service:
        texts, secrets = converse(service)
        for command in (("keys",), ("keys", "list", "--json"), ("doctor",), ("check", "--json"), ("health",)):
            done = service.run(*command)
            texts[" ".join(command)] = done.stdout + done.stderr
        service.stop()
        texts["the log"] = service.log.read_text(errors="replace")
        yield Said(service, texts, {**SECRETS, "STORAGE_KEYS": KEY_SECRET, **secrets})


def converse(service: Service) -> tuple[dict[str, str], dict[str, str]]:
    """Right and wrong requests of every kind; what came back, and the secrets that were made on the way."""
    texts: dict[str, str] = {}
    headers = {"authorization": f"Bearer {SECRETS['STORAGE_SERVICE_API_KEY']}"}
    with httpx.Client(base_url=service.url, headers=headers, timeout=60.0) as client:
        client.post("/buckets", json={"name": BUCKET, "is_public": False}).raise_for_status()
        client.put(f"/files/upload-direct/{BUCKET}/k", content=b"k" * 20_000).raise_for_status()
        made = client.post("/api/v1/keys", json={"owner": "me"}).raise_for_status().json()
        link = client.post(f"/files/presigned-url/download/{BUCKET}/k").raise_for_status().json()
        url = next(value for name, value in link.items() if "url" in name)
        client.get(url).raise_for_status()
        client.get(url[:-5])
        for path in ("/health", "/metrics", "/buckets", "/api/v1/keys", "/nothing", f"/files/info/{BUCKET}/none"):
            texts[path] = client.get(path).text
        texts["wrong JSON"] = client.post("/files/copy", content=b"{").text
    for header in wrong_credentials():
        with httpx.Client(base_url=service.url, headers=header, timeout=60.0) as client:
            texts[f"refused: {header}"] = client.get("/buckets").text + client.get(f"/files/download/{BUCKET}/k").text
    texts |= speak_s3(service, ROOT, SECRETS["S3_ROOT_SECRET_KEY"]) | speak_s3(service, ROOT, "another")
    token = link_token(url)
    return texts, {"a made key": made["secret_key"], "a signed link": token}


def link_token(url: str) -> str:
    """The longest piece of the URL: what signs it."""
    return max(url.replace("?", "/").split("/"), key=len)


def wrong_credentials() -> list[dict[str, str]]:
    almost = SECRETS["STORAGE_SERVICE_API_KEY"]
    return [
        {"authorization": f"Basic {almost}"},
        {"authorization": f"Bearer {almost} {almost}"},
        {"x-api-key": f"{almost}x"},
        {"authorization": f"Bearer {almost}.{almost}.{almost}"},
    ]


def speak_s3(service: Service, access_key: str, secret: str) -> dict[str, str]:
    """What S3 answers, refusals with all that they explain."""
    client: Any = boto3.client(
        "s3",
        endpoint_url=service.url,
        region_name="us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret,
        config=Config(retries={"max_attempts": 1}),
    )
    presigned = client.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "k"})
    client.close()
    texts = {}
    for name, url in (("presigned", presigned), ("changed", presigned + "0"), ("none", presigned.partition("?")[0])):
        answer = httpx.get(url, timeout=60.0)
        if not answer.is_success:
            texts[f"S3 {name} with {secret[:6]}"] = answer.text
    return texts


def test_no_secret_is_said_anywhere(said: Said) -> None:
    """A signed link's token may stand in the answer that gives it away, and nowhere else: it is not in these texts."""
    assert len(said.texts) > 12
    found = [
        (where, name) for where, text in said.texts.items() for name, secret in said.secrets.items() if secret in text
    ]
    assert found == []


def test_signatures_in_addresses_are_not_logged(said: Said) -> None:
    log = said.texts["the log"]
    assert "Signature=" not in log.replace("Signature=[", "")


def test_what_holds_secrets_is_for_its_owner_alone(said: Said) -> None:
    service = said.service.data / ".storage"
    private = [
        service / "catalog.db",
        service / "secrets.key",
        service / "identity.json",
        *service.glob("records/*.json"),
    ]
    assert len(private) > 3
    assert {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in private if path.stat().st_mode & 0o077} == {}
    assert stat.S_IMODE(service.stat().st_mode) == 0o700


def test_secrets_of_access_keys_lie_encrypted(said: Said) -> None:
    plain = [
        path
        for path in said.service.data.rglob("*")
        if path.is_file() and any(secret.encode() in path.read_bytes() for secret in said.secrets.values())
    ]
    assert plain == []


def test_service_does_not_start_for_others_with_a_known_secret(tmp_path: Path) -> None:
    weak = {"SECRET_KEY": "your-super-secret-key-change-this-in-production", "HOST": "0.0.0.0"}
    done = Service(tmp_path / "data", tmp_path, environment=weak).run("serve")
    assert done.returncode == 3
    assert weak["SECRET_KEY"] not in done.stdout + done.stderr


def test_json_of_the_doctor_names_no_value(tmp_path: Path) -> None:
    weak = {"SECRET_KEY": "changeme-changeme"}
    done = Service(tmp_path / "data", tmp_path, environment=weak).run("doctor", "--json")
    assert "secret_weak" in {fault["code"] for fault in json.loads(done.stdout)["faults"]}
    assert weak["SECRET_KEY"] not in done.stdout + done.stderr
