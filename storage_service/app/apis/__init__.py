"""The JSON door (contract, generation A, with seed 002's list). Wire names live in `schemas`; no disk, no database.

`endpoints` holds the routes: FastAPI for what is not hot, plain ASGI for bodies. `context` is what main hands them.
"""
