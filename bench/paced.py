"""So many small PUTs a second, no more: `python -m bench.paced PORT RATE SECRET_KEY`, in a process of its own.

Prints a line once it goes, writes until its stdin is closed, then prints what came of it.
"""

import asyncio
import json
import sys
import time
from asyncio import StreamReader, StreamWriter
from dataclasses import asdict, dataclass

from bench.targets import BUCKET, tokens

CONNECTIONS = 16
BODY = b"p" * 1024


@dataclass(slots=True)
class Tally:
    written: int = 0
    refused: int = 0
    rate: float = 0.0


async def write(reader: StreamReader, writer: StreamWriter, number: int, token: str) -> bool:
    """One PUT; whether it was acknowledged."""
    head = (
        f"PUT /files/upload-direct/{BUCKET}/paced/{number:08d} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Length: {len(BODY)}\r\n\r\n"
    )
    writer.write(head.encode() + BODY)
    answer = await reader.readuntil(b"\r\n\r\n")
    lower = answer.lower()
    length = int(lower.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
    await reader.readexactly(length)
    return answer.startswith(b"HTTP/1.1 201")


async def keep_writing(port: int, lane: int, seconds_each: float, token: str, tally: Tally) -> None:
    """One connection's share, in step with the clock: who is late does not wait."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    number, due = lane, time.perf_counter()
    while True:
        if await write(reader, writer, number, token):
            tally.written += 1
        else:
            tally.refused += 1
        number += CONNECTIONS
        due = max(due + seconds_each, time.perf_counter() - 1.0)
        await asyncio.sleep(max(0.0, due - time.perf_counter()))


async def main() -> None:
    port, rate, secret_key = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    tally, token = Tally(), tokens(secret_key, 1)[0]
    started = time.perf_counter()
    lanes = [
        asyncio.create_task(keep_writing(port, lane, CONNECTIONS / rate, token, tally)) for lane in range(CONNECTIONS)
    ]
    print("begun", flush=True)
    stopped = asyncio.ensure_future(asyncio.to_thread(sys.stdin.read))
    await asyncio.wait([stopped, *lanes], return_when=asyncio.FIRST_COMPLETED)
    tally.rate = tally.written / (time.perf_counter() - started)
    for lane in lanes:
        lane.cancel()
    print(json.dumps(asdict(tally)))


if __name__ == "__main__":
    asyncio.run(main())
