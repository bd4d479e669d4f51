"""The realtime door: SelfDB's WebSocket protocol over the change feed (contract §7).

`protocol` is pure: text to messages, events to text; `door` holds a conversation. Imports the core and edge; no other
door, no backend.
"""
