"""The catalog in SQLite: the commit point. It knows rows, not S3's rules.

`schema` opens the file, `rows` is one transaction, `committer` groups changes into them, `reading` answers look-ups and
lists, `settling` is what the jobs process asks. Nothing but SQLite opens the catalog's files: closing any other
descriptor of them would drop SQLite's locks (POSIX).
"""
