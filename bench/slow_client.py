"""Many uploads at once, each a trickle: `python -m bench.slow_client PORT COUNT TOKEN`, in a process of its own.

Prints a line once all have begun, sends until its stdin is closed, then prints what became of them.
None of the uploads ends: the service stores nothing.
"""

import asyncio
import json
import resource
import sys
from asyncio import StreamReader, StreamWriter
from dataclasses import asdict, dataclass

from bench.targets import BUCKET

DECLARED_BYTES = 8 << 20
PIECE = b"s" * 16_384
EVERY_SECONDS = 0.5
AT_ONCE = 50  # connections being opened


@dataclass(slots=True)
class Tally:
    begun: int = 0
    broken: int = 0
    sent_bytes: int = 0
    first_answer: str = ""


def head(number: int, port: int, token: str) -> bytes:
    lines = [
        f"PUT /files/upload-direct/{BUCKET}/slow/{number:05d} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        f"Authorization: Bearer {token}",
        "Content-Type: application/octet-stream",
        f"Content-Length: {DECLARED_BYTES}",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


async def begin(request: bytes, port: int, gate: asyncio.Semaphore) -> tuple[StreamReader, StreamWriter]:
    """An upload with its first piece on the way."""
    async with gate:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request + PIECE)
        await writer.drain()
    return reader, writer


async def trickle(reader: StreamReader, writer: StreamWriter, tally: Tally) -> None:
    """Send pieces until cancelled, broken off or answered, but never the last one."""
    left = DECLARED_BYTES - len(PIECE)
    answer = asyncio.ensure_future(reader.readline())
    try:
        while left > len(PIECE):
            done, _ = await asyncio.wait({answer}, timeout=EVERY_SECONDS)
            if done:
                tally.broken += 1
                tally.first_answer = tally.first_answer or answer.result().decode().strip()
                return
            writer.write(PIECE)
            await writer.drain()
            tally.sent_bytes += len(PIECE)
            left -= len(PIECE)
    except OSError as error:
        tally.broken += 1
        tally.first_answer = tally.first_answer or str(error)
    finally:
        answer.cancel()
        writer.transport.abort()


async def run(port: int, count: int, token: str) -> Tally:
    gate = asyncio.Semaphore(AT_ONCE)
    streams = await asyncio.gather(*(begin(head(number, port, token), port, gate) for number in range(count)))
    tally = Tally(begun=count)
    uploads = [asyncio.create_task(trickle(reader, writer, tally)) for reader, writer in streams]
    print("begun", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for one in uploads:
        one.cancel()
    await asyncio.gather(*uploads, return_exceptions=True)
    return tally


def main() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    port, count, token = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    print(json.dumps(asdict(asyncio.run(run(port, count, token)))))


if __name__ == "__main__":
    main()
