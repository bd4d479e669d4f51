"""What follows from an upload's pieces and from what was said when it began: pure. See `uploads` and `resumable`.

Source: AWS "Multipart upload overview", "Amazon S3 multipart upload limits", "Checking object integrity".
"""

import hashlib
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby, pairwise
from typing import Any, NamedTuple

import orjson

from storage_service.app.core.checksums import (
    KINDS,
    Algorithm,
    ChecksumType,
    Running,
    base64_of,
    checksum,
    composite,
    joined,
)
from storage_service.app.core.downloads import Precheck
from storage_service.app.core.errors import (
    BadDigest,
    EntityTooLarge,
    EntityTooSmall,
    InvalidArgument,
    InvalidPart,
    InvalidPartOrder,
    InvalidRequest,
)
from storage_service.app.core.objects import (
    ANY_WRITE,
    MIN_PART_BYTES,
    Attributes,
    Bucket,
    Digests,
    Part,
    Span,
    Upload,
    Version,
    WriteConditions,
    new_id,
    now_ms,
)

MAX_PART_BYTES = 5 << 30
MAX_PARTS = 10_000


PLAIN = Attributes()


@dataclass(frozen=True, slots=True)
class UploadOptions:
    """What is said once, at the beginning, and holds for the object to come. `note`: the door's own, for itself.

    `conditions` are those that were given at the beginning; `file_id` is one that was promised before.
    """

    attributes: Attributes = PLAIN
    actor: str = ""
    algorithm: Algorithm | None = None
    checksum_type: ChecksumType | None = None
    conditions: WriteConditions = ANY_WRITE
    max_bytes: int | None = None
    file_id: str | None = None
    note: str = ""
    bucket: str = ""  # the bucket's id: its number may change when a catalog is made again


def render_options(options: UploadOptions) -> str:
    """The upload's `doc`; what equals its default is left out."""
    record = {name: value for name, value in asdict(options).items() if value != getattr(_DEFAULTS, name)}
    record["attributes"] = options.attributes._asdict()
    if "conditions" in record:
        record["conditions"] = options.conditions._asdict()
    return orjson.dumps(record).decode()


def parse_options(doc: str) -> UploadOptions:
    """Of a `doc` that we wrote, perhaps in an earlier release: what it does not name has its default."""
    record: dict[str, Any] = orjson.loads(doc)
    record["attributes"] = Attributes(**_known(record["attributes"], Attributes._fields))
    if "conditions" in record:
        found = _known(record["conditions"], WriteConditions._fields)
        tags = {name: tuple(found[name]) for name in ("if_match", "if_none_match") if found.get(name) is not None}
        record["conditions"] = WriteConditions(**{**found, **tags})
    return UploadOptions(**_known(record, UploadOptions.__dataclass_fields__))


def _known(record: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: record[name] for name in names if name in record}


_DEFAULTS = UploadOptions()


class PartDigests(NamedTuple):
    """Of one part: MD5 in hex, and raw checksums by algorithm; CRC64NVME is always there."""

    md5: str
    sums: Mapping[Algorithm, bytes]


class PartHasher:
    """Hashes a part in order. `update` of a large chunk may run in a thread."""

    __slots__ = ("_md5", "_sums")

    def __init__(self, algorithms: Iterable[Algorithm] = ()) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sums: dict[Algorithm, Running] = {name: KINDS[name].begin() for name in {"CRC64NVME", *algorithms}}

    def update(self, chunk: bytes | memoryview) -> None:
        self._md5.update(chunk)
        for running in self._sums.values():
            running.update(chunk)

    def finish(self) -> PartDigests:
        return PartDigests(self._md5.hexdigest(), {name: running.digest() for name, running in self._sums.items()})


def check_number(number: int) -> int:
    """Raises InvalidArgument."""
    if not 1 <= number <= MAX_PARTS:
        raise InvalidArgument(f"Part number must be an integer between 1 and {MAX_PARTS}, inclusive")
    return number


def check_part_size(size: int) -> None:
    """Raises EntityTooLarge."""
    if size > MAX_PART_BYTES:
        raise EntityTooLarge(f"A part may have {MAX_PART_BYTES} bytes")


class ListedPart(NamedTuple):
    """A part as a completion names it: ETag unquoted, raw checksums by algorithm if any were given."""

    number: int
    etag: str
    sums: Mapping[Algorithm, bytes] = {}


