"""The browser door at /console: its pages, and signing in and out. What the pages do, they do by the public JSON API.

`session` knows credentials and cookies, `assets` the files that ship in `static`; `door` puts them on paths. No disk,
no database.
"""
