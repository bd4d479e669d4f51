"""The resumable door: tus 1.0 at `/files/resumable`. `protocol` is its headers, pure; the rest is plain ASGI.

May import core, edge and schemas; no other door, no backend, no framework.
"""
