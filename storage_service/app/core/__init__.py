"""The core: what storage means. It owns the words and the interfaces, and imports no other room and no web framework.

Reading order: errors, objects, commit (what a change does), sidecar (what lies on disk), storage (the calls every door
ends in). Whether an object is visible, expired, allowed or over quota is decided here.
"""
