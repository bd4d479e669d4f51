"""A storage service with buckets, objects and plain files on disk.

Rooms: `app` is the service, `cli` the `storage` command, `client` the Python client (it never
imports `app`), `providers` adapters over the client. Nothing but the version stands here.
"""

__version__ = "0.1.0"
