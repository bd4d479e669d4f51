"""The FastAPI example against a running service; the test is the browser."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from storage_service.client import Client
from tests.support.service import SECRET_KEY, SERVICE_KEY, Service

MAIN = Path(__file__).parents[2] / "examples" / "fastapi_uploads" / "main.py"
BODY = b"a picture, so to say"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    place = tmp_path_factory.mktemp("fastapi")
    settings = {"DURABILITY": "scratch", "STORAGE_BUCKETS": "uploads"}
    with Service(place / "data", place / "logs", environment=settings) as running:
        yield running


@pytest.fixture
def app(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setenv("SECRET_KEY", SECRET_KEY)
    monkeypatch.setenv("STORAGE_URL", service.url)
    monkeypatch.setenv("STORAGE_SERVICE_API_KEY", SERVICE_KEY)
    monkeypatch.setenv("DATABASE", str(tmp_path / "files.db"))
    spec = importlib.util.spec_from_file_location("fastapi_uploads_main", MAIN)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    with TestClient(module.app, headers={"authorization": f"Bearer {service.token('ada')}"}) as client:
        yield client
    module.storage.close()


def created(app: TestClient, size: int = len(BODY)) -> dict[str, Any]:
    answer = app.post("/files", json={"name": "cat.png", "size": size, "type": "image/png"})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def put(made: dict[str, Any], body: bytes = BODY, content_type: str = "image/png") -> httpx.Response:
    """From the browser to the storage service: no credential but the link."""
    return httpx.put(made["upload"]["url"], content=body, headers={"content-type": content_type})


def test_file_goes_around_the_backend_both_ways(app: TestClient, service: Service) -> None:
    with app.websocket_connect("/events") as socket:
        socket.send_text(service.token("ada"))
        assert socket.receive_json() == {"event": "listening"}
        made = created(app)
        assert put(made).status_code == 201
        assert app.post(f"/files/{made['id']}/complete").status_code == 200
        assert socket.receive_json() == {"event": "ready", "id": made["id"], "name": "cat.png", "size": len(BODY)}
    assert [(row["name"], row["state"]) for row in app.get("/files").json()] == [("cat.png", "ready")]
    url = app.get(f"/files/{made['id']}/download").json()["url"]
    answer = httpx.get(url)
    assert (answer.content, answer.headers["content-type"]) == (BODY, "image/png")
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''cat.png"


def test_link_takes_one_upload_as_announced(app: TestClient) -> None:
    made = created(app)
    assert put(made, BODY + b"more").status_code == 413
    assert put(made, content_type="text/html").status_code == 415
    assert put(made).status_code == 201
    assert put(made).status_code in {403, 409}


def test_upload_that_did_not_arrive_is_not_complete(app: TestClient) -> None:
    made = created(app)
    assert app.post(f"/files/{made['id']}/complete").status_code == 409
    assert app.get(f"/files/{made['id']}/download").status_code == 409
    assert app.get("/files").json()[0]["state"] == "waiting"


def test_files_of_others_are_not_there(app: TestClient, service: Service) -> None:
    made = created(app)
    put(made)
    app.post(f"/files/{made['id']}/complete")
    other = {"authorization": f"Bearer {service.token('eve')}"}
    assert app.get("/files", headers=other).json() == []
    for method, path in (("GET", "download"), ("POST", "complete")):
        assert app.request(method, f"/files/{made['id']}/{path}", headers=other).status_code == 404
    assert app.delete(f"/files/{made['id']}", headers=other).status_code == 404
    assert app.get("/files", headers={"authorization": "Bearer nonsense"}).status_code == 401


def test_deleted_file_is_gone_from_both(app: TestClient, service: Service) -> None:
    made = created(app)
    put(made)
    assert app.delete(f"/files/{made['id']}").status_code == 204
    assert app.get("/files").json() == []
    with Client(service.url, api_key=SERVICE_KEY) as storage:
        assert not storage.bucket("uploads").exists(f"{made['id'][:2]}/{made['id']}")


def test_page_is_served(app: TestClient) -> None:
    assert "<title>Uploads</title>" in app.get("/").text
