"""XML out: well-formed whatever it quotes, and errors under AWS's codes."""

from xml.etree import ElementTree

import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given
from hypothesis import strategies as st

from storage_service.app.core import errors
from storage_service.app.core.errors import StorageError
from storage_service.app.s3.answers import code_of, document, element, error_document, escape, s3_status_of


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain/key.txt", "plain/key.txt"),
        ("a&b<c>\"d'", "a&amp;b&lt;c&gt;&quot;d'"),
        ("line\nreturn\rtab\t", "line&#10;return&#13;tab&#9;"),
        ("\x01\x1f", "\ufffd\ufffd"),
        ("\ud800", "\ufffd"),
        ("\uffff\ufffe", "\ufffd\ufffd"),
        ("é 😀", "é 😀"),
    ],
)
def test_text_is_escaped(text: str, escaped: str) -> None:
    assert escape(text) == escaped


@given(st.text())
def test_any_text_gives_a_document_that_parses(text: str) -> None:
    parsed = fromstring(document("Root", element("Key", text)).encode("utf-8", "replace"))
    assert parsed[0].text or not text


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")))
def test_printable_text_comes_back_as_it_was(text: str) -> None:
    assert (fromstring(element("Key", text)).text or "") == text


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (errors.NoSuchKey(), "NoSuchKey", 404),
        (errors.NoSuchBucket(), "NoSuchBucket", 404),
        (errors.NoSuchVersion(), "NoSuchVersion", 404),
        (errors.Unauthenticated(), "AccessDenied", 403),
        (errors.AccessDenied(), "AccessDenied", 403),
        (errors.InvalidBucketName(), "InvalidBucketName", 400),
        (errors.BucketAlreadyOwnedByYou(), "BucketAlreadyOwnedByYou", 409),
        (errors.BucketNotEmpty(), "BucketNotEmpty", 409),
        (errors.PreconditionFailed(), "PreconditionFailed", 412),
        (errors.NothingToMatch(), "NoSuchKey", 404),
        (errors.InvalidRange(), "InvalidRange", 416),
        (errors.KeyTooLong(), "KeyTooLongError", 400),
        (errors.EntityTooLarge(), "EntityTooLarge", 400),
        (errors.BadDigest(), "BadDigest", 400),
        (errors.SlowDown(), "SlowDown", 503),
        (errors.InsufficientStorage(), "XMinioStorageFull", 507),
        (errors.NotImplemented(), "NotImplemented", 501),
        (errors.MissingContentLength(), "MissingContentLength", 411),
        (errors.DamagedObject(), "InternalError", 500),
        (KeyError("secret"), "InternalError", 500),
    ],
)
def test_an_error_has_the_code_and_status_of_s3(error: Exception, code: str, status: int) -> None:
    assert code_of(error) == code
    assert s3_status_of(error) == status


def family(kind: type[StorageError] = StorageError) -> list[type[StorageError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in family(child))]


@pytest.mark.parametrize("kind", family())
def test_every_error_of_the_family_is_well_formed(kind: type[StorageError]) -> None:
    error = kind("<&\x00 detail", bucket="b", key="k<") if kind.__init__ is StorageError.__init__ else kind("<")
    text = error_document(error, "id", "/b/k<&\x01")
    root: ElementTree.Element = fromstring(text)
    assert root.tag == "Error"
    assert [child.tag for child in root][:2] == ["Code", "Message"]
    assert root.findtext("RequestId") == "id"
    assert root.findtext("Resource") == "/b/k<&\ufffd"
    assert 300 <= s3_status_of(error) < 600


def test_what_is_not_of_the_family_tells_nothing() -> None:
    assert "secret" not in error_document(KeyError("secret"), "id", "/")
