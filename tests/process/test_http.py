"""Head and body leave in one write, and nothing waits for a body that does not come."""

import asyncio

import pytest

from storage_service.app.process.http import MOST_JOINED_BYTES, Joining


class Line(asyncio.Transport):
    """A transport that remembers what was written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 5)})
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
async def joining(line: Line) -> Joining:
    return Joining(line, asyncio.get_running_loop().call_soon)


async def test_head_leaves_with_its_body_at_once(line: Line, joining: Joining) -> None:
    joining.write(b"head")
    assert line.written == []
    joining.write(b"body")
    assert line.written == [b"headbody"]
    await asyncio.sleep(0)
    assert line.written == [b"headbody"]


async def test_head_alone_leaves_in_the_same_turn(line: Line, joining: Joining) -> None:
    joining.write(b"head")
    await asyncio.sleep(0)
    assert line.written == [b"head"]
    joining.write(b"later")
    joining.write(b"")
    assert line.written == [b"head", b"later"]


async def test_large_pieces_are_not_copied(line: Line, joining: Joining) -> None:
    large = b"x" * (MOST_JOINED_BYTES + 1)
    joining.write(b"head")
    joining.write(large)
    joining.write(large)
    assert line.written == [b"head", large, large]


async def test_what_was_written_leaves_before_the_end(line: Line, joining: Joining) -> None:
    joining.write(b"last words")
    joining.close()
    assert (line.written, joining.is_closing()) == ([b"last words"], True)
    await asyncio.sleep(0)
    assert line.written == [b"last words"]


async def test_nothing_is_written_to_who_has_left(line: Line, joining: Joining) -> None:
    joining.write(b"head")
    line.closed = True
    await asyncio.sleep(0)
    joining.write(b"more")
    joining.abort()
    await asyncio.sleep(0)
    assert line.written == []


async def test_the_rest_is_the_transports_own(joining: Joining) -> None:
    assert joining.get_extra_info("peername") == ("192.0.2.1", 5)
