"""Parts and digests of bodies on their way."""

import hashlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_service.moving.layouts import MIB, composite, equal_parts, is_storable, likely_layouts, parts_in
from storage_service.moving.verify import Cut, Mismatch, Passing


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize(
    ("etag", "count"), [("a" * 32, 0), (f"{'a' * 32}-1", 1), (f"{'a' * 32}-9016", 9016), ("x-3", 0), ("", 0)]
)
def test_parts_of_an_etag(etag: str, count: int) -> None:
    assert parts_in(etag) == count


@pytest.mark.parametrize(
    ("size", "count", "part"),
    [(20 * MIB, 3, 8 * MIB), (20 * MIB, 2, 16 * MIB), (30 * MIB, 6, 5 * MIB), (21 * MIB, 7, 3 * MIB)],
)
def test_the_likeliest_layout_is_of_the_usual_clients(size: int, count: int, part: int) -> None:
    first = likely_layouts(size, count)[0]
    assert (len(first), first[0], sum(first)) == (count, part, size)


@given(st.integers(0, 10**12), st.integers(5 * MIB, 10**10))
def test_equal_parts_hold_all_bytes(size: int, part: int) -> None:
    found = equal_parts(size, part)
    assert sum(found) == size
    assert is_storable(found)
    assert all(found) or found == [0]


@given(st.binary(max_size=200), st.integers(1, 20), st.integers(1, 50))
def test_cut_gives_the_parts_back(data: bytes, piece: int, part: int) -> None:
    cut = Cut(pieces(data, piece))
    layout = equal_parts(len(data), part) if data else []
    assert b"".join(b"".join(cut.part(size)) for size in layout) == data


def test_a_part_that_ends_early_is_told() -> None:
    with pytest.raises(Mismatch):
        list(Cut(iter([b"abc"])).part(4))


@given(st.binary(max_size=100), st.integers(1, 20))
def test_what_is_right_passes_whole(data: bytes, piece: int) -> None:
    passing = Passing(pieces(data, piece), len(data), md5(data))
    assert b"".join(passing) == data
    assert passing.etag == md5(data)


WRONG = [
    pytest.param(11, md5(b"0123456789"), (), id="too short"),
    pytest.param(9, md5(b"0123456789"), (), id="too long"),
    pytest.param(10, md5(b"other"), (), id="another digest"),
    pytest.param(10, composite([md5(b"01234"), md5(b"5678x")]), (5, 5), id="another part"),
]


@pytest.mark.parametrize(("size", "etag", "layout"), WRONG)
def test_what_is_wrong_never_arrives_whole(size: int, etag: str, layout: tuple[int, ...]) -> None:
    arrived = b""
    with pytest.raises(Mismatch):
        for piece in Passing(pieces(b"0123456789", 3), size, etag, layout):
            arrived += piece
    assert len(arrived) < 10


def test_parts_with_the_right_digests_pass() -> None:
    etag = composite([md5(b"01234"), md5(b"56789")])
    assert b"".join(Passing(pieces(b"0123456789", 3), 10, etag, (5, 5))) == b"0123456789"
