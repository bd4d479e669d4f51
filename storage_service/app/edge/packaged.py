"""Files that ship inside the package: pages and what they load."""

from pathlib import Path

import aiofiles


async def read_packaged(path: Path) -> bytes:
    """The whole file, off the event loop. Read each time: browsers keep it for a day, a worker need not keep it at all.

    Raises: OSError.
    """
    async with aiofiles.open(path, "rb") as file:
        return await file.read()
