"""Writes drives as MinIO leaves them, from the documented layout alone: nothing of the reader is used."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import msgpack

BLOCK = 1 << 20
HASH = b"\x5a" * 32  # stands for HighwayHash-256: a reader that took it for data would be found out
INLINE_MOST = 128 << 10


def packed(value: object) -> bytes:
    data: bytes = msgpack.packb(value)
    return data


class Put(NamedTuple):
    """One version. `parts`: bodies of a multipart upload; `marker`: a delete."""

    body: bytes = b""
    at: int = 1_700_000_000_000_000_000
    headers: Mapping[str, str] = {}
    parts: Sequence[bytes] = ()
    marker: bool = False
    null: bool = False
    system: Mapping[str, bytes] = {}


def new_drive(root: Path) -> Path:
    system = root / ".minio.sys"
    (system / "buckets").mkdir(parents=True)
    xl = {"version": "3", "this": "a", "sets": [["a"]], "distributionAlgo": "SIPMOD+PARITY"}
    (system / "format.json").write_text(json.dumps({"version": "1", "format": "xl-single", "id": "x", "xl": xl}))
    return root


def new_bucket(drive: Path, name: str, **settings: Any) -> None:
    (drive / name).mkdir()
    record = {"Name": name, "Created": msgpack.ExtType(5, bytes(12)), "LockEnabled": False, **settings}
    body = struct.pack("<HH", 1, 1) + packed(record)
    write_object(drive / ".minio.sys" / "buckets", f"{name}/.metadata.bin", [Put(body, null=True)])


def write_object(bucket: Path, key: str, versions: Sequence[Put], minor: int = 3) -> Path:
    """The oldest version first."""
    folder = bucket / (key.rstrip("/") + "__XLDIR__" if key.endswith("/") else key)
    folder.mkdir(parents=True, exist_ok=True)
    made = [_version(folder, version, at) for at, version in enumerate(versions)]
    (folder / "xl.meta").write_bytes(_meta(list(reversed(made)), minor))
    return folder


def framed(body: bytes) -> bytes:
    return b"".join(HASH + body[at : at + BLOCK] for at in range(0, len(body), BLOCK))


def etag_of(version: Put) -> str:
    if not version.parts:
        return hashlib.md5(version.body).hexdigest()
    digests = b"".join(hashlib.md5(part).digest() for part in version.parts)
    return f"{hashlib.md5(digests).hexdigest()}-{len(version.parts)}"


class Made(NamedTuple):
    header: list[Any]
    record: dict[str, Any]
    name: str
    inline: bytes | None


def _version(folder: Path, version: Put, at: int) -> Made:
    uid = UUID(int=0) if version.null else uuid4()
    name = "null" if version.null else str(uid)
    moment = version.at + at
    if version.marker:
        record = {"Type": 2, "DelObj": {"ID": uid.bytes, "MTime": moment, "MetaSys": {}}, "v": 1}
        return Made([uid.bytes, moment, b"abcd", 2, 0, 0, 0], record, name, None)
    bodies = list(version.parts) or [version.body]
    data_dir, size = uuid4(), sum(map(len, bodies))
    inline = framed(version.body) if not version.parts and size <= INLINE_MOST else None
    if inline is None:
        (folder / str(data_dir)).mkdir()
        for number, body in enumerate(bodies, 1):
            (folder / str(data_dir) / f"part.{number}").write_bytes(framed(body))
    system = {**version.system, **({"x-minio-internal-inline-data": b"true"} if inline is not None else {})}
    found = {
        "ID": uid.bytes,
        "DDir": data_dir.bytes,
        "EcAlgo": 1,
        "EcM": 1,
        "EcN": 0,
        "EcBSize": BLOCK,
        "EcIndex": 1,
        "EcDist": [1],
        "CSumAlgo": 1,
        "PartNums": list(range(1, len(bodies) + 1)),
        "PartETags": None,
        "PartSizes": [len(body) for body in bodies],
        "PartASizes": [len(body) for body in bodies],
        "Size": size,
        "MTime": moment,
        "MetaSys": system,
        "MetaUsr": {"etag": etag_of(version), **version.headers},
    }
    flags = 2 | (4 if inline is not None else 0)
    return Made([uid.bytes, moment, b"abcd", 1, flags, 0, 1], {"Type": 1, "V2Obj": found, "v": 1}, name, inline)


def _meta(newest_first: Sequence[Made], minor: int) -> bytes:
    inline = {made.name: made.inline for made in newest_first if made.inline is not None}
    tail = b"\x01" + packed(inline) if inline else b""
    if minor == 0:
        return b"XL2 1   " + packed({"Versions": [made.record for made in newest_first]})
    if minor < 3:
        described = packed({"Versions": [made.record for made in newest_first]})
    else:
        described = b"".join(packed(number) for number in (3, 3, len(newest_first)))
        for made in newest_first:
            described += packed(packed(made.header)) + packed(packed(made.record))
    # A bin of 32 bits and a checksum of 32 bits, whatever their values: as MinIO writes them.
    head = b"\xc6" + struct.pack(">I", len(described)) + described
    checksum = b"\xce" + b"\x12\x34\x56\x78" if minor > 1 else b""
    return b"XL2 " + struct.pack("<HH", 1, minor) + head + checksum + tail
