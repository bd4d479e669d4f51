"""Fills the storage with sample photos. They are drawn here: the demo needs no network.

python scripts/download_sample_photos.py [HOW_MANY]
"""

import struct
import sys
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a file, from anywhere

from services.storage import get_storage

SIDE = 96  # pixels
HOW_MANY = 6
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def picture(number: int) -> bytes:
    """A PNG: a gradient in a colour of its own. Source: PNG specification, third edition, §5, §11."""
    red, green, blue = (number * 67 % 200, number * 131 % 200, number * 29 % 200)
    rows = b"".join(
        b"\0" + b"".join(bytes((red + y // 2, green + x // 2, blue + (x ^ y) // 4)) for x in range(SIDE))
        for y in range(SIDE)
    )
    size = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    return SIGNATURE + _chunk(b"IHDR", size) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def download_sample_photos(how_many: int = HOW_MANY) -> list[str]:
    """The URLs of the photos. Those that are there already stay."""
    storage = get_storage()
    storage.ensure_directories("photos", "sample_photos")
    urls = []
    for number in range(1, how_many + 1):
        path = f"sample_photos/sample_{number}.png"
        if storage.file_exists(path):
            urls.append(storage.get_file_url(path))
        else:
            urls.append(storage.save_file(picture(number), path, "image/png"))
    return urls


if __name__ == "__main__":
    print("\n".join(download_sample_photos(int(sys.argv[1]) if len(sys.argv) > 1 else HOW_MANY)))
