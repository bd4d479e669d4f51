"""Sizes, times and keys for people, and back. Pure."""

import re
from datetime import UTC, datetime, timedelta

import typer

from storage_service.cli.parameters import read_as

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
STEP = 1024
BYTES = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGTP]?)(?:i?B)?", re.ASCII | re.IGNORECASE)
AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw]?)", re.ASCII)
SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def size_of(count: int) -> str:
    """`1.5 KiB`; whole bytes below a KiB."""
    value, unit = float(count), 0
    while value >= STEP and unit < len(UNITS) - 1:
        value, unit = value / STEP, unit + 1
    return f"{value:.1f} {UNITS[unit]}" if unit else f"{count} B"


def time_of(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def plain(key: str) -> str:
    """The key for a terminal: what would steer it is written out."""
    return key if key.isprintable() else "".join(one if one.isprintable() else repr(one)[1:-1] for one in key)


@read_as("size")
def parse_bytes(text: str) -> int:
    """`500`, `10M`, `1.5 GiB`; units are powers of 1024. Raises: BadParameter."""
    found = BYTES.fullmatch(text.strip())
    if found is None:
        raise typer.BadParameter(f"{text!r} is not a size such as 500, 10M or 1.5GiB")
    return int(float(found[1]) * STEP ** " KMGTP".index(found[2].upper() or " "))


@read_as("time")
def parse_age(text: str) -> timedelta:
    """`90`, `10m`, `1h`, `7d`, `2w`; seconds without a unit. Raises: BadParameter."""
    found = AGE.fullmatch(text.strip())
    if found is None:
        raise typer.BadParameter(f"{text!r} is not a time such as 90, 10m, 1h or 7d")
    try:
        return timedelta(seconds=float(found[1]) * SECONDS[found[2]])
    except OverflowError:
        raise typer.BadParameter(f"{text!r} is too long a time") from None
