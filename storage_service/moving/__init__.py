"""Move-in: buckets, objects and settings of another store brought into this service, through its own S3 door.

`sources` read, `target` writes, `decide` (pure) says what is to be done with a key, `journal` remembers it, `mover`
runs it all in threads. It knows the service by its HTTP interface alone: it imports `remote` and `client`, never `app`.
"""
