"""Chunked bodies: whole ones are read in any split; what is missing, changed, moved or added is refused."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_service.app.core.errors import (
    EntityTooLarge,
    EntityTooSmall,
    IncompleteBody,
    InvalidRequest,
    MalformedTrailerError,
    SignatureDoesNotMatch,
    StorageError,
)
from storage_service.app.s3.auth.caller import Payload
from tests.s3.auth.chunking import payload, read, signed, unsigned

CRC = "x-amz-checksum-crc32"
DATA = [b"a" * 100, b"b" * 50, b"c"]
WHOLE = b"".join(DATA)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 85, 1000])
async def test_frames_come_off_in_any_split(size: int) -> None:
    assert (await read(payload(151), signed(DATA), size))[0] == WHOLE
    assert (await read(payload(151, seed=False), unsigned(DATA), size))[0] == WHOLE


@pytest.mark.parametrize("size", [1, 5, 1000])
async def test_trailers_are_handed_on(size: int) -> None:
    about = payload(151, trailers=[CRC], signed_trailers=True)
    assert (await read(about, signed(DATA, f"{CRC}:AAAAAA==\n"), size))[1].trailers == {CRC: "AAAAAA=="}
    plain = payload(151, seed=False, trailers=[CRC])
    assert (await read(plain, unsigned(DATA, b"X-Amz-Checksum-CRC32: AAAAAA==\r\n"), size))[1].trailers == {
        CRC: "AAAAAA=="
    }


async def test_empty_object_has_the_last_chunk_only() -> None:
    assert (await read(payload(0), signed([])))[0] == b""
    assert (await read(payload(0, seed=False), unsigned([])))[0] == b""


@pytest.mark.parametrize(
    "end", [b"0\r\n", b"0\r\n\r\n", b"0\r\n\r\n\r\n", b"0\r\n\n"], ids=["no line", "one", "two", "bare"]
)
async def test_ends_of_several_clients_are_understood(end: bytes) -> None:
    assert (await read(payload(1, seed=False), b"1\r\nc\r\n" + end))[0] == b"c"


async def test_empty_line_before_the_trailers_is_passed_over() -> None:
    body = b"1\r\nc\r\n0\r\n\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"
    assert (await read(payload(1, seed=False, trailers=[CRC]), body))[1].trailers == {CRC: "AAAAAA=="}


@pytest.mark.parametrize("keep", [0, 1, 50, 184, 250])
async def test_body_without_its_last_chunk_is_refused(keep: int) -> None:
    with pytest.raises((IncompleteBody, InvalidRequest)):
        await read(payload(151), signed(DATA)[:keep])


async def test_signed_stream_cut_behind_a_whole_chunk_is_refused() -> None:
    body = signed(DATA)
    last = body.rindex(b"\r\n0;chunk-signature") + 2
    with pytest.raises(IncompleteBody):
        await read(payload(151), body[:last])


@pytest.mark.parametrize("length", [150, 152, 0, 10**15])
async def test_another_length_than_announced_is_refused(length: int) -> None:
    for about, body in ((payload(length), signed(DATA)), (payload(length, seed=False), unsigned(DATA))):
        with pytest.raises((IncompleteBody, InvalidRequest)):
            await read(about, body)


@given(st.data())
async def test_no_signed_bit_can_change(data: st.DataObject) -> None:
    body = bytearray(signed(DATA, f"{CRC}:AAAAAA==\n"))
    where = data.draw(st.integers(0, len(body) - 5))  # the last line breaks sign nothing
    body[where] ^= 1 << data.draw(st.integers(0, 7))
    about = payload(151, trailers=[CRC], signed_trailers=True)
    try:
        decoded, found = await read(about, bytes(body))
    except StorageError:
        return
    # Line ends, letter case and spaces around values mean the same.
    assert (decoded, found.trailers) == (WHOLE, {CRC: "AAAAAA=="})


@pytest.mark.parametrize("order", [[1, 0, 2], [0, 2], [0, 0, 1, 2]])
async def test_chunks_cannot_move_vanish_or_repeat(order: Sequence[int]) -> None:
    body = signed(DATA)
    parts, rest = [], body
    for piece in DATA:
        end = rest.index(b"\r\n") + 2 + len(piece) + 2
        parts.append(rest[:end])
        rest = rest[end:]
    moved = b"".join(parts[place] for place in order) + rest
    length = sum(len(DATA[place]) for place in order)
    with pytest.raises(SignatureDoesNotMatch):
        await read(payload(length), moved)


@pytest.mark.parametrize(
    "trailers",
    [b"", b"x-amz-meta-a:b\r\n", b"x-amz-checksum-crc32:A\r\nx-amz-checksum-crc32:B\r\n", b"nonsense\r\n", b": \r\n"],
)
async def test_trailers_must_be_those_announced(trailers: bytes) -> None:
    with pytest.raises((MalformedTrailerError, InvalidRequest)):
        await read(payload(151, seed=False, trailers=[CRC]), unsigned(DATA, trailers))


async def test_trailer_that_nobody_announced_is_refused() -> None:
    with pytest.raises(MalformedTrailerError):
        await read(payload(151, seed=False), unsigned(DATA, b"x-amz-checksum-crc32:AAAAAA==\r\n"))


async def test_signed_trailers_need_their_signature() -> None:
    about = payload(151, trailers=[CRC], signed_trailers=True)
    body = signed(DATA, f"{CRC}:AAAAAA==\n")
    start = body.index(b"x-amz-trailer-signature")
    with pytest.raises(SignatureDoesNotMatch):
        await read(about, body[:start] + b"\r\n")
    with pytest.raises(SignatureDoesNotMatch):
        await read(about, body.replace(b"AAAAAA==", b"AAAAAB=="))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\r\n",
        b"zz\r\n",
        b"-1\r\n",
        b"+1\r\nc\r\n0\r\n\r\n",
        b"0x1\r\nc\r\n0\r\n\r\n",
        b"1_0\r\n",
        b"11111111111111111\r\n",
        b"f" * 4096,
        b"1;chunk-signature=" + b"0" * 64 + b"\r\nc\r\n0\r\n\r\n",
        b"1;ext=1\r\nc\r\n0\r\n\r\n",
        b"1\r\ncc\r\n0\r\n\r\n",
        b"1\r\nc0\r\n\r\n",
        b"1\r\nc\r\n0\r\n" + b"x-amz-checksum-crc32:" + b"A" * 5000,
        b"1\r\nc\r\n0\r\n\r\n1\r\nc\r\n",
        b"1\r\nc\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    ],
)
async def test_malformed_framing_is_refused(body: bytes) -> None:
    with pytest.raises((InvalidRequest, IncompleteBody, MalformedTrailerError)):
        await read(payload(1, seed=False), body)


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from(
                [b"\r\n", b"0\r\n", b"1\r\n", b"5\r\nhello\r\n", b";chunk-signature=", b"\n", CRC.encode()]
            ),
        ),
        max_size=12,
    ),
    st.integers(1, 64),
    st.booleans(),
    st.integers(0, 64),
)
async def test_no_framing_breaks_the_reader(parts: list[bytes], size: int, with_seed: bool, length: int) -> None:
    about = payload(length, seed=with_seed, trailers=[CRC], signed_trailers=with_seed)
    try:
        decoded, _ = await read(about, b"".join(parts), size)
    except StorageError:
        return
    assert len(decoded) == length


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=6), st.integers(1, 400))
async def test_whatever_is_framed_comes_out(data: list[bytes], size: int) -> None:
    whole = b"".join(data)
    assert (await read(payload(len(whole)), signed(data), size))[0] == whole
    assert (await read(payload(len(whole), seed=False), unsigned(data), size))[0] == whole


async def test_large_signed_pieces_are_hashed_beside_the_loop() -> None:
    data = [b"x" * 600_000, b"y" * 500_000]
    assert (await read(payload(1_100_000), signed(data), 1 << 20))[0] == b"".join(data)


async def test_policy_limits_the_length() -> None:
    limited = Payload("unsigned", least_bytes=3, most_bytes=5)
    assert (await read(limited, b"12345"))[0] == b"12345"
    with pytest.raises(EntityTooLarge):
        await read(limited, b"123456", 2)
    with pytest.raises(EntityTooSmall):
        await read(limited, b"12")
