"""Generated sample files: nobody's pictures, nobody's licence. Pure, and the same every time."""

import colorsys
import csv
import io
import json
import math
import struct
import wave
import zlib
from typing import Any, NamedTuple

WIDTH, HEIGHT = 480, 320
RATE, NOTE_SECONDS = 8000, 0.4
TOWNS = (("Oslo", 59.9, 10.8), ("Quito", -0.2, -78.5), ("Nairobi", -1.3, 36.8), ("Kyoto", 35.0, 135.8))
PICTURES = ("dawn", "noon", "dusk", "night")


class Sample(NamedTuple):
    """One file to be. The service tells its type by the key."""

    key: str
    body: bytes
    metadata: dict[str, Any]
    tags: dict[str, str]


def samples() -> list[Sample]:
    """About twenty files of many types, below a few prefixes."""
    pictures = [_picture(number, name) for number, name in enumerate(PICTURES)]
    papers = [
        Sample("README.md", README.encode(), {"title": "Start here"}, {}),
        Sample("index.html", _page().encode(), {}, {"kind": "page"}),
        Sample("data/towns.csv", _csv(), {"rows": len(TOWNS)}, {"kind": "data"}),
        Sample("data/towns.json", _json(), {"rows": len(TOWNS)}, {"kind": "data"}),
        Sample("sounds/scale.wav", _scale(), {"seconds": NOTE_SECONDS * 8}, {"kind": "sound"}),
        Sample("notes/Überraschung für Zoë.txt", b"Keys may hold any letters.\n", {}, {"kind": "note"}),
    ]
    logs = [Sample(f"logs/2026/{month:02}/app.log", _log(month), {}, {"kind": "log"}) for month in range(1, 7)]
    drawings = [Sample(f"drawings/{sides}-gon.svg", _polygon(sides), {"sides": sides}, {}) for sides in range(3, 7)]
    return [*papers, *pictures, *drawings, *logs]


README = """# A demo bucket

Made by `storage demo`. Look around:

- `pictures/` and `drawings/` are shown by browsers, `sounds/` is played
- `logs/2026/01/app.log` and its neighbours show prefixes at work
- every picture has metadata and tags

Delete it all with `storage buckets delete --force`.
"""


def _picture(number: int, name: str) -> Sample:
    body = png(WIDTH, HEIGHT, number / len(PICTURES))
    about = {"title": name.capitalize(), "width": WIDTH, "height": HEIGHT}
    return Sample(f"pictures/{name}.png", body, about, {"kind": "picture", "time": name})


def png(width: int, height: int, hue: float) -> bytes:
    """A sky from one colour to another, 8 bits a channel. Source: W3C PNG, 3rd edition."""
    rows = bytearray()
    for y in range(height):
        low = colorsys.hsv_to_rgb((hue + 0.15 * y / height) % 1, 0.6, 0.95 - 0.5 * y / height)
        rows += b"\0" + bytes(int(channel * 255) for channel in low) * width
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(rows), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _polygon(sides: int) -> bytes:
    angles = [2 * math.pi * side / sides - math.pi / 2 for side in range(sides)]
    points = " ".join(f"{100 + 80 * math.cos(angle):.1f},{100 + 80 * math.sin(angle):.1f}" for angle in angles)
    shape = f'<polygon points="{points}" fill="hsl({sides * 50} 60% 60%)" stroke="#333"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 200">{shape}</svg>\n'.encode()


def _scale() -> bytes:
    """C major, mono, 16 bits."""
    frames = bytearray()
    for step in (0, 2, 4, 5, 7, 9, 11, 12):
        pitch = 261.6 * 2 ** (step / 12)
        for at in range(int(RATE * NOTE_SECONDS)):
            fade = 1 - at / (RATE * NOTE_SECONDS)
            frames += struct.pack("<h", int(12_000 * fade * math.sin(2 * math.pi * pitch * at / RATE)))
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE)
        sound.writeframes(bytes(frames))
    return buffer.getvalue()


def _csv() -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([("town", "latitude", "longitude"), *TOWNS])
    return text.getvalue().encode()


def _json() -> bytes:
    return json.dumps([{"town": town, "at": [north, east]} for town, north, east in TOWNS], indent=2).encode()


def _log(month: int) -> bytes:
    return "".join(f"2026-{month:02}-{day:02}T06:00:00Z INFO good morning\n" for day in range(1, 29)).encode()


def _page() -> str:
    pictures = "\n".join(f'<img src="pictures/{name}.png" alt="{name}" width="240">' for name in PICTURES)
    return f"<!doctype html>\n<title>Demo</title>\n<h1>Four skies</h1>\n{pictures}\n"