def choose(parts: Sequence[Part], listed: Sequence[ListedPart], algorithm: Algorithm | None) -> list[Part]:
    """The stored parts that were listed.

    Raises:
        InvalidPartOrder: numbers do not rise. InvalidPart: not there, or other bytes.
        EntityTooSmall: one that is not the last.
        InvalidArgument: none listed.
    """
    if not listed:
        raise InvalidArgument("A completion lists at least one part")
    if any(after.number <= before.number for before, after in pairwise(listed)):
        raise InvalidPartOrder("The parts are not listed in rising order of their numbers")
    stored = {part.number: part for part in parts}
    chosen = []
    for one in listed:
        part = stored.get(one.number)
        if part is None or part.etag != one.etag.lower() or not _agrees(part, one.sums, algorithm):
            raise InvalidPart(f"Part {one.number} was not uploaded, or its ETag or checksum is another")
        chosen.append(part)
    for part in chosen[:-1]:
        if part.size < MIN_PART_BYTES:
            raise EntityTooSmall(f"Part {part.number} has {part.size} bytes; only the last may have under 5 MiB")
    return chosen


def _agrees(part: Part, sums: Mapping[Algorithm, bytes], algorithm: Algorithm | None) -> bool:
    known = {"CRC64NVME": part.crc64nvme}
    if algorithm is not None:
        known[algorithm] = part.checksum
    return all(known.get(name, "") in {base64_of(digest), ""} for name, digest in sums.items())


class Whole(NamedTuple):
    """What joined parts come to. `checksum` is base64 by the upload's algorithm, `-N` behind a composite one."""

    size: int
    etag: str
    crc64nvme: str
    checksum: str


def put_together(parts: Sequence[Part], algorithm: Algorithm | None, kind: ChecksumType | None) -> Whole:
    """ETag and checksums of the parts in a row, without reading a byte."""
    md5 = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in parts), usedforsecurity=False)
    crc = joined("CRC64NVME", [(b64decode(part.crc64nvme), part.size) for part in parts])
    size, text = sum(part.size for part in parts), ""
    if algorithm is not None:
        own = [(b64decode(part.checksum), part.size) for part in parts]
        if kind == "FULL_OBJECT":
            text = base64_of(joined(algorithm, own))
        else:
            text = f"{base64_of(composite(algorithm, [digest for digest, _ in own]))}-{len(parts)}"
    return Whole(size, f"{md5.hexdigest()}-{len(parts)}", base64_of(crc), text)


def check_whole(whole: Whole, options: "UploadOptions", completion: "Completion") -> None:
    """What a completion says of the whole object. Raises BadDigest, InvalidRequest."""
    if completion.size is not None and completion.size != whole.size:
        raise InvalidRequest(f"The object has {whole.size} bytes, not the {completion.size} that were announced")
    kind = options.checksum_type or "FULL_OBJECT"
    if completion.checksum_type not in {None, kind}:
        raise InvalidRequest(f"The upload was created with the {kind} checksum type")
    known: dict[Algorithm, str] = {"CRC64NVME": whole.crc64nvme}
    if options.algorithm is not None:
        known[options.algorithm] = whole.checksum
    for name, text in completion.sums.items():
        if name in known and text.partition("-")[0] != known[name].partition("-")[0]:
            raise BadDigest(f"The object does not match its {name} checksum")


def parts_record(parts: Sequence[Part], *, checksums: bool) -> dict[str, Any]:
    """How the object was put together, for reads of a single part: runs of [bytes, how many in a row], and, where the
    upload had an algorithm, the parts' checksums in a row (base64 of raw bytes)."""
    runs = [[size, len(list(run))] for size, run in groupby(part.size for part in parts)]
    record: dict[str, Any] = {"sizes": runs}
    if checksums:
        record["checksums"] = base64_of(b"".join(b64decode(part.checksum) for part in parts))
    return record


# Resumable: no parts are kept of it, only what a next piece needs --------------------------------------------------


class Rolling(NamedTuple):
    """Digest of a resumable upload so far: the ETag to be (hex, over the pieces' MD5), CRC64NVME, number of pieces."""

    md5: str = ""
    crc64nvme: str = ""
    pieces: int = 0

    def plus(self, piece: PartDigests, size: int, before: int) -> "Rolling":
        """With one piece more, of `size` bytes behind `before`."""
        md5 = hashlib.md5(bytes.fromhex(self.md5 + piece.md5), usedforsecurity=False).hexdigest()
        crc = piece.sums["CRC64NVME"]
        if self.pieces:
            crc = joined("CRC64NVME", [(b64decode(self.crc64nvme), before), (crc, size)])
        return Rolling(md5, base64_of(crc), self.pieces + 1)

    def render(self) -> str:
        return orjson.dumps(list(self)).decode()


