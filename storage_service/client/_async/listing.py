"""Pages of a bucket's files, one after the other."""

from collections.abc import AsyncIterator, Mapping

from storage_service.client._async.connection import AsyncConnection
from storage_service.client.models import FileInfo, Prefix
from storage_service.client.wire import Call, merged, path_of


class AsyncListing:
    """One list. `params` go with each page."""

    def __init__(self, connection: AsyncConnection, bucket: str, params: Mapping[str, str]) -> None:
        self._connection = connection
        self._path = path_of("files", "list", bucket)
        self._params = {**params, "envelope": "true"}
        self._by_offset = bool({"search", "sort"} & params.keys())

    async def entries(self, start: Mapping[str, str]) -> AsyncIterator[FileInfo | Prefix]:
        where: dict[str, str] = dict(start)
        seen = 0
        while True:
            page = await self._connection.json(Call("GET", self._path, {**self._params, **where}))
            files = [FileInfo.parse(record) for record in page["files"]]
            for entry in merged(files, [Prefix(name) for name in page["prefixes"]]):
                yield entry
            seen += len(files)
            if self._by_offset and files and seen < page["total"]:
                where = {"offset": str(seen)}
            elif page["cursor"]:
                where = {"cursor": page["cursor"]}
            else:
                return
