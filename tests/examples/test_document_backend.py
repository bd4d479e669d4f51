"""The example backend, on each database and storage it is made for."""

import io
import zipfile
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from storage_service.providers import ProviderError, S3StorageProvider
from tests.examples.backend import USER, Backend

STEPS = ["object", "local file", "row", "commit"]


def add(client: Any, *files: tuple[str, bytes], **fields: Any) -> Any:
    sent = [("files", (name, content, "text/plain")) for name, content in files]
    answer = client.post("/file/add", files=sent, data=fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_four_routes_add_get_download_and_delete(any_backend: Backend) -> None:
    with any_backend.client() as client:
        first, second = add(client, ("ä.txt", b"one"), ("b.txt", b"two"))
        got = client.post("/file/get", json={"id": first["id"]}).json()
        assert (got["filename"], got["size"], b64decode(got["content"])) == ("ä.txt", 3, b"one")
        downloaded = client.post("/file/download", json={"id": second["id"]})
        assert downloaded.content == b"two"
        assert downloaded.headers["content-disposition"] == "attachment; filename*=UTF-8''b.txt"
        for one in (first, second):
            assert client.request("DELETE", "/file/delete", json={"id": one["id"]}).status_code == 204
            assert client.post("/file/get", json={"id": one["id"]}).status_code == 404
    assert (any_backend.rows(), any_backend.local_files()) == (0, [])


def test_staged_files_come_as_a_form_or_in_base64(any_backend: Backend) -> None:
    with any_backend.client() as client:
        (form,) = add(client, ("a.txt", b"form"), staged=True)
        for text in (b64encode(b"base").decode(), f"data:text/plain;base64,{b64encode(b'base').decode()}"):
            (base,) = client.post("/file/add", data={"content_base64": text, "filename": "b.txt"}).json()
            got = client.post("/file/get", json={"id": base["id"], "staged": True}).json()
            assert b64decode(got["content"]) == b"base"
        assert client.post("/file/download", json={"id": form["id"], "staged": True}).content == b"form"
        assert client.post("/file/get", json={"id": form["id"]}).status_code == 404  # it is not attached
        assert client.post("/file/add", data={"content_base64": "!", "filename": "b"}).status_code == 422
        assert client.post("/file/add").status_code == 422


def test_several_come_as_a_zip(any_backend: Backend) -> None:
    with any_backend.client() as client:
        ids = [one["id"] for one in add(client, ("a.txt", b"1"), ("a.txt", b"2"), ("c/../d.txt", b"3"))]
        answer = client.post("/file/download", json={"ids": [*ids, ids[0]]})
        assert answer.headers["content-type"] == "application/zip"
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            found = {name: archive.read(name) for name in archive.namelist()}
        assert found == {"a.txt": b"1", f"{ids[1]}_a.txt": b"2", "c_.._d.txt": b"3"}
        assert client.post("/file/download", json={"ids": [ids[0], 99_999]}).status_code == 404


def test_documents_are_their_users_alone(backend: Backend) -> None:
    with backend.client() as client:
        (mine,) = add(client, ("a.txt", b"1"))
    with backend.client(user=7) as stranger:
        for method, path in (("POST", "/file/get"), ("POST", "/file/download"), ("DELETE", "/file/delete")):
            assert stranger.request(method, path, json={"id": mine["id"]}).status_code == 404
        assert stranger.post("/file/download", json={"ids": [mine["id"]]}).status_code == 404
        for header in ("", "Bearer nonsense", "Basic eDp5"):
            answer = stranger.post("/file/get", json={"id": 1}, headers={"authorization": header})
            assert answer.status_code == 401


def test_rows_say_where_a_document_is(s3_backend: Backend, bucket: S3StorageProvider) -> None:
    with s3_backend.session() as session:
        (row,) = s3_backend.document.upload_files(session, [s3_backend.upload()], USER)
    day = row.created_at.strftime("%Y/%m/%d")
    name = f"documents/user_{USER}/{day}/{row.id}_passport.pdf_pdf.json"
    assert (row.storage_type, row.storage_path) == ("s3", f"s3://{bucket.bucket}/{name}")
    assert row.filepath == str(s3_backend.files / name)
    assert list(bucket.list_files()) == [name]
    for stored in (bucket.download_file(name), Path(row.filepath).read_bytes()):
        assert b'"format":"storage-service-document"' in stored
        assert b"content," not in stored


def test_attached_and_staged_documents_with_one_id_do_not_meet(s3_backend: Backend) -> None:
    document = s3_backend.document
    with s3_backend.session() as session:
        (attached,) = document.upload_files(session, [s3_backend.upload("a", b"attached")], USER)
        staged = document.upload_staged_file(session, s3_backend.upload("a", b"staged"), USER)
        assert attached.id == staged.id
        found = [
            document.download_attachment_by_id(session, attached.id, USER, staged=which, as_json=True)["content"]
            for which in (False, True)
        ]
    assert [b64decode(content) for content in found] == [b"attached", b"staged"]


# ------------------------------------------------------------------------------- clean-up
class Injected(RuntimeError):
    """The failure."""


@pytest.fixture
def failing_after(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Backend, Any, str, int], None]]:
    """Lets a step happen for the n-th time, and then fails."""

    def inject(backend: Backend, session: Any, step: str, nth: int) -> None:
        done = iter(range(1, 100))

        def fail_after(function: Callable[..., Any]) -> Callable[..., Any]:
            def run(*args: Any, **named: Any) -> Any:
                result = function(*args, **named)
                if next(done) == nth:
                    raise Injected(step)
                return result

            return run

        if step == "object":
            service = backend.document.get_storage_service()
            monkeypatch.setattr(service, "store_encrypted_document", fail_after(service.store_encrypted_document))
        elif step == "local file":
            monkeypatch.setattr(backend.document, "_keep_local", fail_after(backend.document._keep_local))
        else:
            name = "after_flush" if step == "row" else "before_commit"
            event.listen(session, name, fail_after(lambda *_: None))

    yield inject


