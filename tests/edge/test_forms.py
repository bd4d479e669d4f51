import asyncio
import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_service.app.core.errors import EntityTooLarge, IncompleteBody, InvalidArgument
from storage_service.app.edge.body import Budget
from storage_service.app.edge.form_reader import FormReader
from storage_service.app.edge.forms import (
    Event,
    Field,
    FileChunk,
    FileEnd,
    FileStart,
    Form,
    boundary_of,
    is_form,
)
from storage_service.app.edge.request import Request
from tests.edge.asgi import LEAVES, Client, request

END = b"--B--\r\n"


def part(headers: bytes, data: bytes = b"") -> bytes:
    return b"--B\r\n" + headers + b"\r\n\r\n" + data + b"\r\n"


def field(name: str, value: bytes) -> bytes:
    return part(b'Content-Disposition: form-data; name="%s"' % name.encode(), value)


def file(data: bytes, filename: str = "a.txt", name: str = "file") -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"'
    return part(head.encode() + b"\r\nContent-Type: text/plain", data)


def post(*chunks: bytes | object, length: int | None = None) -> Request:
    headers = [("content-type", "multipart/form-data; boundary=B")]
    if length is not None:
        headers.append(("content-length", str(length)))
    return request("POST", headers=headers, client=Client(chunks))


async def events_of(asked: Request) -> list[Event]:
    return [event async for event in Form(asked)]


async def parsed(*chunks: bytes | object) -> list[Event]:
    """The events, neighbouring chunks of a file joined."""
    joined: list[Event] = []
    for event in await events_of(post(*chunks)):
        if isinstance(event, FileChunk) and isinstance(joined[-1], FileChunk):
            joined[-1] = FileChunk(joined[-1].data + event.data)
        else:
            joined.append(event)
    return joined


WHOLE = field("key", b"k/\xe2\x82\xac") + file(b"\r\n--data--\r\n--A") + field("metadata", b"{}") + END
EXPECTED = [
    Field("key", "k/€"),
    FileStart("file", "a.txt", "text/plain"),
    FileChunk(b"\r\n--data--\r\n--A"),
    FileEnd(),
    Field("metadata", "{}"),
]


async def test_events_come_in_the_order_of_the_stream() -> None:
    assert await parsed(WHOLE) == EXPECTED


async def test_a_form_in_single_bytes_reads_the_same() -> None:
    assert await parsed(*(bytes([byte]) for byte in WHOLE)) == EXPECTED


@given(
    st.lists(st.text("\r\n-Bxé", max_size=12).map(str.encode), max_size=4),
    st.lists(st.integers(1, 30), max_size=20),
    st.binary(max_size=10).filter(lambda preamble: b"--B" not in preamble),
)
def test_any_file_survives_any_cut(datas: list[bytes], cuts: list[int], preamble: bytes) -> None:
    datas = [data.replace(b"--B", b"") for data in datas]
    body = (preamble + b"\r\n" if preamble else b"") + b"".join(map(file, datas)) + END + b"\r\nepilogue"
    chunks = []
    for cut in cuts:
        chunks.append(body[:cut])
        body = body[cut:]
    events = asyncio.run(events_of(post(*chunks, body)))
    found: list[bytes] = []
    for event in events:
        if isinstance(event, FileStart):
            found.append(b"")
        elif isinstance(event, FileChunk):
            found[-1] += event.data
    assert found == datas


async def test_file_is_a_body_and_fields_follow_it() -> None:
    form = Form(post(file(b"x" * 300_000) + field("after", b"1") + END))
    assert isinstance(await anext(form), FileStart)
    budget = Budget()
    assert [len(chunk) async for chunk in form.file(budget=budget)] == [300_000]
    assert budget.taken == 0
    assert [event async for event in form] == [Field("after", "1")]


async def test_too_large_file_is_refused() -> None:
    form = Form(post(file(b"x" * 11) + END))
    await anext(form)
    with pytest.raises(EntityTooLarge):
        await form.file(10).read_small(100)


@pytest.mark.parametrize(
    ("header", "filename"),
    [
        ('name="f"; filename="ü.txt"', "ü.txt"),
        ('name="f"; filename="a\\"b;c.txt"', 'a"b;c.txt'),
        ('name="f"; filename=""', ""),
        ("name=f; filename=plain", "plain"),
        ("name=\"f\"; filename*=UTF-8''%C3%BC.txt", "ü.txt"),
        ('name="f"; filename="a"; filename*=UTF-8\'\'b', "a"),
        ('name="f"; filename="../../x"', "../../x"),
    ],
)
async def test_filenames(header: str, filename: str) -> None:
    head = b"Content-Disposition: form-data; " + header.encode()
    assert await parsed(part(head) + END) == [FileStart("f", filename, None), FileEnd()]


