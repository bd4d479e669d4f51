"""Backends: what touches disk and database. Blobs are local files over `disk`; the catalog is SQLite.

Paths, descriptors and SQL stand here and nowhere else. May import core and edge-free libraries only; what S3 means is
the core's business: a catalog reads the rows a change names, asks `core.commit.decide`, and applies the writes.
"""