@pytest.mark.parametrize("function", ["upload_staged_file", "upload_staged_base", "upload_files"])
@pytest.mark.parametrize("step", STEPS)
def test_failure_after_any_step_leaves_neither_object_nor_file_nor_row(
    s3_backend: Backend, bucket: S3StorageProvider, failing_after: Any, step: str, function: str
) -> None:
    document = s3_backend.document
    calls: dict[str, Callable[[Any], Any]] = {
        "upload_staged_file": lambda session: document.upload_staged_file(session, s3_backend.upload(), USER),
        "upload_staged_base": lambda session: document.upload_staged_base(session, "YQ==", "a.txt", "text/plain", USER),
        "upload_files": lambda session: document.upload_files(
            session, [s3_backend.upload(name) for name in ("a", "b", "c")], USER
        ),
    }
    several = function == "upload_files" and step != "commit"
    with s3_backend.session() as session:
        failing_after(s3_backend, session, step, 2 if several else 1)
        with pytest.raises(Injected):
            calls[function](session)
        tables = ("attachment", "attachment_staging")
        seen = [session.scalar(text(f"SELECT count(*) FROM document.{table}")) for table in tables]
        assert seen == [0, 0]  # for the session, too: its caller may go on with it
    assert (list(bucket.list_files()), s3_backend.local_files(), s3_backend.rows()) == ([], [], 0)


def test_clean_up_that_fails_does_not_hide_why_it_was_needed(
    s3_backend: Backend, failing_after: Any, caplog: pytest.LogCaptureFixture
) -> None:
    service = s3_backend.start(S3_ENDPOINT_URL="http://127.0.0.1:9")
    with s3_backend.session() as session, pytest.raises(ProviderError):
        s3_backend.document.upload_staged_file(session, s3_backend.upload(), USER)
    assert "is left over in" in caplog.text
    assert service.provider.root in caplog.text
    assert (s3_backend.local_files(), s3_backend.rows()) == ([], 0)


def test_failed_delete_can_be_tried_again(s3_backend: Backend, bucket: S3StorageProvider) -> None:
    with s3_backend.client() as client:
        (one,) = add(client, ("a.txt", b"1"))
        s3_backend.start(S3_ENDPOINT_URL="http://127.0.0.1:9")
        answer = client.request("DELETE", "/file/delete", json={"id": one["id"]})
        assert (answer.status_code, answer.json()) == (503, {"detail": "The document storage does not answer"})
        assert s3_backend.rows() == 1
        s3_backend.start()
        assert client.request("DELETE", "/file/delete", json={"id": one["id"]}).status_code == 204
    assert (list(bucket.list_files()), s3_backend.local_files(), s3_backend.rows()) == ([], [], 0)


def test_zip_names_what_cannot_be_read(s3_backend: Backend, bucket: S3StorageProvider) -> None:
    with s3_backend.client() as client:
        ids = [one["id"] for one in add(client, ("a.txt", b"1"), ("b.txt", b"2"))]
        for name in [*bucket.list_files()]:
            if "a.txt" in name:
                bucket.delete_file(name)
                (s3_backend.files / name).unlink()
        answer = client.post("/file/download", json={"ids": ids})
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert archive.namelist() == ["b.txt", "missing.txt"]
            assert archive.read("missing.txt").decode() == f"{ids[0]} a.txt\n"
        for name in [*bucket.list_files()]:
            bucket.delete_file(name)
            (s3_backend.files / name).unlink()
        assert client.post("/file/download", json={"ids": ids}).status_code == 503
        assert client.post("/file/download", json={"id": ids[0]}).status_code == 404
