"""HTTP mechanics that every door shares: requests, bodies, forms, ranges, conditions, answers.

Here belongs what names a header or a status and is needed by two doors. What storage means belongs
in `core`, the text of one protocol in its door. May import `core` only; never starlette or fastapi,
because the hot paths are plain ASGI.
"""
