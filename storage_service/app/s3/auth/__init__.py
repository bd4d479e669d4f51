"""Who sent an S3 request: signatures of versions 4 and 2 in headers, URLs and forms, and signed bodies. Pure.

One small file per element of the protocol; `authenticate` is the one way in. No disk, no catalog, no web framework.
"""
