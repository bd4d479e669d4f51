"""What the client does when the line breaks: repeats what may be repeated, and never hands out wrong bytes."""

import io
from pathlib import Path
from typing import Any

import httpx
import pytest

from storage_service.client import (
    ChecksumMismatch,
    Conflict,
    ConnectionFailed,
    PreconditionFailed,
    RateLimited,
    ServerError,
    ServiceUnavailable,
)
from tests.client.faults import (
    Fault,
    Faulty,
    altered,
    cut_at,
    lost_answer,
    lost_request,
    passing,
    refusing,
    unreached,
)

BUSY = refusing(503, "slow_down")
AWAY = refusing(503, "service_unavailable")
FOUR_TIMES: list[Fault] = [unreached, lost_request, BUSY, refusing(502)]


async def test_reads_are_repeated_until_they_succeed(bucket: Any, line: Faulty) -> None:
    await bucket.put("a", b"1")
    line.faults = list(FOUR_TIMES)
    assert (await bucket.head("a")).size == 1


async def test_after_the_last_attempt_the_error_is_told(bucket: Any, line: Faulty) -> None:
    line.faults = [*FOUR_TIMES, lost_request]
    with pytest.raises(ConnectionFailed, match="broken pipe"):
        await bucket.head("a")
    line.faults = [BUSY] * 5
    with pytest.raises(RateLimited) as refused:
        await bucket.head("a")
    assert (refused.value.status, refused.value.code) == (503, "slow_down")


async def test_retry_after_is_waited_for(bucket: Any, line: Faulty) -> None:
    await bucket.put("a", b"")
    line.faults = [refusing(503, "service_unavailable", retry_after="0.3")]
    line.times.clear()
    await bucket.head("a")
    assert line.times[1] - line.times[0] >= 0.3


async def test_errors_of_the_service_itself_are_not_repeated(bucket: Any, line: Faulty) -> None:
    line.faults = [refusing(500, "internal_error")]
    asked = len(line.asked)
    with pytest.raises(ServerError):
        await bucket.head("a")
    assert len(line.asked) == asked + 1


@pytest.mark.parametrize("fault", [unreached, lost_request, lost_answer, BUSY, AWAY])
@pytest.mark.parametrize("upsert", [True, False])
async def test_upload_that_can_rewind_survives_any_fault(bucket: Any, line: Faulty, fault: Fault, upsert: bool) -> None:
    line.faults = [fault]
    info = await bucket.put("a", b"hello", upsert=upsert)
    assert await (await bucket.get("a")).read() == b"hello"
    assert info.size == 5


async def test_create_does_not_take_anothers_upload_for_its_own(bucket: Any, line: Faulty) -> None:
    async def meanwhile() -> None:
        await bucket.put("a", b"theirs")

    await meanwhile()
    line.faults = [lost_request]
    with pytest.raises(Conflict):
        await bucket.put("a", b"ours")
    assert await (await bucket.get("a")).read() == b"theirs"


async def test_replacement_whose_answer_was_lost_is_not_done_twice(bucket: Any, line: Faulty) -> None:
    first = await bucket.put("a", b"1")
    line.faults = [lost_answer]
    second = await bucket.put("a", b"2", if_match=first.etag)
    assert await (await bucket.get("a")).read() == b"2"
    with pytest.raises(PreconditionFailed):
        await bucket.put("a", b"3", if_match=first.etag)
    assert second.etag != first.etag


@pytest.mark.parametrize("fault", [lost_request, lost_answer, AWAY])
async def test_upload_that_cannot_rewind_is_sent_once(bucket: Any, line: Faulty, fault: Fault) -> None:
    line.faults = [fault]
    asked = len(line.asked)
    with pytest.raises((ConnectionFailed, ServiceUnavailable)):
        await bucket.put("a", iter([b"x"]), upsert=True)
    assert len(line.asked) == asked + 1


@pytest.mark.parametrize("fault", [lost_answer, AWAY])
async def test_copy_whose_answer_was_lost_is_not_repeated(bucket: Any, line: Faulty, fault: Fault) -> None:
    await bucket.put("a", b"1")
    line.faults = [fault]
    with pytest.raises((ConnectionFailed, ServiceUnavailable)):
        await bucket.copy("a", "b")
    line.faults = [unreached, BUSY]
    await bucket.copy("a", "c")


