"""What a bucket's origin still has is made to arrive: beside a read-through move-in, and before its end.

Whoever reads an object makes it arrive; this asks for the head of each that is missing. The rules stay the service's.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from storage_service.client import Client
from storage_service.moving.tally import Left, Tally
from storage_service.remote import Refused, RemoteError, S3Server

NOT_FOUND = 404
WAITING = 8  # keys listed ahead, for each thread


class Filler:
    """One run over a bucket. `stop` ends it soon."""

    def __init__(self, server: S3Server, api: Client, bucket: str, at_once: int) -> None:
        self._server = server
        self._api = api
        self._bucket = bucket
        self._at_once = at_once
        self._room = threading.Semaphore(WAITING * at_once)
        self._stopped = threading.Event()
        self.tally = Tally()

    def stop(self) -> None:
        self._stopped.set()

    def run(self) -> Tally:
        """Raises: ClientError where the bucket has no origin, or the origin cannot be listed."""
        with ThreadPoolExecutor(self._at_once) as pool:
            for one in self._listed():
                self._room.acquire()
                pool.submit(self._fetch, one["key"], one["size"])
        self._server.close()
        return self.tally

    def _listed(self) -> Iterator[dict[str, Any]]:
        """What is missing; the rest is counted."""
        tally = self.tally
        for one in self._api.buckets.origin_objects(self._bucket):
            if self._stopped.is_set():
                return
            tally.add(found=1, found_bytes=one["size"])
            if one["state"] == "missing":
                yield one
            elif one["state"] == "changed":
                tally.add(kept=1)
                reason = "it has another size here: written here, or at the old server since it arrived"
                tally.leave(tally.kept, Left(self._bucket, one["key"], reason))
            else:  # a delete here is as good as an arrival: it is to stay
                tally.add(there=1, there_bytes=one["size"])

    def _fetch(self, key: str, size: int) -> None:
        try:
            self._server.head(self._bucket, key)
            self.tally.add(moved=1, moved_bytes=size, versions=1)
        except RemoteError as error:
            if isinstance(error, Refused) and error.status == NOT_FOUND:  # deleted meanwhile, here or there
                return self.tally.add(there=1)
            self.tally.add(failed=1)
            self.tally.leave(self.tally.failures, Left(self._bucket, key, str(error)))
        finally:
            self._room.release()
