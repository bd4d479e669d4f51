"""Encrypted documents on any storage: providers (bytes by name), the document service on top, the move from files.

Nothing here knows a web framework; the example in `examples/document_backend` does.
"""