async def test_a_quoted_star_makes_no_file_of_a_field() -> None:
    head = b"Content-Disposition: form-data; name=\"a; filename*=utf-8''x\""
    assert await parsed(part(head, b"v") + END) == [Field("a; filename*=utf-8''x", "v")]


async def test_empty_form_has_no_events() -> None:
    assert await parsed(END) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form at all",
        b"--Bx\r\n",
        part(b"Content-Type: text/plain", b"no disposition") + END,
        part(b'Content-Disposition: form-data; filename="a"') + END,
        part(b"Content-Disposition: attachment; name=a") + END,
        part(b"bad header line") + END,
        part(b"Content-Disposition: form-data; name=\xff") + END,
        part(b"Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64") + END,
        field("a", b"\xff") + END,
    ],
)
async def test_malformed_forms_are_refused(body: bytes) -> None:
    with pytest.raises(InvalidArgument):
        await parsed(body)


@pytest.mark.parametrize("cut", [5, 40, 80, len(WHOLE) - 8])
async def test_cut_forms_are_incomplete(cut: int) -> None:
    with pytest.raises(IncompleteBody):
        await parsed(WHOLE[:cut])
    with pytest.raises(IncompleteBody):
        await parsed(WHOLE[:cut], LEAVES)
    with pytest.raises(IncompleteBody):
        await events_of(post(WHOLE, length=len(WHOLE) + 1))


MIB = 1024 * 1024
HEADERS = b"\r\n".join([b"A: b"] * 10_000)
HOSTILE = {
    "text preamble": b"x" * MIB + b"\r\n" + END,
    "newline preamble": b"\r\n" * (MIB // 2) + END,
    "dashed preamble": b"\r\n--" * (MIB // 4) + END,
    "epilogue": END + b"x" * MIB,
    "parts": field("a", b"") * 100_000 + END,
    "headers": part(b"Content-Disposition: form-data; name=a\r\n" + HEADERS) + END,
    "one header": part(b"Content-Disposition: form-data; name=" + b"a" * MIB) + END,
    "headers of 9 KiB": part(b"\r\n".join([b"A: " + b"b" * 900] * 10)) + END,
    "disposition": part(b"Content-Disposition: form-data; name=" + b"a" * 5000) + END,
    "header name": part(b"a" * MIB + b": x") + END,
    "semicolons": part(b"Content-Disposition: form-data" + b";" * MIB) + END,
    "field": field("a", b"x" * MIB) + END,
    "fields": field("a", b"x" * 60_000) * 99 + END,
}


def disposed(quoted: bytes) -> bytes:
    """A hundred parts whose name is written so."""
    return part(b"Content-Disposition: form-data; name=" + quoted) * 100 + END


def feed(body: bytes, size: int) -> None:
    """So many bytes at once."""
    reader = FormReader(b"B")
    for at in range(0, len(body), size):
        reader.feed(body[at : at + size])


def cpu_seconds(body: bytes, size: int = MIB) -> float:
    """The least of three readings, as far as each comes."""
    spent = []
    for _ in range(3):
        before = time.process_time()
        with contextlib.suppress(InvalidArgument):
            feed(body, size)
        spent.append(time.process_time() - before)
    return min(spent)


@pytest.fixture(scope="module")
def harmless_seconds() -> float:
    """What 400 KB of ordinary parts cost on this machine, some 12 ms: what the hostile are measured by."""
    return cpu_seconds(disposed(b'"' + b"a" * 4000 + b'"'))


@pytest.mark.parametrize("size", [MIB, 64 * 1024, 100])
@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_forms_cost_as_few_harmless_ones(body: bytes, size: int, harmless_seconds: float) -> None:
    with pytest.raises(InvalidArgument):
        feed(body, size)
    assert cpu_seconds(body, size) < (4 if size > 100 else 40) * harmless_seconds


async def test_field_may_be_as_long_as_the_limit() -> None:
    assert await parsed(field("a", b"x" * 65_536) + END) == [Field("a", "x" * 65_536)]


@pytest.mark.parametrize("quoted", [b'"' + b';"' * 2000, b"a" + b";a=" * 1300, b'"' + b"\\" * 4000])
def test_hostile_dispositions_cost_little(quoted: bytes, harmless_seconds: float) -> None:
    assert cpu_seconds(disposed(quoted)) < 40 * harmless_seconds


def test_boundaries() -> None:
    assert boundary_of('multipart/form-data; charset=x; boundary="a b"') == b"a b"
    for bad in (
        None,
        "",
        "text/plain",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=B",
        "multipart/form-data; boundary=" + "b" * 201,
    ):
        with pytest.raises(InvalidArgument):
            boundary_of(bad)
    assert is_form(post())
    assert not is_form(request())
