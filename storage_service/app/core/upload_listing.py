"""A page of a bucket's unfinished uploads, common prefixes rolled up."""

from storage_service.app.core.backend import Catalog
from storage_service.app.core.objects import Upload
from storage_service.app.core.pieces import UploadPage, UploadsQuery

LAST = chr(0x10FFFF)


def page_of_uploads(catalog: Catalog, bucket: int, query: UploadsQuery) -> UploadPage:
    """By key and id. Past each common prefix it seeks, it does not walk. Blocking."""
    uploads: list[Upload] = []
    prefixes: list[str] = []
    at, cursor = (query.after_key, query.after_id or LAST), (query.after_key, query.after_id)
    if query.limit < 1:
        return UploadPage(())
    while True:
        room = query.limit + 1 - len(uploads) - len(prefixes)
        found = catalog.uploads(bucket, query.prefix, at, room)
        for upload in found:
            if len(uploads) + len(prefixes) == query.limit:
                return UploadPage(tuple(uploads), tuple(prefixes), cursor)
            at = cursor = (upload.key, upload.id)
            cut = upload.key.find(query.delimiter, len(query.prefix)) if query.delimiter else -1
            if cut >= 0:
                prefix = upload.key[: cut + len(query.delimiter)]
                at, cursor = (prefix + LAST * 257, LAST), (prefix, "")
                if not query.after_key.startswith(prefix):
                    prefixes.append(prefix)
                break
            uploads.append(upload)
        else:
            if len(found) < room:
                return UploadPage(tuple(uploads), tuple(prefixes))