async def test_broken_download_goes_on_where_it_broke(bucket: Any, line: Faulty, picture: Path) -> None:
    await bucket.put("a", picture)
    line.faults = [cut_at(100_000), lost_request, cut_at(50_000)]
    line.asked.clear()
    found = await bucket.get("a")
    assert await found.read() == picture.read_bytes()
    ranges = [request.headers.get("range") for request in line.asked]
    assert ranges == [None, "bytes=100000-299999", "bytes=100000-299999", "bytes=150000-299999"]


async def test_broken_range_goes_on_inside_its_span(bucket: Any, line: Faulty, picture: Path) -> None:
    await bucket.put("a", picture)
    line.faults = [cut_at(10)]
    assert await (await bucket.get("a", range=(1000, 2000))).read() == picture.read_bytes()[1000:2000]
    line.faults = [cut_at(10)]
    assert await (await bucket.get("a", range=(-500, None))).read() == picture.read_bytes()[-500:]


async def test_broken_download_never_mixes_two_versions(bucket: Any, line: Faulty) -> None:
    await bucket.put("a", b"1" * 1000)
    line.faults = [cut_at(500)]
    found = await bucket.get("a")
    await bucket.put("a", b"2" * 1000, upsert=True)
    with pytest.raises(PreconditionFailed):
        await found.read()


async def test_altered_bytes_are_told(bucket: Any, line: Faulty, tmp_path: Path) -> None:
    await bucket.put("a", b"hello")
    for read in ("read", "save", "download"):
        line.faults = [passing, altered] if read == "download" else [altered]
        with pytest.raises(ChecksumMismatch):
            if read == "download":
                await bucket.download("a", tmp_path / "copy")
            elif read == "save":
                await (await bucket.get("a")).save(tmp_path / "copy")
            else:
                await (await bucket.get("a")).read()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("algorithm", ["sha256", "crc64nvme"])
async def test_upload_that_changes_after_it_was_announced_is_refused(bucket: Any, algorithm: str) -> None:
    class Changing(io.BytesIO):
        """Another content at each reading from its start."""

        def seek(self, position: int, whence: int = 0) -> int:
            found = super().seek(position, whence)
            if whence == 0:
                self.getbuffer()[0] += 1
            return found

    with pytest.raises(ChecksumMismatch) as refused:
        await bucket.put("a", Changing(b"0123"), checksum=algorithm)
    assert refused.value.code == "bad_digest"
    assert not await bucket.exists("a")


async def test_download_of_a_file_replaced_meanwhile_starts_again(
    bucket: Any, client: Any, line: Faulty, tmp_path: Path
) -> None:
    await bucket.put("a", b"1" * 3000)
    replacing = line.inner.handle_request

    def replace(faulty: Faulty, request: Any) -> None:
        url = request.url.copy_with(path=request.url.path.replace("/download/", "/upload-direct/"))
        headers = {"authorization": request.headers["authorization"]}
        answer = replacing(type(request)("PUT", url, content=b"2" * 2000, headers=headers))
        assert answer.status_code == 201

    line.faults = [passing, passing, replace]
    info = await bucket.download("a", tmp_path / "copy", part_bytes=1000, at_once=1)
    assert (tmp_path / "copy").read_bytes() == b"2" * 2000
    assert info.size == 2000


async def test_page_that_is_no_json_is_an_error_of_the_service(bucket: Any, line: Faulty) -> None:
    line.faults = [lambda *_: httpx.Response(200, stream=httpx.ByteStream(b"<html>please log in</html>"))]
    with pytest.raises(ServerError, match="not JSON"):
        await bucket.head("a")


async def test_download_of_unknown_length_goes_on_where_it_broke(bucket: Any, line: Faulty) -> None:
    await bucket.put("a", b"0123456789")

    def cut_and_unmeasured(faulty: Faulty, request: httpx.Request) -> httpx.Response:
        answer = cut_at(4)(faulty, request)
        assert answer is not None
        del answer.headers["content-length"]
        return answer

    line.faults = [cut_and_unmeasured]
    found = await bucket.get("a")
    assert found.size is None
    assert await found.read() == b"0123456789"
