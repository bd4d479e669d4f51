"""What S3 calls sub-resources of buckets, one file each: XML <-> the JSON kept in the bucket's `config`, and handlers.

`table` has the operations. What a configuration means for requests is decided in `core` and `edge`, never here.
"""
