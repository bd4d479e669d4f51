"""What runs on a timer beside the doors: settle, expiry, garbage, and keeping the numbers others read.

A job is a plain object with `run`; `loop` says when. May import core and backends; never a web framework.
"""