def rolling_of(upload: Upload) -> Rolling:
    return Rolling(*orjson.loads(upload.digest)) if upload.digest else Rolling()


def joined_digests(pieces: Sequence[Upload]) -> Digests:
    """Of resumable uploads put behind each other."""
    found = [(rolling_of(piece), piece.size) for piece in pieces if piece.size]
    md5 = hashlib.md5(bytes.fromhex("".join(rolling.md5 for rolling, _ in found)), usedforsecurity=False)
    crcs = [(b64decode(rolling.crc64nvme), size) for rolling, size in found]
    crc = joined("CRC64NVME", crcs) if crcs else checksum("CRC64NVME", b"")
    return Digests(f"{md5.hexdigest()}-{len(pieces)}", base64_of(crc))


# What is asked, and what follows from a row ---------------------------------------------------------------------------


class UploadRef(NamedTuple):
    """An upload as a request names it: all three must fit together."""

    bucket: Bucket
    key: str
    upload_id: str


Verify = Callable[[PartDigests], None]


class PartOptions(NamedTuple):
    """`size`: the declared length in bytes. `algorithms`: checksums to compute besides. `verify` may refuse the part
    once all of its bytes were read. `announced`: by which algorithm the client checks it: the upload's, if it has one.
    """

    size: int | None = None
    algorithms: Sequence[Algorithm] = ()
    verify: Verify | None = None
    announced: Algorithm | None = None


class StoredPart(NamedTuple):
    """A part as it was stored, and its raw checksums by algorithm."""

    part: Part
    upload: Upload
    sums: Mapping[Algorithm, bytes]

    @property
    def algorithms(self) -> tuple[Algorithm, ...]:
        """The upload's own algorithm, if it has one."""
        return algorithms_of(self.upload)


class PartSource(NamedTuple):
    """What a part is copied from. `span` None = all of it."""

    bucket: Bucket
    key: str
    version_id: str | None = None
    span: Callable[[Version], Span] | None = None
    precheck: Precheck | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """`sums`: checksums of the whole by algorithm, base64; `size` in bytes; all only if the client said them."""

    listed: Sequence[ListedPart]
    actor: str
    conditions: WriteConditions = ANY_WRITE
    sums: Mapping[Algorithm, str] = field(default_factory=dict)
    size: int | None = None
    checksum_type: ChecksumType | None = None


@dataclass(frozen=True, slots=True)
class UploadsQuery:
    """One page of unfinished uploads by key and id; the markers are exclusive."""

    prefix: str = ""
    delimiter: str = ""
    after_key: str = ""
    after_id: str = ""
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class UploadPage:
    """`cursor` (key, id) is None at the end."""

    uploads: tuple[Upload, ...]
    prefixes: tuple[str, ...] = ()
    cursor: tuple[str, str] | None = None


def is_open(upload: Upload) -> bool:
    """Whether it still takes pieces: under way, and not past its expiry."""
    return upload.phase == "open" and upload.expires_ms > now_ms()


def algorithms_of(upload: Upload) -> tuple[Algorithm, ...]:
    """Its own algorithm, if it has one."""
    algorithm = parse_options(upload.doc).algorithm
    return () if algorithm is None else (algorithm,)


def draft_version(upload: Upload, options: UploadOptions, size: int, digests: Digests, doc: str) -> Version:
    """The version an upload becomes, as far as it is known before the commit."""
    at_ms = now_ms()
    return Version(
        upload.bucket,
        upload.key,
        upload.version_id,
        options.file_id or new_id(),
        size,
        digests.md5,
        at_ms,
        at_ms * 1_000_000,
        0,
        doc,
        expires_ms=options.attributes.expires_ms,
    )


def part_of(upload: Upload, number: int, size: int, digests: PartDigests) -> Part:
    """A new attempt at a part."""
    own = [base64_of(digests.sums[name]) for name in algorithms_of(upload)]
    crc = base64_of(digests.sums["CRC64NVME"])
    return Part(upload.id, number, new_id(), size, digests.md5, crc, "".join(own), now_ms())
