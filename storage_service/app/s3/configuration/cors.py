"""CORS rules. What they mean for a request stands in `edge.cors`. Source: AWS "CORSRule"."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from storage_service.app.core.errors import InvalidRequest, MalformedXML, NoSuchCORSConfiguration
from storage_service.app.s3.answers import document, element, send_xml
from storage_service.app.s3.bodies import need_document
from storage_service.app.s3.configuration.keeping import config_of, drop, keep, number, texts
from storage_service.app.s3.context import Call
from storage_service.app.s3.reading import text_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

ROOT = "CORSConfiguration"
METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "HEAD"})
MAX_RULES = 100
MAX_ID_CHARS = 255
# Element -> the name in JSON, in the order of the answer.
LISTS = {
    "AllowedOrigin": "origins",
    "AllowedMethod": "methods",
    "AllowedHeader": "headers",
    "ExposeHeader": "expose",
}
PRINTABLE = frozenset(chr(code) for code in range(0x21, 0x7F)) | {" "}


def parse_cors_xml(root: "Element") -> list[dict[str, Any]]:
    """Raises: MalformedXML, InvalidRequest."""
    rules = [_parse_rule(node) for node in root.findall("CORSRule")]
    if not 1 <= len(rules) <= MAX_RULES or len(rules) != len(root):
        raise MalformedXML(f"A {ROOT} has 1 to {MAX_RULES} rules")
    return rules


def _parse_rule(node: "Element") -> dict[str, Any]:
    rule: dict[str, Any] = {ours: texts(node, name) for name, ours in LISTS.items()}
    _check_rule(rule)
    age = text_of(node, "MaxAgeSeconds")
    if age is not None:
        rule["max_age"] = number(age, "MaxAgeSeconds")
    if name := text_of(node, "ID"):
        rule["id"] = name
    if len(rule.get("id", "")) > MAX_ID_CHARS or rule.get("max_age", 0) < 0:
        raise MalformedXML("An ID has at most 255 characters, and MaxAgeSeconds is not negative")
    return rule


def _check_rule(rule: Mapping[str, list[str]]) -> None:
    if not rule["origins"] or not rule["methods"]:
        raise MalformedXML("A CORSRule has at least one AllowedOrigin and one AllowedMethod")
    for method in rule["methods"]:
        if method not in METHODS:
            raise InvalidRequest(f"Found unsupported HTTP method in CORS config. Unsupported method is {method}")
    for text in _all_texts(rule):
        if not text or not PRINTABLE.issuperset(text):
            raise InvalidRequest("A CORS rule has an empty value or one with control characters")
    for name, what in (("origins", "AllowedOrigin"), ("headers", "AllowedHeader")):
        if any(text.count("*") > 1 for text in rule[name]):
            raise InvalidRequest(f"{what} can not have more than one wildcard.")
    if any("*" in text for text in rule["expose"]):
        raise InvalidRequest("ExposeHeader contains wildcard. We currently do not support wildcard for ExposeHeader.")


def _all_texts(rule: Mapping[str, list[str]]) -> Iterable[str]:
    return (text for name in LISTS.values() for text in rule[name])


def render_cors_xml(rules: Iterable[Mapping[str, Any]]) -> str:
    return document(ROOT, "".join(f"<CORSRule>{_render_rule(rule)}</CORSRule>" for rule in rules))


def _render_rule(rule: Mapping[str, Any]) -> str:
    inner = element("ID", rule["id"]) if "id" in rule else ""
    for name, ours in LISTS.items():
        inner += "".join(element(name, text) for text in rule[ours])
    return inner + (element("MaxAgeSeconds", rule["max_age"]) if "max_age" in rule else "")


async def get(call: Call) -> None:
    """Raises: NoSuchCORSConfiguration."""
    found = config_of(call, "cors")
    if found is None:
        raise NoSuchCORSConfiguration("The CORS configuration does not exist", bucket=call.bucket.name)
    await send_xml(call.request, render_cors_xml(found))


async def put(call: Call) -> None:
    await keep(call, "cors", parse_cors_xml(await need_document(call, ROOT)))


async def delete(call: Call) -> None:
    await drop(call, "cors")
