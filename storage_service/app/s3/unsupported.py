"""Operations that this service does not have, each with its reason: a clear refusal, never a wrong success."""

from storage_service.app.core.errors import NotImplemented
from storage_service.app.s3.context import Call
from storage_service.app.s3.operation import Handler, Operation


def refuse(reason: str) -> Handler:
    """A handler that answers NotImplemented with these words."""

    async def handler(call: Call) -> None:
        raise NotImplemented(reason, bucket=call.target.bucket, key=call.target.key)

    return handler


_SELECT = refuse("SelectObjectContent is not implemented: objects are not parsed on the server; read them with ranges")
_RESTORE = refuse("RestoreObject is not implemented: there is no archive class, every object can be read at once")
_TORRENT = refuse("GetObjectTorrent is not implemented: AWS has withdrawn it")
_SESSION = refuse("CreateSession is not implemented: it belongs to directory buckets")
_APPEND = refuse("Append is not implemented: objects never change; write a new version or use multipart")

OPERATIONS = (
    Operation("POST", "object", "select", "SelectObjectContent", "read_object", _SELECT),
    Operation("POST", "object", "restore", "RestoreObject", "write_object", _RESTORE),
    Operation("GET", "object", "torrent", "GetObjectTorrent", "read_object", _TORRENT),
    Operation("GET", "bucket", "session", "CreateSession", "read_bucket", _SESSION),
    Operation("PUT", "object", "append", "AppendObject", "write_object", _APPEND),
    Operation("POST", "object", "append", "AppendObject", "write_object", _APPEND),
)
