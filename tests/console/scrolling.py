"""How much a frame of scrolling costs the page: processor time of its main thread, which no neighbour can lengthen."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

from playwright.sync_api import CDPSession, Page

from tests.support.service import SERVICE_KEY, Service

AT_ONCE = 64
ROUNDS = 3
STEPS, JUMPS = 60, 30  # of less than a screen, as by a wheel; from one end to the other, as by the bar

# One step, and what it draws: the frame that begins after it, and all that was put off until then.
STEP = """async ([step, steps, jumps]) => {
  const box = document.querySelector("[data-test=rows]")
  const before = performance.now()
  box.scrollTop = step < 0 ? 0 : step < steps ? box.scrollTop + 700 : box.scrollHeight * (step - steps) / jumps
  for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame)
  return performance.now() - before
}"""


class Frames(NamedTuple):
    """Milliseconds of each step: of the main thread's processor time, and of the clock on the wall for two frames."""

    busy: list[float]
    wall: list[float]


def scroll(page: Page) -> Frames:
    """The least each step took in a few rounds: what comes between by chance, as the browser tidying up, is not its."""
    rounds = [_round(page) for _ in range(ROUNDS)]
    busy, wall = ([min(one) for one in zip(*(found[at] for found in rounds), strict=True)] for at in range(2))
    return Frames(busy, wall)


def _round(page: Page) -> Frames:
    """From the top on in small steps, then from top to bottom in large ones."""
    frames = Frames([], [])
    with counting(page) as session:
        page.evaluate(STEP, [-1, STEPS, JUMPS])
        for step in range(STEPS + JUMPS + 1):
            before = busy_ms(session)
            frames.wall.append(page.evaluate(STEP, [step, STEPS, JUMPS]))
            frames.busy.append(busy_ms(session) - before)
    return frames


@contextmanager
def counting(page: Page) -> Iterator[CDPSession]:
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    yield session
    session.detach()


def busy_ms(session: CDPSession) -> float:
    metrics = session.send("Performance.getMetrics")["metrics"]
    return 1000 * float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))


def make_files(service: Service, bucket: str, count: int) -> None:
    # In a thread: the browser's driver has a loop of its own in this one.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, _make_files(service, bucket, count)).result()


async def _make_files(service: Service, bucket: str, count: int) -> None:
    """By plain sockets: a client that does more would take minutes."""
    numbers = iter(range(count))

    async def work() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        for number in numbers:
            head = f"PUT /files/upload-direct/{bucket}/many/{number:06}.txt HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            writer.write(f"{head}X-API-Key: {SERVICE_KEY}\r\nContent-Length: 1\r\n\r\nx".encode())
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert answer.startswith(b"http/1.1 201"), answer
            await reader.readexactly(int(answer.partition(b"content-length:")[2].split(b"\r\n")[0]))
        writer.close()

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
