"""This service as the importer sees it: an S3 server that compares every digest, and never a half object."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence

from storage_service.moving.layouts import composite, equal_parts, is_md5, is_storable, parts_in
from storage_service.moving.model import CannotMove, Opened
from storage_service.moving.verify import Cut, Mismatch, Passing, content_md5, md5_of
from storage_service.remote import Refused, RemoteError, S3Server

SMALL_BYTES = 1 << 20  # read whole before it is sent: a source that breaks off costs the target nothing
MOST_PUT_BYTES = 5 << 30  # Source: AWS "Uploading objects"
PART_BYTES = 64 << 20  # of a larger object whose parts nobody knows: 10,000 of them are 625 GiB
FAILED_CONDITION = 412


class Taken(Exception):
    """Something else stands under the key since it was looked at."""


class Target:
    """Writes through the S3 door. Methods raise CannotMove, Taken, ChangedUnderWay, RemoteError: then nothing is there,
    unless an answer was lost."""

    def __init__(self, server: S3Server) -> None:
        self._server = server
        self.name = server.endpoint.url

    def put(self, bucket: str, key: str, opened: Opened, conditions: Mapping[str, str]) -> tuple[str, bool]:
        """The ETag it got, and whether the source's ETag proves the bytes."""
        headers = {**opened.headers, **conditions}
        try:
            if opened.size > MOST_PUT_BYTES or (opened.layouts and is_storable(opened.layouts[0])):
                return self._in_parts(bucket, key, opened, headers)
            return self._whole(bucket, key, opened, headers)
        except Refused as error:
            raise _refusal(error) from None

    def _whole(self, bucket: str, key: str, opened: Opened, headers: dict[str, str]) -> tuple[str, bool]:
        layout = opened.layouts[0] if opened.layouts and not opened.guessed else ()
        passing = Passing(opened.pieces(), opened.size, opened.etag, layout)
        if is_md5(opened.etag):
            headers["content-md5"] = content_md5(opened.etag)
        if opened.size <= SMALL_BYTES:
            data = b"".join(passing)
            headers["content-md5"] = content_md5(md5_of(data))
            found = self._server.put(bucket, key, headers, data)
        else:
            found = self._server.put(bucket, key, headers, passing, opened.size)
        etag = found.get("etag", "").strip('"')
        if etag != passing.etag:
            self._withdraw(bucket, key, found)
            raise Mismatch("the bytes arrived changed")
        # A source without ETags, as files are: the digest of what was read is all there is to compare.
        return etag, bool(layout) or is_md5(opened.etag) or not opened.etag

    def _withdraw(self, bucket: str, key: str, found: Mapping[str, str]) -> None:
        version = found.get("x-amz-version-id")
        self._server.delete(bucket, key, {"versionId": version} if version else {})

    def _in_parts(self, bucket: str, key: str, opened: Opened, headers: dict[str, str]) -> tuple[str, bool]:
        """With the source's own parts, so that the ETag stays what it was."""
        layout: Sequence[int] = opened.layouts[0] if opened.layouts else ()
        if not layout or not is_storable(layout):
            layout = equal_parts(opened.size, max(PART_BYTES, -(-opened.size // 10_000)))
        conditions: dict[str, str] = {}
        for name in ("if-match", "if-none-match"):
            if name in headers:
                conditions[name] = headers.pop(name)
        begin = {name: value for name, value in headers.items() if not name.startswith("x-amz-checksum-")}
        place = (bucket, key, self._server.begin(bucket, key, begin))
        with self._aborted_on_failure(place):
            cut = Cut(opened.pieces())
            etags = [
                self._server.put_part(place, number, cut.part(size), size) for number, size in enumerate(layout, 1)
            ]
            etag = composite(etags)
            if parts_in(opened.etag) == len(etags) and etag != opened.etag and not opened.guessed:
                raise Mismatch("the bytes are not those of its multipart ETag")
            self._server.complete(place, etags, conditions)
        return etag, etag == opened.etag or not opened.etag

    @contextlib.contextmanager
    def _aborted_on_failure(self, place: tuple[str, str, str]) -> Iterator[None]:
        try:
            yield
        except BaseException:
            with contextlib.suppress(RemoteError):  # what stays behind expires
                self._server.abort(place)
            raise

    def mark_deleted(self, bucket: str, key: str) -> None:
        """A delete marker becomes the newest version."""
        self._server.delete(bucket, key)


def _refusal(error: Refused) -> Exception:
    if error.status == FAILED_CONDITION:
        return Taken(str(error))
    return error if error.passing else CannotMove(f"refused: {error}")
