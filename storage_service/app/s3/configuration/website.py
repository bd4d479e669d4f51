"""The website configuration: XML <-> JSON, with AWS's checks. How it is served stands in `s3.website`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from storage_service.app.core.errors import InvalidArgument, InvalidRequest, MalformedXML, NoSuchWebsiteConfiguration
from storage_service.app.s3.answers import document, element, send_xml
from storage_service.app.s3.bodies import need_document
from storage_service.app.s3.configuration.keeping import config_of, drop, keep, number
from storage_service.app.s3.context import Call
from storage_service.app.s3.reading import need_text, text_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

ROOT = "WebsiteConfiguration"
MAX_RULES = 50
SCHEMES = frozenset({"http", "https"})
REDIRECTS = range(301, 400)
FAULTS = range(400, 600)
# Element -> name in JSON.
REDIRECT = {
    "Protocol": "scheme",
    "HostName": "host",
    "ReplaceKeyPrefixWith": "prefix",
    "ReplaceKeyWith": "key",
    "HttpRedirectCode": "code",
}
CONDITION = {"KeyPrefixEquals": "prefix", "HttpErrorCodeReturnedEquals": "status"}


def parse_website_xml(root: "Element") -> dict[str, Any]:
    """Raises: MalformedXML, InvalidArgument, InvalidRequest."""
    everything = root.find("RedirectAllRequestsTo")
    if everything is not None:
        if len(root) != 1:
            raise InvalidArgument("RedirectAllRequestsTo cannot be provided in conjunction with other fields.")
        return {
            "redirect_all": _check_redirect(_fields(everything, REDIRECT, ("HostName", "Protocol")), all_of_it=True)
        }
    index = root.find("IndexDocument")
    if index is None:
        raise InvalidArgument("A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty")
    site: dict[str, Any] = {"index": need_text(index, "Suffix")}
    if not site["index"] or "/" in site["index"]:
        raise InvalidArgument("The IndexDocument Suffix is not well formed")
    if (error := root.find("ErrorDocument")) is not None:
        site["error"] = need_text(error, "Key")
        if not site["error"]:
            raise InvalidArgument("The ErrorDocument Key is not well formed")
    rules = [_parse_rule(node) for node in root.findall("RoutingRules/RoutingRule")]
    if len(rules) > MAX_RULES:
        raise InvalidRequest(
            f"{len(rules)} routing rules provided, the number of routing rules is limited to {MAX_RULES}."
        )
    return {**site, "rules": rules} if rules else site


def _parse_rule(node: "Element") -> dict[str, Any]:
    redirect, condition = node.find("Redirect"), node.find("Condition")
    if redirect is None:
        raise MalformedXML("A RoutingRule has a Redirect")
    rule: dict[str, Any] = {"redirect": _check_redirect(_fields(redirect, REDIRECT, REDIRECT))}
    if condition is not None:
        found = _fields(condition, CONDITION, CONDITION)
        if not found:
            raise InvalidRequest(
                "Condition cannot be empty. To redirect all requests without a condition, leave it out."
            )
        if found.get("status", FAULTS[0]) not in FAULTS:
            raise InvalidRequest("The provided HTTP error code is not valid. Valid codes are 4XX or 5XX.")
        rule["condition"] = found
    return rule


def _fields(node: "Element", names: Mapping[str, str], wanted: "Mapping[str, str] | tuple[str, ...]") -> dict[str, Any]:
    found: dict[str, Any] = {names[name]: text for name in wanted if (text := text_of(node, name)) is not None}
    for name in ("code", "status"):
        if name in found:
            found[name] = number(found[name], name)
    return found


def _check_redirect(redirect: dict[str, Any], *, all_of_it: bool = False) -> dict[str, Any]:
    host = redirect.get("host", "")
    if all_of_it and not host:
        raise MalformedXML("RedirectAllRequestsTo has a HostName")
    if not redirect:
        raise MalformedXML("A Redirect has at least one field")
    if redirect.get("scheme", "http") not in SCHEMES:
        raise InvalidRequest("Invalid protocol, protocol can be http or https. If not defined, it will be selected.")
    if any(char in host for char in " /\\?#@\r\n") or not _is_line("".join(map(str, redirect.values()))):
        raise InvalidRequest("The HostName or key of a redirect is not well formed")
    if "prefix" in redirect and "key" in redirect:
        raise InvalidRequest("You can only define ReplaceKeyPrefix or ReplaceKey but not both.")
    if redirect.get("code", REDIRECTS[0]) not in REDIRECTS:
        raise InvalidRequest("The provided HTTP redirect code is not valid. Valid codes are 3XX except 300.")
    return redirect


def _is_line(text: str) -> bool:
    """It goes into a header."""
    return all(char.isprintable() for char in text)


def render_website_xml(site: Mapping[str, Any]) -> str:
    if "redirect_all" in site:
        return document(
            ROOT, f"<RedirectAllRequestsTo>{_render(site['redirect_all'], REDIRECT)}</RedirectAllRequestsTo>"
        )
    inner = f"<IndexDocument>{element('Suffix', site['index'])}</IndexDocument>"
    if "error" in site:
        inner += f"<ErrorDocument>{element('Key', site['error'])}</ErrorDocument>"
    if rules := site.get("rules"):
        inner += f"<RoutingRules>{''.join(_render_rule(rule) for rule in rules)}</RoutingRules>"
    return document(ROOT, inner)


def _render_rule(rule: Mapping[str, Any]) -> str:
    condition = f"<Condition>{_render(rule['condition'], CONDITION)}</Condition>" if "condition" in rule else ""
    return f"<RoutingRule>{condition}<Redirect>{_render(rule['redirect'], REDIRECT)}</Redirect></RoutingRule>"


def _render(fields: Mapping[str, Any], names: Mapping[str, str]) -> str:
    return "".join(element(name, fields[ours]) for name, ours in names.items() if ours in fields)


async def get(call: Call) -> None:
    """Raises: NoSuchWebsiteConfiguration."""
    found = config_of(call, "website")
    if found is None:
        raise NoSuchWebsiteConfiguration(
            "The specified bucket does not have a website configuration", bucket=call.bucket.name
        )
    await send_xml(call.request, render_website_xml(found))


async def put(call: Call) -> None:
    await keep(call, "website", parse_website_xml(await need_document(call, ROOT)))


async def delete(call: Call) -> None:
    await drop(call, "website")
