"""Answers that take long: quick ones as they are, slow ones with spaces before them, errors in either form."""

from __future__ import annotations

import asyncio
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest

from storage_service.app.core.errors import InvalidPart, StorageError
from storage_service.app.edge.request import Message, Request
from storage_service.app.s3.answers import document, element
from storage_service.app.s3.patience import Answer, answer_patiently


def request_into(sent: list[Message]) -> Request:
    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/b/k", "query_string": b"", "headers": []}
    return Request(scope, receive, send)


async def work(seconds: float, error: Exception | None = None) -> Answer:
    await asyncio.sleep(seconds)
    if error is not None:
        raise error
    return document("Done", element("ETag", "x")), [(b"x-amz-version-id", b"v")]


async def test_quick_answer_has_its_headers_and_length() -> None:
    sent: list[Message] = []
    await answer_patiently(request_into(sent), work(0), 1.0, 1.0)
    head = dict(sent[0]["headers"])
    assert (sent[0]["status"], head[b"x-amz-version-id"]) == (200, b"v")
    assert int(head[b"content-length"]) == len(sent[1]["body"])


async def test_quick_error_is_the_doors_to_answer() -> None:
    sent: list[Message] = []
    with pytest.raises(InvalidPart):
        await answer_patiently(request_into(sent), work(0, InvalidPart("gone")), 1.0, 1.0)
    assert sent == []


@pytest.mark.parametrize(("error", "root"), [(None, "Done"), (InvalidPart("gone"), "Error"), (KeyError("k"), "Error")])
async def test_slow_answer_is_one_document_behind_spaces(error: StorageError | None, root: str) -> None:
    sent: list[Message] = []
    await answer_patiently(request_into(sent), work(0.2, error), 0.01, 0.02)
    assert sent[0]["status"] == 200
    bodies = [message["body"] for message in sent[1:]]
    assert bodies.count(b" ") >= 2
    assert sent[-1].get("more_body", False) is False
    assert fromstring(b"".join(bodies)).tag.rpartition("}")[2] == root
