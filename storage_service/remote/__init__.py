"""An S3 server as its client sees it: signed requests, bodies that survive a dropped connection, lists, settings.

Blocking: for threads. Imports no other room; the importer and the service's origins stand on it.
"""

from storage_service.remote.body import Body
from storage_service.remote.endpoint import Endpoint
from storage_service.remote.errors import Refused, RemoteError, Unreachable
from storage_service.remote.listing import Listed
from storage_service.remote.server import S3Server

__all__ = ["Body", "Endpoint", "Listed", "Refused", "RemoteError", "S3Server", "Unreachable"]
