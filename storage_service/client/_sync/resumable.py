"""One upload in pieces, taken up again where a connection broke, or by the next process."""

from collections.abc import MutableMapping
from dataclasses import replace

from storage_service.client import tus
from storage_service.client._sync import io
from storage_service.client._sync.connection import Connection
from storage_service.client.errors import ChecksumMismatch, ClientError, ConnectionFailed, NotFound
from storage_service.client.models import FileInfo
from storage_service.client.options import PutOptions
from storage_service.client.source import Progress, Source
from storage_service.client.wire import Call, path_of, pause_seconds


class Resumable:
    """Of one key's bytes, on these terms. `resume` keeps addresses of what is unfinished, by fingerprint."""

    def __init__(self, connection: Connection, bucket: str, key: str, options: PutOptions) -> None:
        self._connection = connection
        self._bucket = bucket
        self._key = key
        self._options = options
        self._resume: MutableMapping[str, str] = options.get("resume", {})

    def send(self, source: Source) -> FileInfo:
        """Raises: Conflict, PreconditionFailed, ChecksumMismatch, ConnectionFailed and what else the service says."""
        mark = tus.fingerprint(self._connection.url, self._bucket, self._key, source, self._options)
        path, found = self._begin(mark, source)
        resumed = found.offset > 0
        try:
            done = self._pieces(path, found, source)
        except BaseException as error:
            if not self._may_be_resumed(mark, error):
                self._resume.pop(mark, None)
                self._abandon(path)
            raise
        self._resume.pop(mark, None)
        info = self._head(done.version_id)
        if resumed:
            io.in_thread(_check, source, info)
        return info

    def _may_be_resumed(self, mark: str, error: BaseException) -> bool:
        """By who keeps its address, unless the service refused it. A lost service hears no farewell either."""
        if isinstance(error, ConnectionFailed):
            return True
        return bool(mark) and "resume" in self._options and not isinstance(error, ClientError)

    def _begin(self, mark: str, source: Source) -> tuple[str, tus.Reached]:
        """The upload's address and how far it is: one that was begun before, or a new one."""
        if mark and (path := self._resume.get(mark)):
            try:
                return path, self._look(path)
            except NotFound:  # it has expired, or is finished for long
                self._resume.pop(mark, None)
        headers = tus.beginning(self._bucket, self._key, source.size or 0, self._options)
        # One that nobody goes on with is no harm: it has no bytes, and it expires.
        response = self._connection.answer(Call("POST", tus.PATH, headers=headers))
        path = tus.upload_path(response.headers["location"])
        if mark:
            self._resume[mark] = path
        return path, tus.Reached(0, "")

    def _pieces(self, path: str, found: tus.Reached, source: Source) -> tus.Reached:
        failures = 0
        while not found.version_id:
            try:
                before, found = found, self._piece(path, found.offset, source)
            except ClientError as error:
                if failures >= self._connection.retries or not tus.may_go_on(error):
                    raise
                io.pause(pause_seconds(failures, error))
                failures += 1
                before, found = found, self._look(path)
            if found.offset > before.offset:
                failures = 0
        return found

    def _piece(self, path: str, offset: int, source: Source) -> tus.Reached:
        piece = source.part(offset, offset + tus.PIECE_BYTES)
        headers = io.in_thread(tus.piece_headers, offset, piece)
        call = Call("PATCH", path, headers=headers, source=piece, repeatable=False)
        told = replace(call, progress=_from(offset, source.size, self._options.get("progress")))
        return tus.reached((self._connection.answer(told)).headers)

    def _look(self, path: str) -> tus.Reached:
        return tus.reached((self._connection.answer(Call("HEAD", path, headers=tus.VERSION))).headers)

    def _abandon(self, path: str) -> None:
        try:
            self._connection.answer(Call("DELETE", path, headers=tus.VERSION))
        except ClientError:  # it expires by itself
            return

    def _head(self, version_id: str) -> FileInfo:
        path = path_of("files", "info", self._bucket, key=self._key)
        return FileInfo.parse(self._connection.json(Call("GET", path, {"version_id": version_id})))


def _from(offset: int, size: int | None, progress: Progress | None) -> Progress | None:
    """Tells of the whole what it hears of a piece."""
    return None if progress is None else lambda done, _: progress(offset + done, size)


def _check(source: Source, info: FileInfo) -> None:
    """The first part was sent by another process: whether it was of these bytes. Raises: ChecksumMismatch."""
    if info.crc64nvme is not None and source.digest("crc64nvme") != info.crc64nvme:
        raise ChecksumMismatch(f"{info.key!r} is not what was sent: the file changed between two attempts")
