"""The S3 door: S3's protocol over the core's calls. Plain ASGI, no framework.

`door` finds the operation in the one table of `operations`, asks `auth` who calls and the core whether they may; a
file a verb holds the handlers. May import `core` and `edge` only; what storage means is the core's.
"""
